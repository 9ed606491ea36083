package resample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var pairs = [][2]int{
	{22050, 24000}, {44100, 24000}, {16000, 24000}, {48000, 24000}, {24000, 48000},
	{8000, 16000}, {44100, 16000}, {48000, 16000}, {24000, 16000}, {11025, 48000}, {22050, 16000},
}

func tone(f, amplitude float64, rate, n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(math.Round(32767 * amplitude * math.Sin(2*math.Pi*f*float64(i)/float64(rate))))
	}
	return out
}

func noise(n int) []int16 {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(r.IntN(65536) - 32768)
	}
	return out
}

func convert(in []int16, from, to int) []int16 {
	r := New(from, to)
	return r.Flush(r.Process(in, nil))
}

func db(x float64) float64 { return 20 * math.Log10(x) }

// fit finds the sine of frequency f in x: its complex amplitude (0 phase: a sine from the first sample) and what else
// there is (root mean square). At frequency 0 all is else. Full scale is 1.
func fit(x []int16, f float64, rate, offset int) (re, im, rest float64) {
	var ss, sc, cc, xs, xc, xx float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * f * float64(i+offset) / float64(rate))
		y := float64(v) / 32767
		ss, sc, cc, xs, xc, xx = ss+s*s, sc+s*c, cc+c*c, xs+y*s, xc+y*c, xx+y*y
	}
	if f == 0 {
		return 0, 0, math.Sqrt(xx / float64(len(x)))
	}
	det := ss*cc - sc*sc
	re, im = (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	return re, im, math.Sqrt(max(0, xx-re*xs-im*xc) / float64(len(x)))
}

// A tone comes out at its level and phase, with nothing beside it; one that the output cannot carry does not come out.
func TestSweep(t *testing.T) {
	const amplitude = 0.7
	for _, p := range pairs {
		from, to := p[0], p[1]
		nyquist := float64(min(from, to)) / 2
		worstFlat, worstPhase, worstAlias := 0.0, 0.0, math.Inf(-1)
		for f := nyquist / 64; f < float64(from)/2; f += nyquist / 23 {
			out := convert(tone(f, amplitude, from, from/10), from, to)
			skip := len(out) / 8 // the ends are not steady
			if f < nyquist {
				re, im, rest := fit(out[skip:len(out)-skip], f, to, skip)
				worstAlias = max(worstAlias, db(rest/(amplitude/math.Sqrt2)))
				if f <= 0.9*nyquist {
					worstFlat = max(worstFlat, math.Abs(db(math.Hypot(re, im)/amplitude)))
					worstPhase = max(worstPhase, math.Abs(math.Atan2(im, re)))
				}
				continue
			}
			_, _, rest := fit(out[skip:len(out)-skip], 0, to, skip) // all of it is alias
			worstAlias = max(worstAlias, db(rest/(amplitude/math.Sqrt2)))
		}
		t.Logf("%d→%d: flat within %.4f dB, phase within %.5f rad, aliases %.1f dB", from, to, worstFlat, worstPhase, worstAlias)
		if worstFlat > 0.02 || worstPhase > 0.001 || worstAlias > -70 {
			t.Errorf("%d→%d: flat within %.4f dB, phase within %.5f rad, aliases %.1f dB", from, to, worstFlat, worstPhase, worstAlias)
		}
	}
}

func TestChunksMakeNoDifference(t *testing.T) {
	in := noise(3000)
	want := map[[2]int][]int16{}
	for _, p := range pairs {
		want[p] = convert(in, p[0], p[1])
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(pairs).Draw(t, "pair")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 1500), 1, 40).Draw(t, "sizes")
		r := New(p[0], p[1])
		var out []int16
		rest := in
		for i := 0; len(rest) > 0; i++ {
			n := min(len(rest), sizes[i%len(sizes)]+i/1000) // ends even if all are 0
			out = r.Process(rest[:n], out)
			rest = rest[n:]
		}
		if out = r.Flush(out); !slices.Equal(out, want[p]) {
			t.Fatalf("%v: other samples than in one piece", p)
		}
		if again := r.Flush(r.Process(in, nil)); !slices.Equal(again, want[p]) {
			t.Fatalf("%v: other samples after Flush", p)
		}
	})
}

func TestDurationIsKept(t *testing.T) {
	for _, p := range append(pairs, [2]int{16000, 16000}) {
		for _, n := range []int{0, 1, 2, 3, 45, 91, 92, 93, 441, 1023, 1024, 1025, 5000} {
			in := slices.Repeat([]int16{1000}, n)
			out := convert(in, p[0], p[1])
			if want := (n*p[1] + p[0] - 1) / p[0]; len(out) != want {
				t.Errorf("%d→%d: %d samples of %d, want %d", p[0], p[1], len(out), n, want)
			}
			if slices.ContainsFunc(out, func(v int16) bool { return v != 1000 }) {
				t.Errorf("%d→%d: a constant of %d samples does not stay one", p[0], p[1], n)
			}
		}
	}
}

func TestLoudSamplesClip(t *testing.T) {
	out := convert(slices.Concat(slices.Repeat([]int16{32767}, 200), slices.Repeat([]int16{-32768}, 200)), 16000, 48000)
	for i, v := range out[:len(out)-3] {
		if i < 590 && v < 30000 || i > 610 && v > -30000 {
			t.Fatalf("sample %d is %d", i, v)
		}
	}
}

// The sound changes its rate twice and its channels once while a tone goes on, at any place of its period.
func TestJoinedPiecesDoNotClick(t *testing.T) {
	const to, amplitude = 24000, 0.5
	worst := 0.0
	for f := 100.0; f < 1100; f += 37.5 {
		whole := func(rate int) []int16 { return tone(f, amplitude, rate, rate/2) }
		var stereo []int16
		for _, v := range whole(16000)[320*10:] {
			stereo = append(stereo, v, v)
		}
		var out []int16
		for _, piece := range []struct {
			rate int
			pcm  []int16
		}{{22050, whole(22050)[:441*5]}, {44100, whole(44100)[882*5 : 882*10]}, {16000, Mono(stereo, 2, nil)}} {
			r := New(piece.rate, to)
			out = r.Flush(r.Process(piece.pcm, out))
		}
		want := whole(to)
		if len(out) != len(want) {
			t.Fatalf("%d samples, want %d", len(out), len(want))
		}
		for i, v := range out[:len(out)-100] {
			worst = max(worst, math.Abs(float64(v)-float64(want[i]))/32767/amplitude)
		}
	}
	t.Logf("at most %.1f dB of the tone", db(worst))
	if db(worst) > -34 {
		t.Errorf("off by %.1f dB of the tone", db(worst))
	}
}

func TestMono(t *testing.T) {
	for _, c := range []struct {
		in       []int16
		channels int
		want     []int16
	}{
		{nil, 2, nil},
		{[]int16{1, 2, 3}, 1, []int16{1, 2, 3}},
		{[]int16{10, 20, -30, -10, 7}, 2, []int16{15, -20}},
		{[]int16{32767, 32767, -32768, -32768}, 2, []int16{32767, -32768}},
		{[]int16{3, 6, 9}, 3, []int16{6}},
	} {
		if got := Mono(c.in, c.channels, nil); !slices.Equal(got, c.want) {
			t.Errorf("Mono(%v, %d) = %v, want %v", c.in, c.channels, got, c.want)
		}
	}
	in := []int16{2, 4, 6, 8}
	if got := Mono(in, 2, in[:0]); !slices.Equal(got, []int16{3, 7}) {
		t.Errorf("in place: %v", got)
	}
}

func TestCheck(t *testing.T) {
	common := []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000}
	for _, from := range common {
		for _, to := range []int{8000, 12000, 16000, 24000, 48000} {
			if err := Check(from, to); err != nil {
				t.Error(err)
			}
		}
	}
	for _, p := range [][2]int{{0, 24000}, {-1, 24000}, {24000, 0}, {3999, 8000}, {math.MaxInt, 24000}, {24001, 24000}, {44100, 23999}} {
		if Check(p[0], p[1]) == nil {
			t.Errorf("%v accepted", p)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New accepts what Check refuses")
		}
	}()
	New(0, 24000)
}

func TestProcessAllocatesNothing(t *testing.T) {
	for _, p := range pairs {
		r, in, out := New(p[0], p[1]), noise(p[0]/50), make([]int16, 0, p[1]/10)
		if n := testing.AllocsPerRun(50, func() { r.Process(in, out) }); n != 0 {
			t.Errorf("%v: %v allocations a frame", p, n)
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	for _, p := range pairs {
		b.Run(fmt.Sprintf("%d→%d", p[0], p[1]), func(b *testing.B) {
			r, in, out := New(p[0], p[1]), noise(p[0]/50), make([]int16, 0, p[1]/10)
			b.ReportAllocs()
			for b.Loop() {
				r.Process(in, out)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(22050, 24000)
	}
}
