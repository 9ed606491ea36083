package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A voice, as it tells what it makes: how it takes its text, and how long its words are.
type teller struct {
	name  string
	ahead int           // phrases that it takes before the one it makes
	piece time.Duration // it is told of its sound in such pieces
	made  time.Duration // it has made so much more than was sent
}

var tellers = []teller{
	{"a phrase at once", 0, time.Hour, 3 * time.Second},
	{"in pieces", 0, 200 * time.Millisecond, 3 * time.Second},
	{"just in time", 0, 100 * time.Millisecond, 200 * time.Millisecond},
	{"the text a phrase ahead", 1, 200 * time.Millisecond, 3 * time.Second},
	{"the whole text ahead", 1000, 200 * time.Millisecond, 3 * time.Second},
}

// vocabulary is words as they are recorded one by one: their length goes with their letters, but not much.
func vocabulary(rnd *rand.Rand) (words []string, long map[string]time.Duration) {
	long = map[string]time.Duration{}
	for len(words) < 60 {
		n := 3 + rnd.IntN(6)
		w := make([]byte, n)
		for i := range w {
			w[i] = byte('a' + rnd.IntN(26))
		}
		words = append(words, string(w))
		long[string(w)] = time.Duration(180+25*n+rnd.IntN(260)) * time.Millisecond
	}
	return words, long
}

// tale is n words in sentences, cut into phrases as the agent does.
func tale(rnd *rand.Rand, words []string, n int) (phrases []string) {
	c := cutter{model: true}
	var text strings.Builder
	for i := range n {
		text.WriteString(words[(i*7+rnd.IntN(7))%len(words)])
		if rnd.IntN(9) == 0 || i == n-1 {
			text.WriteByte('.')
		}
		text.WriteByte(' ')
	}
	phrases = c.add(text.String())
	if p := c.rest(); p != "" {
		phrases = append(phrases, p)
	}
	return phrases
}

// cutAt is how many words the core takes for heard when so much was sent, and how many were.
func (v teller) cutAt(letter time.Duration, phrases []string, long map[string]time.Duration, sent time.Duration) (heard, were int, next time.Duration) {
	r := made{usual: letter}
	at, taken := time.Duration(0), 0
	for i, p := range phrases {
		if at > sent+v.made {
			break
		}
		for ; taken < len(phrases) && taken <= i+v.ahead; taken++ {
			r.phrases = append(r.phrases, phrase{phrases[taken], r.audio})
		}
		for w := range strings.FieldsSeq(p) {
			d := long[strings.Trim(w, ".")]
			if at+d/2 <= sent {
				were++
			}
			at += d
		}
		for r.audio < at && (r.audio <= sent+v.made || v.piece == time.Hour) {
			r.audio += min(v.piece, at-r.audio)
		}
	}
	text := r.upTo(sent)
	if !strings.HasPrefix(strings.Join(phrases, " "), text) {
		return -1000, 0, 0
	}
	return len(strings.Fields(text)), were, r.perLetter()
}

// What is taken for heard of a voice that does not tell where its words are is at most one word off in 95 of 100 cuts, when it makes one
// phrase after the other; and is never far off when it takes its text ahead.
func TestHeardOfWordsUntold(t *testing.T) {
	for _, v := range tellers {
		rnd := rand.New(rand.NewPCG(4, 2))
		off, near, sum := map[int]int{}, 0, 0
		const cuts = 1000
		for range cuts / 5 {
			words, long := vocabulary(rnd)
			letter := time.Duration(0)
			for range 5 { // answers in a call
				phrases := tale(rnd, words, 60)
				var all time.Duration
				for w := range strings.FieldsSeq(strings.Join(phrases, " ")) {
					all += long[strings.Trim(w, ".")]
				}
				heard, were, _ := v.cutAt(letter, phrases, long, time.Duration(rnd.Int64N(int64(all))))
				off[heard-were]++
				sum += heard - were
				if d := heard - were; d >= -1 && d <= 1 {
					near++
				}
				_, _, letter = v.cutAt(letter, phrases, long, all)
			}
		}
		t.Logf("%s: %.1f %% of %d at most one word off, mean %+.2f: %s", v.name, 100*float64(near)/cuts, cuts, float64(sum)/cuts, spread(off))
		switch mean := float64(sum) / cuts; {
		case mean < -0.5 || mean > 0.5 || near < cuts*2/3:
			t.Errorf("%s: %d of %d are at most one word off, mean %+.2f", v.name, near, cuts, mean)
		case v.ahead == 0 && near < cuts*95/100:
			t.Errorf("%s: only %d of %d are at most one word off", v.name, near, cuts)
		case off[-1000] > 0:
			t.Errorf("%s: %d texts are no beginning of what was said", v.name, off[-1000])
		}
	}
}

func spread(off map[int]int) string {
	var all []string
	var keys []int
	for k := range off {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%+d: %d", k, off[k]))
	}
	return strings.Join(all, ", ")
}
