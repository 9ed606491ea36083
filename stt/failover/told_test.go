package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/stt"
)

// What the second recognizer says of the same speech takes the place of what the first had said: results of the first, of the
// second, and what is there at the end. A result is kind:start-end:text in tenths of a second; ! answers a Flush.
func TestTold(t *testing.T) {
	for _, tt := range []struct{ name, first, second, want, told string }{
		{"nothing before", "", "o:1-1: p:1-3:a !:1-5:a.b", "1:a.b", "o p !"},
		{"the same Start", "o:1-1: p:1-3:a", "o:1-1: p:1-3:a !:1-5:a.b", "1:a.b", "o p | p !"},
		{"another Start", "o:1-1: p:1-3:a", "o:2-2: p:2-3:a !:2-5:a.b", "1:a.b", "o p | p !"},
		{"nothing is heard there now", "p:1-3:a", "!:5-5:", "1:", "p | !"},
		{"all in one now", "p:1-3:a p:4-5:b", "!:1-6:a.b", "1:a.b 4:", "p p | p !"},
		{"the second part stays", "p:1-3:a p:4-5:b", "f:2-3:a p:4-5:b !:4-6:b", "1:a 4:b", "p p | f p !"},
		{"a Partial behind a Final", "!:1-3:a p:1-5:a.b", "p:3-5:b !:3-6:b", "1:a 3:b", "! p | p p !"},
		{"a Final that is said again", "!:1-3:a", "p:1-3:a f:1-3:a o:2-3: e:3-3: p:3-5:b !:3-6:b", "1:a 3:b", "! | p !"},
		{"two Flushes at one place", "!:1-3:a", "!:3-3:", "1:a 3:", "! | !"},
		{"it lies before what was heard", "p:5-7:b", "p:1-2:a !:1-8:a.b", "5: 1:a.b", "p | p p !"},
		{"its words lie before", "p:2-3:a", "!:1-5:a", "2:a", "p | !"},
		{"a new onset", "p:1-3:a", "p:1-3:a o:6-6: p:6-7:b !:6-8:b", "1:a 6:b", "p | p o p !"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tl told
			text := map[time.Duration]string{}
			var starts []time.Duration
			var kinds []string
			give := func(r stt.Result, answer bool) {
				kind := "opfe"[r.Kind : r.Kind+1]
				if answer {
					kind = "!"
				}
				kinds = append(kinds, kind)
				if r.Kind == stt.Onset || r.Kind == stt.Endpoint {
					return
				}
				if r.End < r.Start {
					t.Errorf("%+v", r)
				}
				for _, w := range r.Words {
					if w.Start < r.Start || w.End < w.Start {
						t.Errorf("word from %v to %v in %+v", w.Start, w.End, r)
					}
				}
				if _, ok := text[r.Start]; !ok {
					starts = append(starts, r.Start)
				}
				text[r.Start] = r.Text
			}
			for i, results := range []string{tt.first, tt.second} {
				if i > 0 && tt.first != "" {
					kinds = append(kinds, "|")
				}
				tl.begin(func(r stt.Result, err error) bool {
					give(r, false)
					return true
				})
				for _, s := range strings.Fields(results) {
					r, answer := result(t, s)
					out := tl.take(r, answer)
					for k, x := range out {
						give(x, answer && k == len(out)-1)
					}
				}
			}
			var got []string
			for _, s := range starts {
				got = append(got, fmt.Sprint(int(s/(100*time.Millisecond)), ":", text[s]))
			}
			if g, k := strings.Join(got, " "), strings.Join(kinds, " "); g != tt.want || k != tt.told {
				t.Errorf("got  %q by %q\nwant %q by %q", g, k, tt.want, tt.told)
			}
		})
	}
}

func result(t *testing.T, s string) (r stt.Result, answer bool) {
	var kind rune
	var start, end int
	p := strings.Split(s, ":")
	if _, err := fmt.Sscanf(p[0]+" "+p[1], "%c %d-%d", &kind, &start, &end); err != nil {
		t.Fatal(err)
	}
	r = stt.Result{Text: p[2], Start: time.Duration(start) * 100 * time.Millisecond, End: time.Duration(end) * 100 * time.Millisecond}
	r.Kind = map[rune]stt.Kind{'o': stt.Onset, 'p': stt.Partial, 'f': stt.Final, 'e': stt.Endpoint, '!': stt.Final}[kind]
	if r.Text != "" {
		r.Words = []stt.Word{{Text: r.Text, Start: r.Start, End: r.End}}
	}
	return r, kind == '!'
}

// A consumer who leaves at the Partial that restores a Final has left.
func TestLeavesWhenAFinalIsRestored(t *testing.T) {
	tl := told{}
	tl.begin(nil)
	tl.take(stt.Result{Kind: stt.Final, Text: "a", End: 1}, true)
	tl.take(stt.Result{Kind: stt.Partial, Text: "a b", End: 2}, false)
	if tl.begin(func(stt.Result, error) bool { return false }) {
		t.Error("it goes on")
	}
}

// However many Starts there are, few are remembered.
func TestToldIsBounded(t *testing.T) {
	var tl told
	for range 2 {
		tl.begin(func(stt.Result, error) bool { return true })
		for i := range 1000 {
			tl.take(stt.Result{Kind: stt.Partial, Text: "a", Start: time.Duration(i), End: time.Hour}, false)
		}
	}
	if len(tl.parts) > partsMost || len(tl.moved) > partsMost || len(tl.orphans) > partsMost {
		t.Errorf("%d parts, %d moved, %d orphans", len(tl.parts), len(tl.moved), len(tl.orphans))
	}
}
