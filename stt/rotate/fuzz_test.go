package rotate

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// played is a provider that answers every message of audio with the next reply of a script, and ends a stream when the
// script says so.
func played(script []byte, steady bool) Options {
	next := func() (b byte, ok bool) {
		if len(script) == 0 {
			return 0, false
		}
		b, script = script[0], script[1:]
		return b, true
	}
	turn := make(chan struct{}, 1) // the script's owner
	turn <- struct{}{}
	o := (&booth{}).options(steady)
	o.Rotate, o.Late = 300*ms, 350*ms
	o.Open = func(ctx context.Context, _ int) (Link, error) {
		replies, done := make(chan Reply, 1), make(chan error, 1)
		return Link{
			Send: func([]byte) error {
				<-turn
				b, ok := next()
				n, _ := next()
				turn <- struct{}{}
				end, early := time.Duration(n)*10*ms, time.Duration(n/2)*20*ms
				var r Reply
				switch {
				case !ok || b < 60:
					return nil
				case b < 120:
					r.Open = Part{Text: strings.Repeat("x", int(b-59)), Start: early / 2, End: early}
					if b%2 == 0 {
						r.Open.Words = []stt.Word{{Text: r.Open.Text, Start: end, End: early}}
						r.Stable = b%4 == 0
					}
				case b < 180:
					r.Settled = Part{Text: strings.Repeat("y", int(b-119)), End: end}
					r.Settled.Words = []stt.Word{{Text: r.Settled.Text, Start: early, End: end}}
				case b < 200:
					r.Mark, r.At = Mark(b%4), end
				case b < 215:
					done <- io.EOF
					return io.EOF
				case b < 230:
					done <- tooLong
					return io.EOF
				case b < 240:
					done <- []error{down, full}[b%2]
					return io.EOF
				default:
					r.Settled, r.Open = Part{Text: " y", End: end}, Part{Text: " x", Start: early}
				}
				select {
				case replies <- r:
				case <-ctx.Done():
				}
				return nil
			},
			Finish: func() error { done <- io.EOF; return nil },
			Recv: func() (Reply, error) {
				select {
				case r := <-replies:
					return r, nil
				case <-ctx.Done():
					return Reply{}, &Failure{Err: ctx.Err(), Cut: Passing}
				case err := <-done:
					select {
					case r := <-replies:
						done <- err
						return r, nil
					default:
						return Reply{}, err
					}
				}
			},
		}, nil
	}
	return o
}

// FuzzReplies looks for replies that break the contract, whatever a provider says and when it ends.
func FuzzReplies(f *testing.F) {
	for _, steady := range []bool{false, true} {
		f.Add([]byte{70, 10, 130, 20, 70, 30, 250, 40, 220, 0, 70, 5, 190, 9}, []byte{1, 1, 1, 1, 3, 1, 1, 0, 2, 0, 0, 1, 1, 1, 3}, steady)
		f.Add([]byte{205, 0, 205, 0, 235, 0, 183, 4}, []byte{1, 1, 2, 1, 3, 4, 1, 1}, steady)
		f.Add([]byte{64, 10, 66, 20, 68, 30, 130, 40, 235, 0, 70, 5}, []byte{1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 0, 0, 1, 1, 3, 3}, steady)
	}
	f.Fuzz(func(t *testing.T, script, steps []byte, steady bool) {
		synctest.Test(t, func(t *testing.T) { tell(t, script, steps, steady) }) // pauses take no time there
	})
}

func tell(t *testing.T, script, steps []byte, steady bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in, flushes := talk(), 0
	for _, b := range steps[:min(len(steps), 60)] {
		switch b % 5 {
		case 0:
			in.hush(60 * ms)
		case 1, 2:
			in.say(int(b/5), int(b/5))
		case 3:
			in.flush()
			flushes++
		case 4:
			in.at += time.Duration(b) * 20 * ms // a gap
		}
	}
	got := 0
	for r, err := range Recognize(ctx, in.source(false), played(script, steady), "hear") {
		if err != nil {
			if provider.ClassName(err) == "" {
				t.Errorf("error %v has no class", err)
			}
			return
		}
		if r.Start < 9*time.Second || r.End < r.Start {
			t.Errorf("%+v", r)
		}
		at := r.Start
		for _, w := range r.Words {
			if w.Start < at || w.End < w.Start || w.End > r.End {
				t.Errorf("word %+v of %+v", w, r)
			}
			at = w.Start
		}
		if r.Kind == stt.Final {
			got++
		}
	}
	if got < flushes {
		t.Errorf("%d Finals for %d flushes", got, flushes)
	}
}

// BenchmarkChunk is our part of 100 ms of speech: five frames to the tape, and from there in one message.
func BenchmarkChunk(b *testing.B) {
	o := played(nil, false)
	pcm := slices.Repeat([]int16{1}, rate/50)
	sent := make(chan struct{}, 1)
	o.Rotate, o.Late, o.Limits = 1000*time.Hour, 1000*time.Hour, Limits{}
	open := o.Open
	o.Open = func(ctx context.Context, rate int) (Link, error) {
		l, err := open(ctx, rate)
		l.Send = func([]byte) error { sent <- struct{}{}; return nil }
		return l, err
	}
	b.ReportAllocs()
	for _, err := range Recognize(b.Context(), func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			at := time.Duration(0)
			for i := 0; b.Loop(); i++ {
				for range 5 {
					a := stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}, Voice: true}
					at += media.FrameDuration
					if !yield(a) {
						return
					}
				}
				select {
				case <-sent:
				case <-ctx.Done():
					return
				}
			}
		}
	}, o, "hear") {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzWords looks for a word that is lost or doubled, wherever streams break off and are replaced.
func FuzzWords(f *testing.F) {
	for _, steady := range []bool{false, true} {
		f.Add([]byte{5, 100, 17, 3, 250, 9, 60, 200}, []byte{10, 30, 60, 5, 255, 90}, steady)
		f.Add([]byte{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, steady)
		f.Add([]byte("\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\xa1daA\xcb0\xec\x03\x03\x03\x03"), []byte("0000000000"), steady)
		f.Add([]byte("\x05d\x11\x03\xfa'B\xc8"), []byte("y0000"), steady)
		f.Add([]byte("\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\xe8\xe8\xe8\xe8"), []byte("0100002000"), steady)
	}
	f.Fuzz(func(t *testing.T, speech, lives []byte, steady bool) {
		synctest.Test(t, func(t *testing.T) {
			b := &booth{timed: true, cut: down, life: func(n int) time.Duration {
				if n >= len(lives) {
					return 0
				}
				return time.Second + time.Duration(lives[n])*50*ms
			}}
			o := b.options(steady)
			o.Rotate, o.Late, o.Again.Tries, o.Again.Pause = 8*time.Second, 9*time.Second, 10, ms
			in, said := talk(), 0
			for _, v := range speech[:min(len(speech), 30)] {
				n := 1 + int(v)%6
				in.say(said+1, said+n).hush(time.Duration(v/6) * 20 * ms)
				said += n
			}
			got := run(t, o, in.hush(1500*ms).flush().source(true))
			if text := strings.TrimSpace(strings.Join(got.finals, " ")); got.err == nil && text != spoken(1, said) {
				t.Errorf("heard %q of %d words", text, said)
			}
			if _, most := b.count(); most > 2 {
				t.Errorf("%d streams at once", most)
			}
		})
	})
}
