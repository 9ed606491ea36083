package failover

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/stt"
)

// audio is made of any bytes, in which every voice is flushed before the end.
func audio(raw []byte) []stt.Audio {
	var b strings.Builder
	for _, c := range raw {
		b.WriteByte("aaaa...._|"[c%10])
		if c%10 == 9 {
			b.WriteByte('.') // a word right behind a Flush may be taken for the end of the one before: see tail
		}
	}
	return line(b.String() + ".|")
}

// broken is a recognizer that breaks as a byte says, at a frame that another says.
func broken(how, frame byte) *ear {
	f := fault{frame: int(frame) * 2}
	e := &ear{fault: &f, shift: time.Duration(how>>5) * 10 * time.Millisecond}
	switch how % 5 {
	case 0:
		f.err = errDown
	case 1:
		f.deaf = true
	case 2:
		f.mute = true
	case 3:
		e.slow = time.Duration(how) * 50 * time.Millisecond
		f.err = errDown
	}
	return e
}

// FuzzFaults: however the recognizers before the last one break, the text is that of the last one alone, and every Flush has
// its Final.
func FuzzFaults(f *testing.F) {
	f.Add([]byte("abc|de|"), []byte("0123"), []byte("0a"))
	f.Add([]byte{0, 0, 0, 9, 4, 0, 0, 9, 8, 8, 0, 0, 0, 0, 9, 9}, []byte{32, 7, 66, 21}, []byte{0, 10, 30})
	for i := range byte(60) {
		var said []byte
		for k := range byte(20) {
			said = append(said, (i*7+k*k*(i%5+1)+k/3)%10)
		}
		f.Add(said, []byte{i * 4, i * 5, i * 9, i * 3}, []byte{i})
	}
	f.Fuzz(func(t *testing.T, said, faults, shifts []byte) {
		if len(said) > 40 || len(faults) > 8 || len(shifts) > 3 {
			return
		}
		frames := audio(said)
		synctest.Test(t, func(t *testing.T) {
			var all []stt.Recognizer
			var ears []*ear
			for pair := range slices.Chunk(faults, 2) {
				e := broken(pair[0], pair[len(pair)-1])
				all, ears = append(all, e), append(ears, e)
			}
			last := &ear{}
			for _, s := range shifts {
				last.shift += time.Duration(s%20) * time.Millisecond
			}
			want := listen(t.Context(), t, last, media.Of(frames...), nil)
			got := listen(t.Context(), t, newChain(t, Options{}, append(all, last)...), paced(frames), nil)
			if got.all() != want.all() || got.err != nil {
				t.Errorf("heard %q, %v; want %q; notes %q", got.all(), got.err, want.all(), got.notes)
			}
			got.answered(t, frames)
			for _, e := range append(ears, last) {
				if e.open != 0 {
					t.Error("a call is open")
				}
			}
		})
	})
}

// A Final that nobody asked for counts as one: what it tells is not heard again.
func TestFinalsNobodyAskedFor(t *testing.T) {
	const said = "abc__..de|.f__gh|_"
	frames := line(said)
	for n := 0; n < len(frames); n += 3 {
		synctest.Test(t, func(t *testing.T) {
			a, b := &ear{closing: true, fault: &fault{frame: n, err: errDown}}, &ear{closing: true, shift: 20 * time.Millisecond}
			h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(frames), nil)
			if h.all() != "1 2 3 4 5 6 7 8" || h.err != nil {
				t.Errorf("at %d: heard %q, %v", n, h.all(), h.err)
			}
		})
	}
}

// The input goes in step with the recognizer, as in a call.
func BenchmarkChainOfOne(b *testing.B) {
	frames := line(strings.Repeat("abcdefgh|_", 20))
	took := make(chan struct{}, 1)
	in := func() media.Source[stt.Audio] {
		return func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for _, a := range frames {
					if !yield(a) {
						return
					}
					<-took
				}
			}
		}
	}
	quiet := stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return quick(ctx, func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for a := range in(ctx) {
					took <- struct{}{}
					if !yield(a) {
						return
					}
				}
			}
		})
	})
	for name, r := range map[string]stt.Recognizer{"direct": quiet, "chain": newChain(b, Options{}, quiet)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				for _, err := range r.Recognize(b.Context(), in()) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
		})
	}
}
