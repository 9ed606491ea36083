package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// timesOf are words as "text from–to", in seconds, with a ~ before those that are guessed.
func timesOf(words []Word) string {
	var all []string
	for _, w := range words {
		mark := ""
		if w.Guessed {
			mark = "~"
		}
		all = append(all, fmt.Sprintf("%s%s %.2f–%.2f", mark, w.Text, w.From.Seconds(), w.To.Seconds()))
	}
	return strings.Join(all, ", ")
}

func seconds(from, to float64) Span {
	return Span{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		text  string
		spans []Span
		want  string
	}{
		{"aaaa bbbb", []Span{seconds(1, 1.9)}, "~aaaa 1.00–1.40, ~bbbb 1.50–1.90"},
		{"aaaa bbbb", []Span{seconds(1, 1.5), seconds(3, 3.4)}, "~aaaa 1.00–1.40, ~bbbb 3.00–3.40"},
		{"aaaa bbbb", []Span{seconds(1, 1.4), seconds(3, 3.5)}, "~aaaa 1.00–1.40, ~bbbb 3.10–3.50"},
		{"aaaa bbbb", []Span{seconds(2, 2)}, "~aaaa 2.00–2.00, ~bbbb 2.00–2.00"},
		{"aaaa bbbb", []Span{seconds(5, 2)}, "~aaaa 5.00–5.00, ~bbbb 5.00–5.00"},
		{"aaaa", nil, ""},
		{"", []Span{seconds(0, 1)}, ""},
	} {
		if got := timesOf(spread(strings.Fields(c.text), c.spans)); got != c.want {
			t.Errorf("%q in %v: %s, want %s", c.text, c.spans, got, c.want)
		}
	}
}

func TestTimed(t *testing.T) {
	known := []Word{{Text: "forty", Span: seconds(1, 1.5)}, {Text: "two", Span: seconds(1.5, 2)}, {Text: "degrees", Span: seconds(3, 4)}}
	for _, c := range []struct{ text, want string }{
		{"Forty two degrees.", "Forty 1.00–1.50, two 1.50–2.00, degrees. 3.00–4.00"},
		{"42 degrees.", "~42 1.00–3.00, degrees. 3.00–4.00"}, // as cheap as the other way round: it became one of them
		{"Forty two or so degrees", "Forty 1.00–1.50, two 1.50–2.00, ~or 2.00–2.40, ~so 2.60–3.00, degrees 3.00–4.00"},
		{"So forty two degrees there", "~So 0.00–1.00, forty 1.00–1.50, two 1.50–2.00, degrees 3.00–4.00, ~there 4.00–5.00"},
		{"", ""},
	} {
		got := timesOf(timed(strings.Fields(c.text), known, []Span{seconds(0, 5)}))
		if strings.HasPrefix(c.text, "42") {
			if !strings.HasSuffix(got, "degrees. 3.00–4.00") {
				t.Errorf("%q: %s", c.text, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
	if got := timesOf(timed([]string{"aaaa", "bbbb"}, nil, []Span{seconds(1, 1.9)})); got != "~aaaa 1.00–1.40, ~bbbb 1.50–1.90" {
		t.Error(got)
	}
}

func TestAlignWords(t *testing.T) {
	for _, c := range []struct {
		a, b string
		errs int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "a b", 2}, {"a b c", "a b c", 0}, {"a b c", "a x c", 1},
		{"a b c", "b c", 1}, {"a b c", "a c d", 2}, {"a b c d", "d c b a", 4},
	} {
		a, b := strings.Fields(c.a), strings.Fields(c.b)
		pairs, errs := alignWords(a, b)
		if errs != c.errs {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, errs, c.errs)
		}
		follows(t, pairs, len(a), len(b))
	}
	long := slices.Repeat([]string{"a"}, 2000)
	pairs, errs := alignWords(long, append(slices.Clone(long[:1999]), "b", "c"))
	if errs != 2 || len(pairs) != 2001 {
		t.Errorf("%d pairs, %d", len(pairs), errs)
	}
	follows(t, pairs, 2000, 2001)
}

// follows checks that an alignment has each side once and in order.
func follows(t *testing.T, pairs [][2]int, n, m int) {
	t.Helper()
	next := [2]int{}
	for _, p := range pairs {
		for side, i := range p {
			if i >= 0 && i != next[side] {
				t.Errorf("%v", pairs)
			} else if i >= 0 {
				next[side]++
			}
		}
	}
	if next != [2]int{n, m} {
		t.Errorf("%v of %d and %d", next, n, m)
	}
}

func TestPlain(t *testing.T) {
	got := plain("It’s 9 o'clock — ISN'T it, né?")
	if want := []string{"its", "9", "oclock", "isnt", "it", "né"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestRecognized(t *testing.T) {
	r, ok := recognized([]byte(`{"engine":"stt","stream":1,"result":{"kind":"final","text":"Hi there.","start":1000,"end":5000,"words":[{"text":"Hi","start":1000,"end":2000},{"text":"there","start":3000,"end":5000}],"heard":6000}}`))
	if !ok || r.text != "Hi there." || r.Span != (Span{1000, 5000}) || len(r.words) != 2 || r.words[1].From != 3000 {
		t.Errorf("%v, %+v", ok, r)
	}
	for _, line := range []string{``, `{`, `{"engine":"tts","sound":{"words":[{"text":"Hi"}]}}`, `{"engine":"stt","result":{"words":[]}}`, `{"engine":"stt","result":{"words":5}}`, `{"engine":"stt","result":{"text":"Hi"}}`} {
		if r, ok := recognized([]byte(line)); ok {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

func TestPlayback(t *testing.T) {
	s := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	for _, c := range []struct {
		name   string
		do     func(*playback)
		spoken Span
		sent   float64
		places []float64 // place, moment
	}{
		{"in one go", func(p *playback) { p.begin(s(1)); p.end(s(3), 0) }, seconds(1, 3), 2, []float64{0, 1, 1, 2, 2, 3, 5, 3}},
		{"held and repeated", func(p *playback) { p.begin(s(1)); p.hold(s(2)); p.resume(s(4), s(0.3)); p.end(s(5), 0) }, seconds(1, 5), 1.7,
			[]float64{0.5, 1.5, 0.7, 4, 1, 4.3, 1.5, 4.8}},
		{"interrupted while it is held", func(p *playback) { p.begin(s(1)); p.hold(s(2)); p.end(s(2.4), s(0.98)) }, seconds(1, 1.98), 0.98, []float64{1, 1.98}},
		{"held before it began", func(p *playback) { p.hold(s(1)); p.resume(s(2), 0); p.begin(s(3)); p.end(s(4), 0) }, seconds(3, 4), 1, nil},
		{"held as it began", func(p *playback) { p.hold(s(1)); p.begin(s(1)); p.resume(s(2), s(1)); p.end(s(3), 0) }, seconds(1, 3), 1, []float64{0.5, 2.5}},
		{"the voice was late, as its sound tells", func(p *playback) { p.begin(s(1)); p.made(s(1.2), s(0.5)); p.made(s(3), s(0.6)); p.end(s(4), 0) }, seconds(1, 4), 1.6, []float64{0.5, 1.5, 0.6, 3, 1, 3.4}},
		{"the voice was late, as what was sent tells", func(p *playback) {
			p.begin(s(1))
			p.heard(s(1.5), s(0.5))
			p.heard(s(3.1), s(0.6))
			p.end(s(4), 0)
		}, seconds(1, 4), 1.5, []float64{0.25, 1.25, 1, 3.5}},
		{"reports that make no sense", func(p *playback) {
			p.heard(s(1), s(1))
			p.begin(s(1))
			p.begin(s(2))
			p.heard(s(3), -1)
			p.end(s(3), 0)
			p.resume(s(5), 0)
			p.hold(s(6))
		}, seconds(1, 3), 2, nil},
		{"never", func(p *playback) { p.hold(s(1)); p.resume(s(2), s(1)); p.end(s(3), s(1)); p.begin(s(4)) }, Span{}, 0, []float64{1, 0}},
	} {
		var p playback
		c.do(&p)
		if p.spoken() != c.spoken || p.sent() != s(c.sent) {
			t.Errorf("%s: spoken %v, %v of sound; want %v, %v", c.name, p.spoken(), p.sent(), c.spoken, c.sent)
		}
		for i := 0; i < len(c.places); i += 2 {
			if got := p.moment(s(c.places[i]), false); (got - s(c.places[i+1])).Abs() > time.Millisecond {
				t.Errorf("%s: %v of it at %v, want %v", c.name, c.places[i], got, c.places[i+1])
			}
		}
	}
}
