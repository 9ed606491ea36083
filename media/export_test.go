package media

import (
	"testing"
	"time"
)

// BenchTick times one frame of a playout with and without speech.
func BenchTick(b *testing.B, speak bool) {
	p := NewPlayout(SpeakRate, func(Frame) {})
	pcm, frame := make([]int16, 480), make([]int16, 480)
	p.begin()
	b.ReportAllocs()
	for b.Loop() {
		if speak {
			p.push(frame)
		}
		p.tick(time.Second, pcm)
	}
}
