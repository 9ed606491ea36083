// Package calibrate is the verb "calibrate": it proves the ruler that recordings are measured with.
//
// Calls are made over loopback through all that a call goes through: the pacer, the encoder, WebRTC both ways and the record. In
// both directions chirps and speech are said whose samples are known, in packets whose times of sending are noted. What the
// record makes of them is then read, and compared with that:
//
//   - A chirp's place in a track, by a matched filter, with the place of its samples: the time on the RTP clock of the packet that
//     had them, which is the pacer's, plus the least time that any packet of the call was sent after its own. So the lateness of
//     the pacer's ticks is taken off, and of the codec its own delay, which is measured beside it without a network; nothing
//     else is. What the caller sends is compared with its sending, not with its arrival: the way through loopback, a fraction of a
//     millisecond, counts as error.
//   - Where package edge finds speech to begin and to end with where it was put.
//   - The lengths of both tracks with each other.
//   - A call of 9.98 s in which two seconds of packets are not sent, with 9.98 s.
package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"parley/cmd/parley/verdict"
	"parley/internal/corpus"
	"parley/media/rtc"
)

// Cmd is the verb.
type Cmd struct {
	Calls  int           `default:"3" env:"-" help:"How many calls."`
	Length time.Duration `default:"20s" env:"-" help:"How long each lasts."`
	Seed   uint64        `default:"1" env:"-" help:"What is said when: the same for the same number."`
	Keep   string        `placeholder:"DIR" env:"-" help:"Leave the recordings there."`
	JSON   bool          `name:"json" env:"-" help:"Print the figures as JSON."`
}

// Bounds of the flags.
const (
	callsMost   = 100
	lengthLeast = 5 * time.Second
	lengthMost  = time.Hour
)

// Run makes the calls and prints what was measured. Its error is a [verdict.Verdict], also if something is off.
func (c *Cmd) Run(ctx context.Context, out io.Writer) error {
	r, err := c.measure(ctx, corpus.Load)
	switch {
	case ctx.Err() != nil:
		return verdict.Unknown(fmt.Errorf("calibrate: broken off: %w", context.Cause(ctx)))
	case err != nil:
		return verdict.Unknown(fmt.Errorf("calibrate: %w", err))
	}
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = r.print(out)
	}
	switch {
	case err != nil:
		return verdict.Unknown(fmt.Errorf("write figures: %w", err))
	case !r.Proven:
		return verdict.Bad("the ruler is not proven: see the lines marked NOT")
	}
	return nil
}

// measure makes all calls and measures them.
func (c *Cmd) measure(ctx context.Context, load loader) (*report, error) {
	if c.Calls < 1 || c.Calls > callsMost || c.Length < lengthLeast || c.Length > lengthMost {
		return nil, fmt.Errorf("%d calls of %v: give 1 to %d of %v to %v", c.Calls, c.Length, callsMost, lengthLeast, lengthMost)
	}
	voices, human, err := speech(load)
	if err != nil {
		return nil, err
	}
	delay, err := codecDelay()
	if err != nil {
		return nil, err
	}
	dir := c.Keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "parley-calibrate-"); err != nil {
			return nil, fmt.Errorf("make a folder for the recordings: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	lab := lab{endpoint: e, dir: dir, delay: delay, stamp: time.Now().UTC().Format("20060102-150405")}
	r := &report{Seed: c.Seed, Length: c.Length.Seconds(), Human: human, CodecDelay: millis(delay)}
	losses := make(chan error, 1)
	go func() { // the call with the loss goes on beside the first
		var err error
		r.Loss, err = lab.loss(ctx)
		losses <- err
	}()
	for n := range c.Calls {
		var one call
		if one, err = lab.call(ctx, n, c.Seed, c.Length, voices); err != nil {
			break
		}
		r.Calls = append(r.Calls, one)
	}
	if err := errors.Join(err, <-losses); err != nil {
		return nil, err
	}
	r.judge()
	return r, nil
}
