package caller

import (
	"context"
	"testing"

	"parley/internal/caller/callertest"
)

// What crosses the wire is tapped with the call's own times.
func TestWire(t *testing.T) {
	url := callertest.Agent{Answer: 300 * ms}.Start(t)
	err := Run(limited(t), url, Options{}, func(ctx context.Context, c *Caller) error {
		w := c.Wire(1000)
		defer w.Controls.Close()
		defer w.Heard.Close()
		defer w.Sent.Close()
		if d := w.Clock() - w.Connected - c.Now(); d < -ms || d > ms || w.Connected <= 0 || w.Events == 0 {
			t.Errorf("%+v", w)
		}
		from := c.Now()
		said, err := c.Say(ctx, callertest.Tone(200*ms))
		if err != nil {
			return err
		}
		if _, err := c.Answer(ctx, said.Last); err != nil {
			return err
		}
		if err := c.Finished(ctx); err != nil {
			return err
		}
		sent, heard := 0, 0
		for p, ok, _ := w.Sent.Next(); ok; p, ok, _ = w.Sent.Next() {
			if at := p.At - w.Connected; sent == 0 && (at < from-20*ms || at > from+100*ms) {
				t.Errorf("the first was sent at %v, tapped since %v", at, from)
			}
			sent++
		}
		for _, ok, _ := w.Heard.Next(); ok; _, ok, _ = w.Heard.Next() {
			heard++
		}
		if n := len(c.Sent(from)); sent < n-3 || sent > n+3 || heard < 20 {
			t.Errorf("%d of %d packets sent, %d heard", sent, n, heard)
		}
		ours, theirs := 0, 0
		for p, ok, _ := w.Controls.Next(); ok; p, ok, _ = w.Controls.Next() {
			if p.Up {
				theirs++
			} else {
				ours++
			}
		}
		if ours+theirs == 0 {
			t.Error("no RTCP in a second")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
