package aws

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/stt"
)

// echo answers every chunk at once.
func echo(_ int, p *peer) {
	words := []string{"one", "two"}
	for i := 0; ; i++ {
		if _, ok := p.next(); !ok {
			return
		}
		at := float64(p.heard) / 16000
		p.send(transcript(result("a", i%10 > 0, words[i%2], []item{{words[i%2], "pronunciation", at - 0.06, at, true}})))
	}
}

// BenchmarkOverhead is the time from the frame that fills a chunk to the Result, from a server that answers
// at once. It has the network of this computer in it.
func BenchmarkOverhead(b *testing.B) {
	for name, signed := range map[string]bool{"unsigned": false, "signed": true} {
		b.Run(name, func(b *testing.B) {
			r := recognizer(b, &service{script: echo, signed: signed}, Options{Sign: signed})
			var given atomic.Int64
			var took []time.Duration
			heard := make(chan struct{}, 1)
			b.ReportAllocs()
			in := func(ctx context.Context) iter.Seq[stt.Audio] {
				return func(yield func(stt.Audio) bool) {
					f := stt.Audio{Frame: media.Frame{Rate: 16000, PCM: make([]int16, 960)}}
					for range b.N + 1 {
						given.Store(time.Now().UnixNano())
						if !yield(f) {
							return
						}
						select {
						case <-heard:
						case <-ctx.Done():
							return
						}
						f.At += 60 * ms
					}
				}
			}
			for _, err := range r.Recognize(b.Context(), in) {
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Duration(time.Now().UnixNano()-given.Load()))
				heard <- struct{}{}
				if len(took) == 1 {
					b.ResetTimer() // the first has the connection in it
				}
				if len(took) > b.N {
					break
				}
			}
			took = took[1:]
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		})
	}
}

// BenchmarkChunk is a chunk of 60 ms as it is made for the socket.
func BenchmarkChunk(b *testing.B) {
	for name, signed := range map[string]bool{"unsigned": false, "signed": true} {
		b.Run(name, func(b *testing.B) {
			r := recognizer(b, &service{}, Options{Sign: signed})
			s := &stream{}
			if _, err := s.sign(b.Context(), r); err != nil {
				b.Fatal(err)
			}
			pcm := make([]byte, 1920)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.message(b.Context(), pcm); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHundred is the memory of a hundred open streams, server and all.
func BenchmarkHundred(b *testing.B) {
	r := recognizer(b, &service{script: echo}, Options{})
	streamtest.Hundred(b, func(ctx context.Context, begun func()) {
		for range r.Recognize(ctx, held(speech(0, say(1, 1)), nil)) {
			begun()
		}
	})
}
