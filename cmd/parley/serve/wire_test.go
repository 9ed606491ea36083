package serve

import (
	"testing"
	"time"
)

// The conversation, and so its record, is told of a loudspeaker's lag once, and again when that has changed by a frame.
func TestLag(t *testing.T) {
	var l lag
	var told []time.Duration
	for _, ms := range []time.Duration{0, 19, 20, 30, 39, 40, 200, 181, 220, 180, 180} {
		if now := ms * time.Millisecond; l.step(now) {
			told = append(told, ms)
			if l.told != now {
				t.Errorf("%v is told as %v", now, l.told)
			}
		}
	}
	want := []time.Duration{0, 20, 40, 200, 220, 180}
	if len(told) != len(want) {
		t.Fatalf("told %d, want %d", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("told %d, want %d", told, want)
		}
	}
}
