package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/rotate"
)

// TestRotation is a call at a hundredth of its scale: a limit of 144 s in place of 4 h, for 7 min of
// speech, which pass as fast as the server hears them. It ends a stream that is older, as the
// service does; every word is heard once. Without pauses the voice detector never hears silence.
func TestRotation(t *testing.T) {
	const limit = 144 * 16000 // samples
	for name, pauses := range map[string]bool{"in pauses": true, "without a pause": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{}
			s.script = func(_ int, p *peer) {
				p.serve(func() bool {
					if p.heard < limit {
						return false
					}
					p.fault("a stream is too old")
					p.exception("LimitExceededException", "Your stream is longer than 4 hours.")
					return true
				})
			}
			var frames []stt.Audio
			said, at := 0, time.Hour
			for at < time.Hour+7*time.Minute {
				next := speech(at, slices.Concat(say(said+1, said+20), pause(time.Second)))
				for i := range next {
					next[i].Voice = next[i].Voice || !pauses
				}
				said += 20
				frames, at = append(frames, next...), last(next)
			}
			var heard atomic.Int64
			heard.Store(int64(time.Hour))
			r := recognizer(t, s, Options{Times: Times{Rotate: 100 * time.Second}})
			o := hear(t, noting(r, &heard), following(flushed(frames), &heard))
			if o.err != nil || o.text() != names(1, said) {
				t.Fatalf("heard %d bytes of %d, error %v", len(o.text()), len(names(1, said)), o.err)
			}
			if n, _, most := s.count(); n < 4 || most != 2 {
				t.Errorf("%d connections, at most %d at once: want at least 4, 2 at once", n, most)
			}
			words := o.results[len(o.results)-1].Words
			if len(words) != said || (words[said-1].End-lastSound(frames)).Abs() > ms {
				t.Errorf("%d words, the last ends at %v, spoken until %v", len(words), words[len(words)-1].End, lastSound(frames))
			}
		})
	}
}

// following gives frames as fast as the service hears them, at most two hundred times as fast as they were
// spoken: it begins no sentence that lies more than 15 s behind what was heard.
func following(frames []stt.Audio, heard *atomic.Int64) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			silent := 0
			for _, f := range frames {
				if silent++; f.PCM[0] != 0 {
					silent = 0
				}
				if silent == 10 {
					time.Sleep(30 * ms)
				}
				for silent == 10 && f.At-time.Duration(heard.Load()) > 15*time.Second && ctx.Err() == nil {
					time.Sleep(ms)
				}
				if ctx.Err() != nil || !yield(f) {
					return
				}
			}
		}
	}
}

// noting is r; the end of all that it hears is stored.
func noting(r stt.Recognizer, heard *atomic.Int64) stt.RecognizerFunc {
	return func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				heard.Store(int64(res.End))
				if !yield(res, err) {
					return
				}
			}
		}
	}
}

func last(frames []stt.Audio) time.Duration {
	f := frames[len(frames)-1]
	return f.At + f.Duration()
}

// lastSound is where the last sound ends.
func lastSound(frames []stt.Audio) time.Duration {
	for _, f := range slices.Backward(frames) {
		for i := len(f.PCM) - 1; i >= 0; i-- {
			if f.PCM[i] != 0 {
				return f.At + media.Samples(i+1, f.Rate)
			}
		}
	}
	return 0
}

// TestSilence: where the input is silent, silence is sent at the pace of real time; then the stream is
// closed, and opened again for what comes.
func TestSilence(t *testing.T) {
	more := make(chan []stt.Audio, 1)
	begun := time.Now()
	s := &service{}
	s.script = func(n int, p *peer) {
		p.serve(nil)
		sent, took := media.Samples(p.heard, 16000), time.Since(begun)
		if n > 1 {
			return
		}
		if sent < 1500*ms || sent > took+1300*ms || p.sizes[len(p.sizes)-1] != 0 {
			p.fault("%v of audio in %v, the last of %d bytes", sent, took, p.sizes[len(p.sizes)-1])
		}
		more <- flushed(speech(1260*ms, slices.Concat(say(5, 6), pause(400*ms))))
		close(more)
	}
	r := recognizer(t, s, Options{Times: Times{Idle: time.Second}})
	r.pace = 4
	o := hear(t, r, held(flushed(speech(0, slices.Concat(pause(200*ms), say(1, 4), pause(20*ms)))), more))
	if n, _, _ := s.count(); o.err != nil || o.text() != names(1, 4)+"|"+names(5, 6) || n != 2 {
		t.Fatalf("heard %q on %d connections, error %v", o.finals, n, o.err)
	}
	if last := o.results[len(o.results)-1]; (last.Start - 1260*ms).Abs() > ms {
		t.Errorf("the words after the silence start at %v", last.Start)
	}
}

// TestPace: audio that has waited is sent at most four times as fast as it was spoken.
func TestPace(t *testing.T) {
	s := &service{}
	r := recognizer(t, s, Options{})
	r.pace = 4
	begun := time.Now()
	o := hear(t, r, media.Of(flushed(speech(0, say(1, 20)))...)) // 5.2 s
	if d := time.Since(begun); o.err != nil || o.text() != names(1, 20) || d < 1100*ms || d > 3*time.Second {
		t.Errorf("heard %q in %v, error %v", o.finals, d, o.err)
	}
}

// TestCutAfterFinal: words told by a Final while the segment is open, and heard again after a cut, are not told again.
func TestCutAfterFinal(t *testing.T) {
	more := make(chan []stt.Audio, 1)
	s := &service{}
	s.script = func(n int, p *peer) {
		if n > 1 {
			p.serve(nil)
			return
		}
		e := ear{}
		for p.heard < 12480 { // the words, no end of the segment
			pcm, _ := p.next()
			for _, m := range e.hear(pcm) {
				p.send(m)
			}
		}
		time.Sleep(300 * ms) // the Final is told
		more <- flushed(speech(780*ms, slices.Concat(say(4, 5), pause(400*ms))))
		close(more)
	}
	r := recognizer(t, s, Options{Times: Times{Settle: 100 * ms}})
	o := hear(t, r, held(flushed(speech(0, say(1, 3))), more))
	n, _, _ := s.count()
	if o.err != nil || n != 2 || o.text() != "w1 w2 w3|w4 w5" && o.text() != "w1 w2 w3|w1 w2 w3 w4 w5" {
		t.Fatalf("heard %q on %d connections, error %v", o.finals, n, o.err)
	}
	if a, b := o.results[0], o.results[len(o.results)-1]; len(b.Words) == 5 != (a.Start == b.Start) {
		t.Errorf("%q starts at %v, %q at %v", a.Text, a.Start, b.Text, b.Start)
	}
}

// TestLongSegment has a segment that is longer than what can be heard again, and then a cut: words that the old
// stream told stand, and none is heard twice.
func TestLongSegment(t *testing.T) {
	s := &service{}
	s.script = func(n int, p *peer) { p.serve(func() bool { return n == 1 && p.heard > 50*16000 }) }
	var frames []stt.Audio
	for k, at := 1, time.Duration(0); k < 230; k += 10 { // one minute
		next := speech(at, say(k, k+9))
		frames, at = append(frames, next...), last(next)
	}
	var heard atomic.Int64
	r := recognizer(t, s, Options{Logger: slog.New(slog.DiscardHandler)})
	o := hear(t, noting(r, &heard), pacing(flushed(frames), &heard))
	if n, _, _ := s.count(); o.err != nil || n != 2 || o.text() != names(1, 230) {
		got, want := strings.Fields(o.text()), strings.Fields(names(1, 230))
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Errorf("%d words on %d connections, error %v; from word %d on %q", len(got), n, o.err, i, got[i:min(i+5, len(got))])
	}
}

// pacing gives frames that lie at most 5 s behind what was heard.
func pacing(frames []stt.Audio, heard *atomic.Int64) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for _, f := range frames {
				for until := time.Now().Add(50 * ms); f.At-time.Duration(heard.Load()) > 5*time.Second && time.Now().Before(until); {
					time.Sleep(ms) // not so long that silence is sent in place of the next frame
				}
				if ctx.Err() != nil || !yield(f) {
					return
				}
			}
		}
	}
}

// TestNoStream: when no stream can be opened any more, Total ends the call.
func TestNoStream(t *testing.T) {
	s := &service{}
	s.script = func(n int, p *peer) {
		p.next()
		p.exception("LimitExceededException", "Too many.")
	}
	r := recognizer(t, s, Options{Limits: provider.Limits{Total: 300 * ms}})
	begun := time.Now()
	o := hear(t, r, held(speech(0, say(1, 3)), nil))
	if !errors.Is(o.err, provider.ErrUnavailable) || time.Since(begun) > 3*time.Second || fmt.Sprint(o.err) != "recognize speech with Amazon Transcribe: unavailable: no stream within 300ms" {
		t.Errorf("error %v after %v", o.err, time.Since(begun))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(transcript(result("a", true, "Yes, please.", []item{{"Yes", "pronunciation", 0.1, 0.5, true}, {",", "punctuation", 0, 0, true}})))
	f.Add(transcript(`{"Transcript":{"Results":[{"StartTime":1e300,"EndTime":-5,"Alternatives":[{"Transcript":"\ud800","Items":[{"Content":"a","Type":"pronunciation","StartTime":9,"EndTime":1}]}]}]}}`))
	f.Add(message(`{"Message":"no"}`, ":message-type", "exception", ":exception-type", "BadRequestException"))
	f.Add(message("", ":message-type", "error", ":error-code", "x"))
	f.Add([]byte(`{"Transcript":{"Results":[{"StartTime":2,"EndTime":1,"IsPartial":true,"Alternatives":[{"Transcript":"a b","Items":[]}]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data)
		check(t, transcript(string(data))) // its checksums are right
	})
}

// check reads a message: what comes of it is in order.
func check(t *testing.T, data []byte) {
	replies, err := read(data)
	for _, r := range replies {
		for _, p := range []rotate.Part{r.Settled, r.Open} {
			if p.Start < 0 || p.End < 0 || max(p.Start, p.End) > 24*time.Hour || !utf8.ValidString(p.Text) {
				t.Errorf("part %+v", p)
			}
			for _, w := range p.Words {
				if w.Start < 0 || w.End < 0 || max(w.Start, w.End) > 24*time.Hour || !utf8.ValidString(w.Text) {
					t.Errorf("word %+v", w)
				}
			}
		}
	}
	told(t, replies)
	if err != nil && provider.ClassName(err) == "" {
		t.Errorf("error %v has no class", err)
	}
}

// told has replies told in a call of one second: its results are in order.
func told(t *testing.T, replies []rotate.Reply) {
	var at int
	done := make(chan struct{}, 1)
	o := rotate.Options{
		Open: func(ctx context.Context, _ int) (rotate.Link, error) {
			return rotate.Link{
				Send:   func([]byte) error { return nil },
				Finish: func() error { done <- struct{}{}; return nil },
				Recv: func() (rotate.Reply, error) {
					if at++; at <= len(replies) {
						return replies[at-1], nil
					}
					select {
					case <-done:
						return rotate.Reply{}, io.EOF
					case <-ctx.Done():
						return rotate.Reply{}, ctx.Err()
					}
				},
			}, nil
		},
		Chunk: chunk, Rate: 16000, Rotate: time.Hour, Late: time.Hour, Steady: &rotate.Steady{Idle: time.Hour, Settle: time.Second, Wait: time.Second},
	}
	for r, err := range rotate.Recognize(t.Context(), media.Of(speech(time.Second, make([]int16, 16000))...), o, "test") {
		if err != nil {
			t.Error(err)
		}
		at := r.Start
		for _, w := range r.Words {
			if w.Start < at || w.End < w.Start || w.End > r.End {
				t.Errorf("word %+v of %+v", w, r)
			}
			at = w.Start
		}
		if r.Start < time.Second || r.End < r.Start {
			t.Errorf("result %+v", r)
		}
	}
}
