package realtime

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/media"
)

// FuzzEvents gives what a service may say, one event a line, to a link that has committed three items: whatever it is,
// they are told at most once each, in order, and what is kept has a bound.
func FuzzEvents(f *testing.F) {
	line := func(kind, item, field, text string) string {
		return fmt.Sprintf(`{"type":%q,"item_id":%q,%q:%q}`, kind, item, field, text)
	}
	f.Add([]byte(line(committed, "a", "", "") + "\n" + line(delta, "a", "delta", "one ") + "\n" + line(completed, "a", "transcript", "One.")))
	f.Add([]byte(line(completed, "b", "transcript", "Two.") + "\n" + line(failed, "a", "", "") + "\n" + line(committed, "a", "", "")))
	f.Add([]byte(line(committed, "a", "", "") + "\n" + line(committed, "b", "", "") + "\n" + line(completed, "b", "transcript", "Two.")))
	f.Add([]byte(`{"type":"error","error":{"code":"insufficient_quota","message":"` + secret + `","event_id":"commit"}}`))
	f.Add([]byte(`{"type":"error","error":"text"}` + "\n" + `{"type":"error","error":{"event_id":"update","message":7}}`))
	f.Add([]byte(`{"type":"conversation.item.input_audio_transcription.failed","item_id":"a","error":null}`))
	f.Add([]byte(`{"type":"` + delta + `","item_id":"\ud800","delta":"\udfff"}` + "\n[]\nnull\n{}\n" + `{"TYPE":"error"}`))
	f.Add(bytes.Repeat([]byte(line(delta, "x", "delta", "y")+"\n"), 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{Key: secret, Logger: slog.New(slog.NewTextHandler(&journal{t: t}, nil))}
		s := &session{o: &o, wake: make(chan struct{}, 1)}
		l := &link{s: s, from: 16000}
		l.heard, l.ends = 24000, []int{8000, 16000, 24000}
		s.link = l
		for text := range bytes.Lines(data) {
			e, err := parse(without(secret, text))
			if err == nil {
				err = s.take(e)
			}
			if err != nil {
				public(t, err.Error())
				if provider.ClassName(err) == "" || e.Type != complaint && !errors.Is(err, provider.ErrUnavailable) {
					t.Fatalf("error %v", err)
				}
				break
			}
		}
		if len(l.texts) > mostOpen || len(l.news) > mostNews || len(s.old) > remembered || len(l.order) > 3 {
			t.Errorf("%d texts, %d pieces, %d old items, %d places", len(l.texts), len(l.news), len(s.old), len(l.order))
		}
		var ends []time.Duration
		for {
			r, ok, _, err := l.look()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if r.Settled.Text != "" {
				ends = append(ends, r.Settled.End)
			}
			if !utf8.ValidString(r.Settled.Text+r.Open.Text) || r.Open.End > 1500*ms {
				t.Errorf("reply %+v", r)
			}
		}
		if all := []time.Duration{500 * ms, time.Second, 1500 * ms}; len(ends) > 3 || !slices.Equal(ends, all[:len(ends)]) {
			t.Errorf("items end at %v", ends)
		}
	})
}

// FuzzTalk has whole calls with a service that says what it likes after the first commit. They end, and every Flush has one Final
// unless there is an error.
func FuzzTalk(f *testing.F) {
	f.Add([]byte(`{"type":"` + completed + `","item_id":"a","transcript":"Yes."}`))
	f.Add([]byte(`{"type":"` + failed + `","item_id":"a"}` + "\n" + `{"type":"error","error":{"event_id":"commit"}}`))
	f.Add([]byte(`{"type":"error","error":{"event_id":"commit"}}`))
	f.Add([]byte(`{"type":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &service{script: func(n int, p *peer) {
			for m := p.next(); m.Type != "input_audio_buffer.commit" && m.Type != ""; m = p.next() {
			}
			if n > 1 {
				p.about(completed, "other", "transcript", strings.Join(p.commit(), " "))
				p.serve(nil)
				return
			}
			p.commit()
			for text := range bytes.Lines(data) {
				p.raw(string(text))
			}
			p.serve(nil)
		}}
		o := hear(t, recognizer(t, s, Options{Limits: provider.Limits{First: 20 * ms, Gap: 20 * ms}}), media.Of(turns(2, 2)...))
		if o.err == nil && len(o.finals) != 2 || o.err != nil && provider.ClassName(o.err) == "" {
			t.Errorf("heard %q, error %v", o.finals, o.err)
		}
	})
}
