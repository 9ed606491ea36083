package agent

import (
	"strings"
	"testing"
	"time"

	"parley/agent/turn"
)

// sky is what the agent says, a word every 300 ms.
const sky = "Hello there. Do you want to know why the sky is blue? It is because the air scatters the light of the sun. Shall we go to Lisbon?"

// speaks is a core that has sent some of it, and no further.
func speaks(t *testing.T, until time.Duration) (c *core, log *[]Event) {
	t.Helper()
	log = &[]Event{}
	c = newCore(Profile{Greeting: sky})
	c.tell = func(e Event) { *log = append(*log, e) }
	c.do = func(act) time.Duration { return until }
	take := func(at time.Duration, took Taken) { c.take(at, arrival{took: &took}) }
	take(0, Taken{Kind: Begun})
	take(0, Taken{Kind: Phrased, Reply: 1, Text: sky})
	take(0, Taken{Kind: Sounded, Reply: 1, Long: time.Duration(len(sky)) * 60 * time.Millisecond})
	c.take(0, arrival{step: turn.Input{Kind: turn.Began, Turn: 1}})
	for at := 100 * time.Millisecond; at <= until; at += 100 * time.Millisecond {
		take(at, Taken{Kind: Heard, Reply: 1, Long: at})
	}
	return c, log
}

func TestSift(t *testing.T) {
	const sec = time.Second
	none, maybe, beside := (*Echo)(nil), &Echo{}, &Echo{Beside: true}
	for _, c := range []struct {
		name  string
		until time.Duration // of what was sent
		start time.Duration // of what was heard, in ms
		kind  turn.InputKind
		may   *Echo
		heard string
		left  string
	}{
		{"all of it", 3 * sec, 200, turn.Final, maybe, "Hello there. Do you want to know", ""},
		{"no marks, other letters", 3 * sec, 200, turn.Partial, maybe, "hello THERE do you", ""},
		{"from its middle", 5 * sec, 1500, turn.Final, maybe, "know why the sky is blue", ""},
		{"its first word was cut off", 5 * sec, 1500, turn.Final, maybe, "oh why the sky is blue", ""},
		{"its last word is cut off", 5 * sec, 1500, turn.Final, maybe, "know why the sky is b", ""},
		{"a third is wrong", 5 * sec, 1500, turn.Final, maybe, "know wine the sky eats blue", ""},
		{"a word is missing, another too many", 5 * sec, 1500, turn.Final, maybe, "know why sky is is blue it is", ""},
		{"half is wrong", 5 * sec, 1500, turn.Final, maybe, "no wine the pie is glue", "no wine the pie is glue"},
		{"the caller goes on", 5 * sec, 1500, turn.Final, maybe, "Why the sky is blue, because wait, stop!", "because wait, stop!"},
		{"the caller goes on, nothing is like it", 5 * sec, 1500, turn.Final, maybe, "Why the sky is blue. Tell me the time.", "Tell me the time."},
		{"one word more, which may change", 5 * sec, 1500, turn.Partial, maybe, "why the sky is wait", ""},
		{"one word more, which stands", 5 * sec, 1500, turn.Final, maybe, "why the sky is wait", "wait"},
		{"a last word that was not understood", 5 * sec, 1500, turn.Final, maybe, "why the sky is mumble", ""},
		{"one word more behind few", 5 * sec, 1500, turn.Final, maybe, "why the sky mumble", "mumble"},
		{"the caller's own words first", 5 * sec, 1500, turn.Final, maybe, "Yes, why the sky", "Yes, why the sky"},
		{"another order", 5 * sec, 1500, turn.Final, maybe, "Blue is the sky", "Blue is the sky"},
		{"words from far apart", 5 * sec, 200, turn.Final, maybe, "Do the blue", "Do the blue"},
		{"other words", 5 * sec, 1500, turn.Final, maybe, "What time is it?", "What time is it?"},
		{"one word", 5 * sec, 3000, turn.Final, maybe, "Blue.", ""},
		{"two words", 5 * sec, 2600, turn.Partial, maybe, "sky is", ""},
		{"two words that do not lie side by side", 5 * sec, 2600, turn.Final, maybe, "the blue", "the blue"},
		{"a question that the agent did not ask", 5 * sec, 2600, turn.Final, maybe, "The sky?", "The sky?"},
		{"one that it asked", 5 * sec, 2800, turn.Final, maybe, "is blue?", ""},
		{"one word of long ago", 7 * sec, 6900, turn.Final, maybe, "hello", "hello"},
		{"many words of long ago", 20 * sec, 12000, turn.Final, maybe, "do you want to know", "do you want to know"},
		{"one word just then, and the caller was heard", 5 * sec, 3000, turn.Final, beside, "Blue.", ""},
		{"two words just then, and the caller was heard", 5 * sec, 2700, turn.Final, beside, "sky is", ""},
		{"one word of before, and the caller was heard", 5 * sec, 4600, turn.Final, beside, "Blue.", "Blue."},
		{"a word that stops the agent, and the caller was heard", 1 * sec, 200, turn.Final, beside, "Hello.", "Hello."},
		{"many words, and the caller was heard", 5 * sec, 1500, turn.Final, beside, "know why the sky is blue stop it", "stop it"},
		{"nothing comes back", 5 * sec, 1500, turn.Final, none, "know why the sky is blue", "know why the sky is blue"},
		{"not said yet", 1 * sec, 200, turn.Final, maybe, "air scatters the light", "air scatters the light"},
		{"begun after it", 5 * sec, 5300, turn.Final, maybe, "the sky is blue", "the sky is blue"},
		{"nothing", 5 * sec, 1500, turn.Final, maybe, "", ""},
		{"no words", 5 * sec, 1500, turn.Final, maybe, "… ?", "… ?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, log := speaks(t, c.until)
			in := turn.Input{Kind: c.kind, Start: c.start * time.Millisecond, At: c.until, Text: c.heard}
			core.take(c.until+50*time.Millisecond, arrival{step: in, echo: c.may})
			var got *Event
			for i, e := range *log {
				if e.Kind == Step && e.Step.In.Kind == c.kind {
					got = &(*log)[i]
				}
			}
			switch {
			case got.Step.In.Text != c.left:
				t.Errorf("%q is left, want %q", got.Step.In.Text, c.left)
			case c.left != c.heard && (got.Echo == nil || got.Echo.Text != c.heard || got.Echo.Of == ""):
				t.Errorf("told %+v", got.Echo)
			case c.left == c.heard && got.Echo != nil && (got.Echo.Text != "" || got.Echo.Of != ""):
				t.Errorf("told %+v", got.Echo)
			}
			n := 0
			for i, again := range Repeat(Profile{Greeting: sky}, *log) {
				if n++; i >= len(*log) || again[0].Kind == Step && again[0].Step.In.Kind == c.kind && again[0].Step.In.Text != c.left {
					t.Errorf("repeated, %q is left", again[0].Step.In.Text)
				}
			}
			if n < 10 {
				t.Errorf("%d inputs are repeated", n)
			}
		})
	}
}

// Letters of a script without spaces are compared one by one.
func TestRepeatsWide(t *testing.T) {
	var a aloud
	a.add(0, "", "你好。天空为什么是蓝色的？", 0)
	for heard, want := range map[string]int{"天空为什么是": 6, "天空为什么是绿": 6, "天空": 0, "请你等一下": 0} {
		if n, _ := repeats(wordsOf(heard), a.words); n != want {
			t.Errorf("%s: %d letters, want %d", heard, n, want)
		}
	}
}

// What is remembered is bounded, and so is what is compared.
func TestAloudIsBounded(t *testing.T) {
	var a aloud
	known := 0
	text := ""
	for i := range 300 {
		text += " word" + strings.Repeat("s", i%3)
		known = a.add(time.Duration(i)*time.Second, text, text, known)
	}
	if len(a.words) != aloudMost || known != 300 || cap(a.words) > 4*aloudMost {
		t.Errorf("%d words of %d, room for %d", len(a.words), known, cap(a.words))
	}
	c := newCore(Profile{})
	c.aloud = a
	in := turn.Input{Kind: turn.Final, Text: strings.Repeat("words word wordss ", 100_000)}
	began := time.Now()
	c.sift(&in, &Echo{})
	if d := time.Since(began); d > time.Second {
		t.Errorf("a long text took %v", d)
	}
}

// Any two texts can be compared; what is left is an end of what was heard.
func FuzzSift(f *testing.F) {
	f.Add("Hello there, you", "hello there you and I")
	f.Add("天空为什么", "天空为什么 why")
	f.Add("it’s \xff'’' don't", "its ??? it's don't ’")
	f.Fuzz(func(t *testing.T, said, heard string) {
		var c core
		c.aloud.add(0, said, said, 0)
		in := turn.Input{Kind: turn.Final, Text: heard}
		e := c.sift(&in, &Echo{})
		if !strings.HasSuffix(heard, in.Text) || e == nil || (e.Of == "") != (in.Text == heard) && e.Text != heard {
			t.Errorf("%q of %q: %q is left, %+v", heard, said, in.Text, e)
		}
	})
}
