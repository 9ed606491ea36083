package calibrate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"parley/agent/replay/edge"
	"parley/media"
	"parley/media/resample"
)

// A chirp is found where it is, to a part of a sample, soft and in noise, and not where there is none.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	sweep := chirp()
	for _, at := range []int{0, 1, 777, 5000} {
		pcm := make([]int16, 12000)
		for i := range pcm {
			pcm[i] = int16(r.NormFloat64() * 100)
		}
		for i, s := range sweep {
			pcm[at+i] += s / 8
		}
		if got, ok := find(sweep, pcm, 0, 12000); !ok || math.Abs(got-float64(at)) > 0.3 {
			t.Errorf("found at %v, %v, is at %d", got, ok, at)
		}
		if got, ok := find(sweep, pcm, 8000, 12000); ok {
			t.Errorf("found at %v, is at %d", got, at)
		}
	}
	up := resample.New(rate, 2*rate) // a chirp between two samples: half the rate of one that is moved by one sample
	long := append(make([]int16, 1001), up.Flush(up.Process(sweep, nil))...)
	down := resample.New(2*rate, rate)
	pcm := down.Flush(down.Process(append(long, make([]int16, 2000)...), nil))
	if got, ok := find(sweep, pcm, 0, 5000); !ok || math.Abs(got-500.5) > 0.1 {
		t.Errorf("found at %v, %v, is at 500.5", got, ok)
	}
	for _, c := range [][3]float64{{-100, -50, 10}, {0, 10, 0}, {20000, 30000, 100}, {500, 100, 10000}} {
		if at, ok := find(sweep, make([]int16, int(c[2])), c[0], c[1]); ok {
			t.Errorf("%v: found at %v", c, at)
		}
	}
}

func TestDrift(t *testing.T) {
	for _, c := range []struct {
		at   []float64
		errs []time.Duration
		want float64
	}{
		{nil, nil, 0},
		{[]float64{5}, []time.Duration{time.Second}, 0},
		{[]float64{5, 5}, []time.Duration{0, time.Second}, 0},
		{[]float64{0, 10, 20}, []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond}, 100},
		{[]float64{0, 10}, []time.Duration{time.Millisecond, 0}, -100},
	} {
		if got := drift(c.at, c.errs); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%v %v: %v ppm", c.at, c.errs, got)
		}
	}
}

func TestPercentile(t *testing.T) {
	all := []time.Duration{-5, 1, 2, 3, 4}
	for p, want := range map[float64]time.Duration{0: 1, 50: 3, 80: 4, 95: 5, 100: 5} {
		if got := percentile(p, all); got != want {
			t.Errorf("%v: %v", p, got)
		}
	}
	if percentile(50, nil) != 0 {
		t.Error("a percentile of nothing")
	}
}

// What is said is the same for the same seed, fits into the call, is apart enough for the edges, and begins and ends with a chirp.
func TestWrite(t *testing.T) {
	voices, _, err := speech(none)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		length := lengthLeast + time.Duration(seed)*time.Second
		script := write(rand.New(rand.NewPCG(seed, 0)), length, voices)
		if !reflect.DeepEqual(script, write(rand.New(rand.NewPCG(seed, 0)), length, voices)) {
			t.Fatal("another script for the same seed")
		}
		n := len(script)
		if n < 3 || !script[0].chirp || !script[n-1].chirp {
			t.Fatalf("%d items in %v", n, length)
		}
		for i, it := range script {
			if len(it.pcm)%frame != 0 || it.at+it.length() > length || it.from < 0 || it.to > len(it.pcm)-frame/4 {
				t.Errorf("item %d: %v to %v of %d samples at %v", i, it.from, it.to, len(it.pcm), it.at)
			}
			if i > 0 && it.at-script[i-1].at-script[i-1].length() < edge.Gap+100*time.Millisecond {
				t.Errorf("item %d at %v is too near to the one before", i, it.at)
			}
		}
	}
}

// said is a side that said a script, and a track in which all lies by so much behind its place.
func said(t *testing.T, by time.Duration) (*side, []int16) {
	t.Helper()
	voices, _, err := speech(none)
	if err != nil {
		t.Fatal(err)
	}
	s := &side{script: write(rand.New(rand.NewPCG(1, 1)), 12*time.Second, voices)}
	const lag = 300 * time.Millisecond // of the RTP clock behind the session's
	pcm := make([]int16, 15*rate)
	for i, it := range s.script {
		at := it.at.Truncate(media.FrameDuration)
		copy(pcm[int((at+lag+by).Seconds()*rate+0.5):], it.pcm)
		for n := range len(it.pcm) / frame {
			s.spoken = append(s.spoken, len(s.packets))
			place := at + time.Duration(n)*media.FrameDuration
			s.packets = append(s.packets, packet{place: place, sent: place + lag + time.Duration((i+n)%5)*time.Millisecond})
		}
	}
	return s, pcm
}

// A track that is off is found out: by how much, at each chirp and each edge.
func TestOff(t *testing.T) {
	for _, by := range []time.Duration{0, 3 * time.Millisecond, -3 * time.Millisecond, 50 * time.Millisecond, 80 * time.Millisecond, 900 * time.Millisecond} {
		s, pcm := said(t, by)
		var d direction
		d.chirp(pcm, s.script, s.places())
		d.edge(edge.Detect(pcm, rate), s.script, s.places())
		if by == 900*time.Millisecond {
			if d.Lost == 0 {
				t.Errorf("%v: %+v", by, d)
			}
			continue
		}
		if d.Lost > 0 || len(d.chirps) < 3 {
			t.Errorf("%v: %d chirps, %d not found", by, len(d.chirps), d.Lost)
		}
		for _, off := range d.chirps {
			if (off - by).Abs() > 100*time.Microsecond {
				t.Errorf("%v: a chirp is off by %v", by, off)
			}
		}
		if d.Missed+d.Ghosts > 0 || len(d.edges) < 4 {
			t.Errorf("%v: %+v", by, d)
		}
		for _, off := range d.edges {
			if (off - by).Abs() > 20*time.Millisecond {
				t.Errorf("%v: an edge is off by %v", by, off)
			}
		}
	}
	s, pcm := said(t, 0)
	for i := range pcm[13*rate : 14*rate] {
		pcm[13*rate+i] = int16(5000 * math.Sin(float64(i)))
	}
	clear(pcm[:int(s.script[2].at.Seconds()*rate)]) // a chirp and speech
	var d direction
	d.chirp(pcm, s.script, s.places())
	d.edge(edge.Detect(pcm, rate), s.script, s.places())
	if d.Lost != 1 || d.Missed != 1 || d.Ghosts != 1 {
		t.Errorf("%d chirps not found, %d utterances, %d ghosts", d.Lost, d.Missed, d.Ghosts)
	}
}
