package replay

import (
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/agent"
)

var (
	timing = regexp.MustCompile(`^(\d\d+):([0-5]\d):([0-5]\d)\.(\d\d\d) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d\d\d)$`)
	spoke  = regexp.MustCompile(`^<v (Caller|Agent)>([^<>]+)$`)
)

// parseVTT reads captions as a player does, and refuses what one would not show.
func parseVTT(s string) (cues []cue, err error) {
	blocks := strings.Split(strings.TrimSuffix(s, "\n"), "\n\n")
	if blocks[0] != "WEBVTT" {
		return nil, fmt.Errorf("the head is %q", blocks[0])
	}
	for _, b := range blocks[1:] {
		head, text, _ := strings.Cut(b, "\n")
		at, said := timing.FindStringSubmatch(head), spoke.FindStringSubmatch(text)
		if at == nil || said == nil {
			return nil, fmt.Errorf("no cue: %q", b)
		}
		moment := func(p []string) time.Duration {
			var n [4]int
			for i := range n {
				n[i], _ = strconv.Atoi(p[i])
			}
			return time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute + time.Duration(n[2])*time.Second + time.Duration(n[3])*time.Millisecond
		}
		cues = append(cues, cue{Span{moment(at[1:5]), moment(at[5:9])}, said[1], html.UnescapeString(said[2])})
	}
	return cues, valid(cues)
}

// valid checks what holds of all captions.
func valid(cues []cue) error {
	for i, q := range cues {
		switch {
		case q.To <= q.From || q.To-q.From > captionTime:
			return fmt.Errorf("%q stands from %v to %v", q.text, q.From, q.To)
		case utf8.RuneCountInString(q.text) > captionLetters:
			return fmt.Errorf("%q is too long", q.text)
		case i > 0 && q.From < cues[i-1].From:
			return fmt.Errorf("%q comes after %v", q.text, cues[i-1])
		}
	}
	return nil
}

func captions(t *testing.T, c *Conversation) []cue {
	t.Helper()
	var b strings.Builder
	if err := c.WebVTT(&b); err != nil {
		t.Fatal(err)
	}
	cues, err := parseVTT(b.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return cues
}

// phrase is an answer whose words last half a second each.
func phrase(n int, from time.Duration, text string) Turn {
	t := Turn{N: n, Answer: agent.Said{Heard: text}}
	for i, w := range strings.Fields(text) {
		at := from + time.Duration(i)*500*time.Millisecond
		t.Words = append(t.Words, Word{Text: w, Span: Span{at, at + 450*time.Millisecond}})
	}
	t.Spoken = Span{from, t.Words[len(t.Words)-1].To}
	return t
}

func TestCaptions(t *testing.T) {
	sec := time.Second
	for _, c := range []struct {
		name string
		turn Turn
		want []string // from, to, text
	}{
		{"sentences", phrase(1, sec, "Good morning! How are you?"), []string{"1s 1.95s Good morning!", "2s 3.45s How are you?"}},
		{"a title", phrase(1, 0, "Ask Dr. No. Now."), []string{"0s 1.45s Ask Dr. No.", "1.5s 2s Now."}},
		{"seven seconds", phrase(1, sec, "a b c d e f g h i j k l m n o p"), []string{"1s 7.95s a b c d e f g h i j k l m n", "8s 8.95s o p"}},
		{"a comma after forty letters", phrase(1, 0, "Internationalization, standardization, misunderstanding, and on"),
			[]string{"0s 1.45s Internationalization, standardization, misunderstanding,", "1.5s 2.45s and on"}},
		{"eighty letters", phrase(1, 0, strings.Repeat("abcdefghijklmnopqrstuvwxyz ", 4)), []string{
			"0s 1.45s " + strings.TrimSpace(strings.Repeat("abcdefghijklmnopqrstuvwxyz ", 2)+"abcdefghijklmnopqrstuvwxyz"), "1.5s 2s abcdefghijklmnopqrstuvwxyz"}},
		{"a word that is longer", phrase(1, 0, strings.Repeat("é", 170)), []string{"0s 500ms " + strings.Repeat("é", 80), "0s 500ms " + strings.Repeat("é", 80), "0s 500ms " + strings.Repeat("é", 10)}},
		{"markup", phrase(1, 0, "a<b> --> &amp; \x00\xff"), []string{"0s 1.95s a<b> --> &amp; \uFFFD\uFFFD"}},
		{"typed", Turn{N: 1, User: "Hello by hand", Committed: 2 * sec}, []string{"2s 5s Hello by hand"}},
		{"a pause in it", Turn{N: 1, User: "One two", Voice: []Span{{0, sec}, {4 * sec, 5 * sec}},
			UserWords: []Word{{Text: "One", Span: Span{0, sec}}, {Text: "two", Span: Span{4 * sec, 5 * sec}}}}, []string{"0s 1s One", "4s 5s two"}},
		{"a word that lasts for ever", Turn{N: 1, User: "Om", Voice: []Span{{0, 60 * sec}}, UserWords: []Word{{Text: "Om", Span: Span{0, 60 * sec}}}}, []string{"0s 7s Om"}},
		{"nothing", Turn{N: 1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, q := range captions(t, &Conversation{Length: time.Minute, Turns: []Turn{c.turn}}) {
				got = append(got, fmt.Sprintf("%v %v %s", q.From, q.To, q.text))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

// Captions of both sides are in one order, and a writer that fails is told of.
func TestCaptionsOfBoth(t *testing.T) {
	a := phrase(1, 2*time.Second, "It goes on.")
	a.User, a.Voice = "Really?", []Span{{time.Second, 4 * time.Second}}
	a.UserWords = spread([]string{"Really?"}, a.Voice)
	c := &Conversation{Length: time.Minute, Turns: []Turn{phrase(0, 1500*time.Millisecond, "Hi."), a}}
	var who []string
	for _, q := range captions(t, c) {
		who = append(who, q.who)
	}
	if want := []string{"Caller", "Agent", "Agent"}; !slices.Equal(who, want) {
		t.Error(who)
	}
	full := errors.New("full")
	if err := c.WebVTT(failing{full}); !errors.Is(err, full) {
		t.Error(err)
	}
	us := c.Utterances()
	if len(us) != 3 || us[0].Agent || us[0].Turn != 1 || !us[1].Agent || us[2].Span != a.Spoken {
		t.Errorf("%+v", us)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
