package cassette

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent/vad"
	"parley/media"
)

func TestDetector(t *testing.T) {
	const ms = time.Millisecond
	c := &Cassette{}
	for i := range 10 {
		c.scores = append(c.scores, vad.Score{At: time.Duration(i+1) * 32 * ms, Voice: float32(i) / 10})
	}
	pcm := make([]int16, 320)
	for i := range pcm {
		pcm[i] = 3277 // −20 dBFS
	}
	tests := []struct {
		name   string
		frames []time.Duration // where they begin
		want   string
	}{
		{"from the beginning", []time.Duration{0, 20 * ms, 40 * ms, 60 * ms}, "[][{32ms 0 -20}][][{64ms 0.1 -20}]"},
		{"from later on", []time.Duration{160 * ms, 180 * ms}, "[][{192ms 0.5 -20}]"},
		{"over a jump", []time.Duration{0, 100 * ms}, "[][{32ms 0 -20} {64ms 0.1 -20} {96ms 0.2 -20}]"},
		{"to beyond the end", []time.Duration{280 * ms, 300 * ms, 320 * ms}, "[{288ms 0.8 -20}][{320ms 0.9 -20}][]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := c.Detector().Open()
			var got string
			for _, at := range tt.frames {
				scores, err := s.Score(media.Frame{At: at, Rate: media.ListenRate, PCM: pcm})
				if err != nil {
					t.Fatal(err)
				}
				got += "["
				for i, sc := range scores {
					if i > 0 {
						got += " "
					}
					got += fmt.Sprintf("{%v %v %.0f}", sc.At, sc.Voice, sc.Level)
				}
				got += "]"
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if scores, _ := c.Detector().Open().Score(media.Frame{Rate: media.ListenRate, PCM: make([]int16, 640)}); len(scores) != 1 || scores[0].Level != -100 {
		t.Errorf("scores of silence %v", scores)
	}
}

func TestFinisher(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		now := func() time.Duration { return time.Since(begun) }
		c := &Cassette{finished: []finished{{500 * ms, 0.2}, {1500 * ms, 0.4}, {1540 * ms, 0.6}, {5000 * ms, 0.8}}}
		f := c.Finisher(now)
		var got string
		for _, at := range []time.Duration{450 * ms, 1400 * ms, 1550 * ms, 3000 * ms, 4990 * ms, 5000 * ms} {
			time.Sleep(at - now())
			p, err := f.Finished(nil)
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%v %v; ", now(), p)
		}
		if want := "500ms 0.2; 1.5s 0.4; 1.55s 0.6; 3s -1; 5s 0.8; 5s -1; "; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if m := c.Misses(); len(m) != 2 || m[0].Call != 4 {
			t.Errorf("misses %+v", m)
		}
	})
}
