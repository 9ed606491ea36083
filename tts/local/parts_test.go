package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/provider"
)

func TestPerClause(t *testing.T) {
	for _, test := range []struct {
		out  string
		n    int
		want []string
	}{
		{"həlˈoʊ\n\n", 1, []string{"həlˈoʊ"}},
		{"a\n\nb c\n\n", 2, []string{"a", "b c"}},
		{"a\nb\n\nc\n\n", 2, []string{"a b", "c"}},
		{"a\n\nb\n\nc\n\n", 2, []string{"", "a b c"}},
		{"", 1, []string{""}},
		{"", 2, []string{"", ""}},
		{"(fr)mɛʁsˈi(en-us)  boʊ\n\n", 1, []string{"mɛʁsˈi boʊ"}},
	} {
		if got := perClause(test.out, test.n); !slices.Equal(got, test.want) {
			t.Errorf("perClause(%q, %d) = %q, want %q", test.out, test.n, got, test.want)
		}
	}
}

func FuzzPerClause(f *testing.F) {
	f.Add("a\n\nb\n\n", 2)
	f.Fuzz(func(t *testing.T, out string, n int) {
		if n < 1 || n > 50 {
			return
		}
		if got := perClause(out, n); len(got) != n {
			t.Fatalf("perClause(%q, %d) gives %d", out, n, len(got))
		}
	})
}

func TestSpell(t *testing.T) {
	s, err := startSpeller(t.Context(), "espeak-ng", "en-us")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.spell([]clause{{"Hello", ','}, {"it is 42 -- $(reboot); `ls`", '.'}, {"--version", '?'}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0] != "həlˈoʊ" || !strings.Contains(got[1], "ɹɾi tˈuː") || !strings.Contains(got[2], "vˈɜːʒən") {
		t.Errorf("spelled %q", got)
	}
}

// program makes an executable out of lines of shell, in place of espeak-ng.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "espeak-ng")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSpellFails(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         string
	}{
		{"fails", "exit 3", "exit status 3"},
		{"hangs", "exec sleep 60", "enough"},
		{"leaves a child", "sleep 60 & cat >/dev/null; wait", "enough"},
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("enough"))
		defer cancel()
		s, err := startSpeller(ctx, program(t, test.script), "en-us")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = s.spell([]clause{{"hello", '.'}})
		if err == nil || !strings.Contains(err.Error(), test.want) && !strings.Contains(err.Error(), "broken pipe") {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v", test.name, took)
		}
	}
	if _, err := startSpeller(t.Context(), "/nowhere/espeak-ng", "en-us"); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("without the program: %v", err)
	}
}

const config = `{"audio":{"sample_rate":22050},"espeak":{"voice":"en-us"},"inference":{"noise_scale":0.6,"length_scale":1,"noise_w":0.8},
"num_speakers":1,"phoneme_id_map":{"_":[0],"^":[1],"$":[2]," ":[3],",":[8],".":[10],"a":[14],"b":[15]}}`

func TestNumbers(t *testing.T) {
	p, err := parseConfig([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		chunk []clause
		ipa   []string
		want  []int64
	}{
		{[]clause{{"", '.'}}, []string{"ab"}, []int64{1, 0, 14, 0, 15, 0, 10, 0, 2}},
		{[]clause{{"", ','}, {"", 0}}, []string{"a", "b"}, []int64{1, 0, 14, 0, 8, 0, 3, 0, 15, 0, 8, 0, 2}},
		{[]clause{{"", '.'}}, []string{"aXb?"}, []int64{1, 0, 14, 0, 15, 0, 10, 0, 2}},
	} {
		if got := p.numbers(test.chunk, test.ipa); !slices.Equal(got, test.want) {
			t.Errorf("numbers(%q, %q) = %v, want %v", show(test.chunk), test.ipa, got, test.want)
		}
	}
	if p.rate != 22050 || p.language != "en-us" || p.scales != [3]float32{0.6, 1, 0.8} {
		t.Errorf("read %+v", p)
	}
}

func TestConfigRefused(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"22050", "0", "rate"},
		{"22050", `"x"`, "sample_rate"},
		{"en-us", "", "espeak voice"},
		{"en-us", "--path=/", "espeak voice"},
		{`"num_speakers":1`, `"num_speakers":9`, "speakers"},
		{`"^":[1],`, "", "phoneme_id_map"},
		{"{", "", "invalid character"},
	} {
		_, err := parseConfig([]byte(strings.Replace(config, test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s for %s: %v, want %q", test.new, test.old, err, test.want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(config))
	f.Add([]byte(`{"phoneme_id_map":{"":[]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parseConfig(b); err == nil {
			p.numbers([]clause{{"a", '.'}}, []string{"ab"})
		}
	})
}

func TestWordTimes(t *testing.T) {
	at := func(d time.Duration) string { return fmt.Sprint(d.Round(time.Millisecond)) }
	for _, test := range []struct {
		name  string
		chunk []clause
		ipa   []string
		want  string
	}{
		{"by phonemes", []clause{{"no strength", '.'}}, []string{"ab abcdefgh"}, "no 100ms–300ms strength 300ms–1.1s"},
		{"by letters", []clause{{"of the town", 0}}, []string{"abc abcdef"}, "of 100ms–322ms the 322ms–656ms town 656ms–1.1s"},
		{"a mark is a pause", []clause{{"yes", ','}, {"no", '.'}}, []string{"abcd", "abc"}, "yes 100ms–500ms no 800ms–1.1s"},
		{"no phonemes", []clause{{"a b", '.'}}, []string{""}, "a 100ms–600ms b 600ms–1.1s"},
	} {
		var got []string
		for _, w := range wordTimes(test.chunk, test.ipa, 100*time.Millisecond, 1100*time.Millisecond) {
			got = append(got, w.Text+" "+at(w.Start)+"–"+at(w.End))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %s, want %s", test.name, strings.Join(got, " "), test.want)
		}
	}
}

// tone is seconds of a sine of the given peak, at 22,050 Hz.
func tone(seconds, peak float64) []float32 {
	out := make([]float32, int(seconds*22050))
	for i := range out {
		out[i] = float32(peak * math.Sin(2*math.Pi*300*float64(i)/22050))
	}
	return out
}

func TestTrim(t *testing.T) {
	quiet := make([]float32, 2205)
	pcm := slices.Concat(quiet, tone(0.1, 0.5), quiet)
	got := trim(pcm, 220, 1000)
	if n := len(got) - len(tone(0.1, 0.5)); n < 1200 || n > 1230 {
		t.Errorf("%d samples of silence are left, want 1220", n)
	}
	if got := trim(quiet, 220, 1000); len(got) != 0 {
		t.Errorf("of silence %d samples are left", len(got))
	}
	if got := trim(tone(0.1, 0.5), 220, 1000); len(got) < 2200 {
		t.Errorf("of sound %d samples are left", len(got))
	}
}

func TestSqueeze(t *testing.T) {
	pcm := slices.Concat(tone(0.1, 0.5), make([]float32, 5000), tone(0.1, 0.5), make([]float32, 300), tone(0.1, 0.5))
	want := len(pcm) - 4000
	if got := len(squeeze(pcm, 1000)); got < want-20 || got > want+20 {
		t.Errorf("%d samples are left, want about %d", got, want)
	}
	if got := squeeze(nil, 10); len(got) != 0 {
		t.Errorf("nothing became %d samples", len(got))
	}
}

func TestLevel(t *testing.T) {
	quiet := make([]float32, 11025)
	for _, test := range []struct {
		name string
		pcm  []float32
		want float64 // dBFS of the loud part
	}{
		{"soft", tone(1, 0.12), wantLevel},
		{"with pauses", slices.Concat(tone(0.5, 0.12), quiet, tone(0.5, 0.12)), wantLevel},
		{"loud", tone(1, 0.9), wantLevel},
		{"too soft to be raised so far", tone(1, 0.02), -37 + maxGain},
	} {
		out := level(test.pcm, 882)
		back := make([]float32, len(out))
		for i, s := range out {
			back[i] = float32(s) / math.MaxInt16
		}
		if got := loudness(back, 882); math.Abs(got-test.want) > 0.3 {
			t.Errorf("%s: %.1f dBFS, want %.1f", test.name, got, test.want)
		}
	}
	burst := slices.Concat(tone(1, 0.1), tone(0.01, 1), tone(1, 0.1)) // a peak that must be turned down, not cut
	if p := peak16(level(burst, 882)); float64(p) > 1.01*ceiling*math.MaxInt16 {
		t.Errorf("the peak is %d", p)
	}
	if out := level(nil, 882); len(out) != 0 {
		t.Errorf("of nothing came %d samples", len(out))
	}
	if p := peak16(level(quiet, 882)); p != 0 {
		t.Errorf("silence became %d", p)
	}
}

func peak16(pcm []int16) (p int) {
	for _, s := range pcm {
		p = max(p, int(s), -int(s))
	}
	return p
}

func TestSamples(t *testing.T) {
	head := "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x22\x56\x00\x00\x44\xac\x00\x00\x02\x00\x10\x00data\xff\xff\xff\x7f"
	got, err := samples([]byte(head + "\x00\x40\x00\xc0\x01"))
	if err != nil || !slices.Equal(got, []float32{0.5, -0.5}) {
		t.Errorf("read %v, %v", got, err)
	}
	for _, bad := range []string{"", "RIFF", "data", head[:len(head)-4]} {
		if _, err := samples([]byte(bad)); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("of %q: %v", bad, err)
		}
	}
}

func FuzzSamples(f *testing.F) {
	f.Add([]byte("RIFFdata\x00\x00\x00\x00\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pcm, err := samples(b); err == nil && len(pcm) > len(b)/2 {
			t.Fatal("more samples than bytes")
		}
	})
}
