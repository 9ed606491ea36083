package aws

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
)

// BenchmarkOverhead is the time from a phrase to its first audio, from a server that answers at once. It has
// the network of this computer in it.
func BenchmarkOverhead(b *testing.B) {
	for name, stream := range map[string]bool{"requests": false, "stream": true} {
		b.Run(name, func(b *testing.B) {
			v := voice(b, &service{}, Options{Stream: stream})
			var given atomic.Int64
			var took []time.Duration
			spoken := make(chan struct{}, 1)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			text := func(ctx context.Context) iter.Seq[string] {
				return func(yield func(string) bool) {
					for range b.N {
						given.Store(time.Now().UnixNano())
						if !yield("A") {
							return
						}
						<-spoken
					}
				}
			}
			n := 0 // samples of the phrase
			for a, err := range v.Speak(ctx, text) {
				if err != nil {
					b.Fatal(err)
				}
				if n == 0 {
					took = append(took, time.Duration(time.Now().UnixNano()-given.Load()))
				}
				if n += len(a.PCM); n == 320 {
					n = 0
					spoken <- struct{}{}
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		})
	}
}

// BenchmarkFrame is a frame of 20 ms out of a long answer, the reading of HTTP included.
func BenchmarkFrame(b *testing.B) {
	data := make([]byte, 640)
	v := voice(b, &service{answer: func(w http.ResponseWriter, r *http.Request, _ input) {
		w.Header().Set("Content-Type", "audio/pcm")
		for range b.N {
			if _, err := w.Write(data); err != nil {
				return
			}
		}
	}}, Options{})
	b.ReportAllocs()
	b.ResetTimer()
	frames := 0
	for _, err := range v.Speak(b.Context(), held("Hello.")) {
		if err != nil {
			b.Fatal(err)
		}
		if frames++; frames == b.N {
			break
		}
	}
}

// BenchmarkHundred is the memory of a hundred open streams, server and all.
func BenchmarkHundred(b *testing.B) {
	v := voice(b, &service{}, Options{Stream: true})
	streamtest.Hundred(b, func(ctx context.Context, begun func()) {
		for range v.Speak(ctx, held("A")) {
			begun()
		}
	})
}
