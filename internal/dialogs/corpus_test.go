package dialogs

import (
	"math"
	"slices"
	"testing"
	"time"

	"parley/internal/wav"
	"parley/media"
)

// TestCorpus counts what the corpus holds.
func TestCorpus(t *testing.T) {
	all := dialogs(t)
	kinds, speakers, inputs := map[Kind]int{}, map[string]int{}, 0
	var long time.Duration
	for _, d := range all {
		if l := d.Length(); l < 8*time.Second || l > 25*time.Second || len(d.PCM)%frame != 0 {
			t.Errorf("%s lasts %v", d.Name, l)
		}
		if d.About == "" {
			t.Errorf("nothing tells what %s is about", d.Name)
		}
		long += d.Length()
		for _, u := range d.Heard {
			kinds[u.Kind]++
			speakers[u.Speaker]++
		}
		inputs += len(d.Inputs)
	}
	t.Logf("%d dialogs, %v; recordings %v by %v; %d inputs", len(all), long, kinds, speakers, inputs)
	if len(all) < 30 || kinds[Speech] < 60 || kinds[Backchannel] < 5 || kinds[Cough] < 5 || kinds[Noise] < 4 || inputs < 5 || len(speakers) < 4 {
		t.Error("too little")
	}
}

// hop is a step of the level's measure.
const hop = media.ListenRate / 100

// TestTruth measures where the sound of each recording begins and ends, and that there is none beside.
func TestTruth(t *testing.T) {
	const slack = 20 * time.Millisecond
	var measured int
	for _, d := range dialogs(t) {
		if d.Under > -50 {
			continue // speech does not stand out of the noise at its edges
		}
		lone := true
		for i, u := range d.Heard {
			if u.Start < 0 || u.End > d.Length() || u.End <= u.Start || i > 0 && u.Start < d.Heard[i-1].End {
				t.Errorf("%s: %q lies from %v to %v", d.Name, u.Source, u.Start, u.End)
				lone = false
			}
		}
		if !lone {
			continue
		}
		before := time.Duration(0)
		for i, u := range d.Heard {
			after := d.Length()
			if i+1 < len(d.Heard) {
				after = d.Heard[i+1].Start
			}
			from, to, loud := edges(d.PCM, before, after, -45+u.Gain)
			switch {
			case u.Muted && loud:
				t.Errorf("%s: %q is heard from %v to %v, through a muted microphone", d.Name, u.Source, from, to)
			case !u.Muted && !loud:
				t.Errorf("%s: %q is not heard", d.Name, u.Source)
			case !u.Muted && ((from-u.Start).Abs() > slack || (to-u.End).Abs() > slack):
				t.Errorf("%s: %q is heard from %v to %v, not from %v to %v", d.Name, u.Source, from, to, u.Start, u.End)
			}
			measured++
			before = u.End
		}
	}
	if measured < 100 {
		t.Errorf("%d edges were measured", measured)
	}
}

// edges are where pcm is first and last louder than dBFS between two moments.
func edges(pcm []int16, between, and time.Duration, dBFS float64) (from, to time.Duration, loud bool) {
	first := sample(between)
	for i, w := range slices.Collect(slices.Chunk(pcm[first:sample(and)], hop)) {
		if wav.Level(w) <= dBFS {
			continue
		}
		if !loud {
			from, loud = between+at(i*hop), true
		}
		to = between + at(i*hop+len(w))
	}
	return from, to, loud
}

// TestWords: they fill their recording, in order.
func TestWords(t *testing.T) {
	for _, d := range dialogs(t) {
		for _, u := range d.Heard {
			end := u.Start
			for _, w := range u.Words {
				if w.Text == "" || w.Start != end || w.End <= w.Start {
					t.Errorf("%s: %q from %v to %v, behind %v", d.Name, w.Text, w.Start, w.End, end)
				}
				end = w.End
			}
			if (u.Text == "") != (len(u.Words) == 0) || len(u.Words) > 0 && end != u.End {
				t.Errorf("%s: the words of %q end at %v, it at %v", d.Name, u.Text, end, u.End)
			}
		}
	}
}

// TestSame: the corpus is composed alike each time.
func TestSame(t *testing.T) {
	all := dialogs(t)
	again, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range all {
		if !slices.Equal(d.PCM, again[i].PCM) {
			t.Errorf("%s differs", d.Name)
		}
	}
}

func TestNoiseUnder(t *testing.T) {
	n := 0
	for _, d := range dialogs(t) {
		quiet := d.PCM[len(d.PCM)-hop*50:]
		want := d.Under
		if math.IsInf(want, -1) {
			want = -120
		} else {
			n++
		}
		if l := wav.Level(quiet); math.Abs(l-want) > 1.5 {
			t.Errorf("%s ends at %.1f dBFS, want %.1f", d.Name, l, want)
		}
	}
	if n < 2 {
		t.Errorf("%d dialogs have noise", n)
	}
}
