package google

import (
	"context"
	"slices"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/media"
)

// BenchmarkPhrase is from a phrase to its first audio with a server on the loopback that answers at once.
func BenchmarkPhrase(b *testing.B) {
	for name, voice := range map[string]string{"streaming": "", "unary": plainVoice} {
		b.Run(name, func(b *testing.B) {
			f := &fake{plans: func(int) plan { return plan{size: 4800} }}
			v := f.client(b, Options{Voice: voice})
			var times []time.Duration
			frames := 0
			b.ReportAllocs()
			for b.Loop() {
				begun, first := time.Now(), true
				for _, err := range v.Speak(b.Context(), media.Of("Good morning, Sir.")) {
					if err != nil {
						b.Fatal(err)
					}
					if frames++; first {
						first = false
						times = append(times, time.Since(begun))
					}
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(frames)/float64(b.N), "frames/op")
		})
	}
}

// BenchmarkHundred is what a hundred phrases hold while they are spoken, server and all.
func BenchmarkHundred(b *testing.B) {
	for name, voice := range map[string]string{"streaming": "", "unary": plainVoice} {
		b.Run(name, func(b *testing.B) {
			f := &fake{plans: func(int) plan { return plan{hang: voice == "", size: 4800, first: 4800} }}
			v := f.client(b, Options{Voice: voice})
			streamtest.Hundred(b, func(ctx context.Context, begun func()) {
				for _, err := range v.Speak(ctx, media.Of("Good morning, Sir.")) {
					if err != nil {
						if ctx.Err() == nil {
							b.Error(err)
						}
						return
					}
					begun()
					if voice != "" {
						<-ctx.Done()
					}
				}
			})
		})
	}
}

// BenchmarkFrame is our part of a frame of 40 ms.
func BenchmarkFrame(b *testing.B) {
	v := &Voice{o: Options{Rate: 24000}}
	s := newSpeech(b, v)
	data := sound("abcd", 24000)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.say(b.Context(), data, 24000); err != nil {
			b.Fatal(err)
		}
	}
}
