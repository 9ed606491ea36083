package fault

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/llm"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func named(t testing.TB, name string) Fault {
	t.Helper()
	f, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNamed(t *testing.T) {
	_, err := Named("gremlins")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "there are slow-first-byte, stalled-stream, cut-stream, 401, 429, 500") {
		t.Errorf("%v", err)
	}
	for _, name := range Names() {
		f := named(t, name)
		if f.Name != name || f.About == "" || len(f.Engines) == 0 || f.Share <= 0 || f.Share >= 1 {
			t.Errorf("%+v", f)
		}
		f.Engines[0] = "changed"
		if named(t, name).Engines[0] == "changed" {
			t.Errorf("the engines of %s are shared", name)
		}
	}
}

func TestHits(t *testing.T) {
	f := named(t, "500")
	pattern := func(f Fault, engine string) (s string) {
		for n := range 60 {
			s += map[bool]string{true: "x", false: "."}[f.Hits(engine, n+1)]
		}
		return s
	}
	seen := map[string]bool{}
	for seed := range uint64(50) {
		f.Seed = seed
		for _, e := range f.Engines {
			p := pattern(f, e)
			if p != pattern(f, e) || p[1] != 'x' {
				t.Errorf("seed %d, %s: %s", seed, e, p)
			}
			seen[p] = true
		}
	}
	if len(seen) < 149 {
		t.Errorf("150 seeds and engines make only %d patterns", len(seen))
	}
	hits := 0
	for p := range seen {
		hits += strings.Count(p, "x") - 1
	}
	if share := float64(hits) / float64(59*len(seen)); share < 0.23 || share > 0.27 {
		t.Errorf("a share of %.3f is hit, want 0.25", share)
	}
	f.Share = 0
	if p := pattern(f, "llm"); p != ".x"+strings.Repeat(".", 58) {
		t.Errorf("without a share %s", p)
	}
	f.Share = 1
	if p := pattern(f, "llm"); p != strings.Repeat("x", 60) {
		t.Errorf("with all %s", p)
	}
	if f.Hits("dns", 2) || named(t, "late-final").Hits("llm", 2) {
		t.Error("an engine is hit that is not concerned")
	}
}

// What each engine gives in its first three calls, of which the second is hit; those of a recognizer are its Finals.

func answers(f Fault) (out []string) {
	m := f.Model(llmscript.New(llmscript.Options{Answers: []string{"one two three four five six"}, First: 100 * time.Millisecond}))
	for range 3 {
		begun, n := time.Now(), 0
		text, end := "", ""
		for d, err := range m.Generate(context.Background(), llm.Request{}) {
			n++
			text += d.Text
			if end += string(d.End); err != nil {
				end = "error " + err.Error()
			}
		}
		if len(text) > 60 {
			text = fmt.Sprintf("%s… of %d items", text[:60], n)
		}
		out = append(out, fmt.Sprintf("%v %q %s", time.Since(begun), text, end))
	}
	return out
}

func speeches(f Fault) (out []string) {
	v := f.Voice(tone.Voice{})
	for range 3 {
		begun := time.Now()
		said := ""
		for a, err := range v.Speak(context.Background(), media.Of("Good morning to you.")) {
			if said += fmt.Sprintf("%d ", len(a.PCM)); err != nil {
				said += "error " + err.Error()
			} else if a.Rate != media.SpeakRate {
				said += fmt.Sprintf("at %d from %v, ", a.Rate, a.At)
			}
		}
		out = append(out, fmt.Sprintf("%v %s", time.Since(begun), said))
	}
	return out
}

// utterances is three seconds of voice, a flush each.
func utterances() (frames []stt.Audio) {
	for i := range 450 {
		f := media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
		frames = append(frames, stt.Audio{Frame: f, Voice: i%150 < 50, Flush: i%150 == 60})
	}
	return frames
}

func finals(f Fault) (out []string) {
	r := f.Recognizer(sttscript.New(sttscript.Options{Lines: []string{"one", "two", "three"}}))
	begun := time.Now()
	for res, err := range r.Recognize(context.Background(), media.Of(utterances()...)) {
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%v error %v", time.Since(begun), err))
		case res.Kind == stt.Final:
			out = append(out, fmt.Sprintf("%v %q", time.Since(begun), res.Text))
		}
	}
	return out
}

// TestFaults shows what each fault does to the second call; the first and the third are well.
func TestFaults(t *testing.T) {
	var b strings.Builder
	synctest.Test(t, func(t *testing.T) {
		well := Fault{}
		answer, speech := answers(well)[0], speeches(well)[0]
		for _, name := range Names() {
			f := named(t, name)
			f.Share = 0
			a, s := answers(f), speeches(f)
			fmt.Fprintf(&b, "%s: %s\n\tllm %s\n\ttts %s\n\tstt %s\n", name, f.About, a[1], s[1], strings.Join(finals(f), "; "))
			if a[0] != answer || a[2] != answer || s[0] != speech || s[2] != speech {
				t.Errorf("%s: the calls before and after are not well: %q %q", name, a, s)
			}
			if (a[1] == answer) == slices.Contains(f.Engines, thinks) || (s[1] == speech) == slices.Contains(f.Engines, speaks) {
				t.Errorf("%s concerns %v: %s, %s", name, f.Engines, a[1], s[1])
			}
		}
	})
	const golden = "testdata/faults.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant (write it anew with -update)\n%s", b.String(), want)
	}
}

// TestClasses has every error keep its class, which decides what the conversation does.
func TestClasses(t *testing.T) {
	want := map[string]error{"stalled-stream": provider.ErrUnavailable, "cut-stream": provider.ErrTruncated, "401": provider.ErrAuth,
		"429": provider.ErrQuota, "500": provider.ErrUnavailable, "malformed-chunk": provider.ErrUnavailable}
	for name, class := range want {
		f := named(t, name)
		f.Share, f.Wait = 1, time.Millisecond
		var failed error
		for _, err := range f.Model(llmscript.Echo()).Generate(t.Context(), llm.Request{}) {
			failed = err
		}
		if !errors.Is(failed, class) {
			t.Errorf("%s ends with %v, which is not %v", name, failed, class)
		}
	}
}

// warm is a model that can be warmed.
type warm struct {
	llm.Model
	n *int
}

func (w warm) Warm(context.Context, llm.Request) error { *w.n++; return nil }

func TestWarmerStaysOne(t *testing.T) {
	n := 0
	f := named(t, "500")
	w, ok := f.Model(warm{llmscript.Echo(), &n}).(llm.Warmer)
	if !ok || w.Warm(t.Context(), llm.Request{}) != nil || n != 1 {
		t.Error("a model that was a Warmer is none")
	}
	if _, ok := f.Model(llmscript.Echo()).(llm.Warmer); ok {
		t.Error("a model that was no Warmer is one")
	}
}

// TestSameInAnyOrder wraps two engines that are called in turns and one after the other.
func TestSameInAnyOrder(t *testing.T) {
	f := named(t, "500")
	run := func(order string) (models, voices []bool) {
		m, v := f.Model(llmscript.Echo()), f.Voice(tone.Voice{})
		for _, who := range order {
			failed := false
			if who == 'm' {
				for _, err := range m.Generate(t.Context(), llm.Request{}) {
					failed = err != nil
				}
				models = append(models, failed)
				continue
			}
			for _, err := range v.Speak(t.Context(), media.Of("Hm.")) {
				failed = err != nil
			}
			voices = append(voices, failed)
		}
		return models, voices
	}
	m1, v1 := run(strings.Repeat("mv", 20))
	m2, v2 := run(strings.Repeat("v", 20) + strings.Repeat("m", 20))
	if !slices.Equal(m1, m2) || !slices.Equal(v1, v2) {
		t.Errorf("in turns %v %v, one after the other %v %v", m1, v1, m2, v2)
	}
}
