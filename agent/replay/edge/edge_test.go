package edge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/media"
)

// hum is something like a voice: harmonics of 150 Hz at dBFS, as long as d.
func hum(d time.Duration, rate int, dBFS float64) []int16 {
	pcm := make([]int16, int(d.Seconds()*float64(rate)))
	a := 32768 * math.Pow(10, dBFS/20)
	for i := range pcm {
		x := 2 * math.Pi * 150 * float64(i) / float64(rate)
		pcm[i] = int16(a * (math.Sin(x) + 0.7*math.Sin(2*x+1) + 0.5*math.Sin(5*x+2)) / math.Sqrt(0.87))
	}
	return pcm
}

// script is parts one after the other: a positive number is so many milliseconds of hum, a negative one of silence.
func script(rate int, parts ...int) (pcm []int16, spans []Span) {
	for _, p := range parts {
		from := media.Samples(len(pcm), rate)
		d := time.Duration(p) * ms
		if p < 0 {
			pcm = append(pcm, make([]int16, int(-d.Seconds()*float64(rate)))...)
			continue
		}
		pcm = append(pcm, hum(d, rate, -15)...)
		spans = append(spans, Span{from, media.Samples(len(pcm), rate)})
	}
	return pcm, spans
}

// same fails unless got are the wanted spans within some milliseconds.
func same(t *testing.T, what string, got, want []Span, within time.Duration) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b Span) bool {
		return (a.From-b.From).Abs() <= within && (a.To-b.To).Abs() <= within
	}) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestDetect(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 22050, 24000, 44100, 48000} {
		for _, parts := range [][]int{
			{-1000, 500, -1000},
			{500},
			{-3, 700, -1},
			{-1000, 500, -310, 500, -1000},
			{-200, 60, -5000, 8000, -1000, 200, -10000, 60, -30},
			{-777, 333, -444, 555, -666},
		} {
			pcm, want := script(rate, parts...)
			same(t, fmt.Sprint(rate, parts), Detect(pcm, rate), want, 6*ms)
		}
		pcm, _ := script(rate, -1000, 500, -280, 500, -1000)
		same(t, fmt.Sprint("a gap, ", rate), Detect(pcm, rate), []Span{{1000 * ms, 2280 * ms}}, 6*ms)
		pcm, _ = script(rate, -1000, 15, -1000, 25, -1000)
		same(t, fmt.Sprint("clicks, ", rate), Detect(pcm, rate), nil, 0)
	}
}

func TestNothing(t *testing.T) {
	noise := func(dBFS float64) []int16 { return corpus.PinkNoise(20*time.Second, dBFS, 3) }
	offset := slices.Repeat([]int16{4000}, 100000)
	mains := make([]int16, 100000)
	for i := range mains {
		mains[i] = int16(1000 * math.Sin(2*math.Pi*50*float64(i)/16000))
	}
	late := append(make([]int16, 80000), noise(-45)...)
	for name, pcm := range map[string][]int16{
		"no samples": nil, "one sample": {9999}, "silence": make([]int16, 100000), "offset": offset, "mains": mains,
		"noise": noise(-40), "loud noise": noise(-27), "noise that begins": late, "noise that ends": append(noise(-45), make([]int16, 80000)...),
	} {
		if got := Detect(pcm, 16000); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, rate := range []int{-1, 0, 1, 499} {
		if got := Detect(make([]int16, 1000), rate); got != nil {
			t.Errorf("%d Hz: %v", rate, got)
		}
	}
}

// A signal that is moved has the same spans, moved; one that is louder or softer has nearly the same.
func TestShiftAndGain(t *testing.T) {
	d := compose(speech(t)[:20])
	plain := Detect(d.pcm, d.rate)
	if len(plain) < 20 {
		t.Fatalf("%d spans", len(plain))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 160, 16000, r.IntN(50000), r.IntN(50000), r.IntN(50000)} {
		by := media.Samples(n, d.rate)
		var want []Span
		for _, s := range plain {
			want = append(want, Span{s.From + by, s.To + by})
		}
		within := 12 * ms // a hop: another grid
		if n%160 == 0 {
			within = time.Nanosecond
		}
		same(t, fmt.Sprint("moved by ", by), Detect(append(make([]int16, n), d.pcm...), d.rate), want, within)
	}
	for _, db := range []float64{-12, -6, 6, 12} {
		same(t, fmt.Sprint("gain ", db), Detect(d.gain(db).pcm, d.rate), plain, 25*ms)
	}
}

// Whatever the samples, spans are in order, inside, and apart.
func FuzzDetect(f *testing.F) {
	f.Add(uint64(1), 16000, uint8(200))
	f.Add(uint64(2), 8001, uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, rate int, parts uint8) {
		rate = max(500, min(rate, 48000))
		r := rand.New(rand.NewPCG(seed, 1))
		var pcm []int16
		for range parts {
			scale := r.IntN(1 << r.IntN(16))
			for range r.IntN(rate / 2) {
				pcm = append(pcm, int16(r.IntN(2*scale+1)-scale))
			}
		}
		last := -Gap - time.Second
		for _, s := range Detect(pcm, rate) {
			if s.From < last+Gap || s.To <= s.From || s.To > media.Samples(len(pcm), rate) {
				t.Fatalf("%v after %v, of %v", s, last, media.Samples(len(pcm), rate))
			}
			last = s.To
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	pcm, _ := script(16000, -1000, 3000, -1000, 2000, -3000)
	b.SetBytes(int64(len(pcm) * 2))
	for b.Loop() {
		Detect(pcm, 16000)
	}
}
