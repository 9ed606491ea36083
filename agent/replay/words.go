package replay

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/tts"
)

// result is what the recognizer heard in a stretch of the caller's timeline.
type result struct {
	Span
	text  string
	words []Word
}

// said is what a result is known by: results with the same start replace each other.
type said struct {
	start time.Duration
	text  string
}

func (r result) key() said { return said{r.From, r.text} }

// userWords are the caller's words: with the recognizer's own times where it gave them, else spread over the voice.
func (t *draft) userWords(taped map[said][]Word) []Word {
	words := strings.Fields(t.User)
	if len(t.Voice) == 0 && len(t.parts) == 0 { // typed
		return nil
	}
	var known []Word
	for _, p := range t.parts {
		if words, ok := taped[p.key()]; ok {
			known = append(known, words...)
			continue
		}
		known = append(known, spread(strings.Fields(p.text), cut(t.Voice, p.Span))...)
	}
	voice := t.Voice
	if len(voice) == 0 {
		voice = []Span{{t.parts[0].From, t.parts[len(t.parts)-1].To}}
	}
	return timed(words, known, voice)
}

// agentWords are the words of the answer that were heard: with the voice's own times where it gave them.
func (t *draft) agentWords(voiced []tts.Word) []Word {
	if len(t.runs) == 0 {
		return nil
	}
	var known []Word
	for _, w := range voiced {
		if (w.Start+w.End)/2 <= t.Sent {
			known = append(known, Word{Text: w.Text, Span: Span{w.Start, w.End}})
		}
	}
	words := timed(strings.Fields(t.Answer.Heard), known, []Span{{0, t.Sent}})
	for i := range words {
		w := &words[i]
		w.From, w.To = t.moment(w.From, false), t.moment(w.To, true)
		w.To = max(w.To, w.From)
	}
	return words
}

// cut is what of spans lies within s; if nothing does, s.
func cut(spans []Span, s Span) (out []Span) {
	for _, v := range spans {
		if v = (Span{max(v.From, s.From), min(v.To, s.To)}); v.To > v.From {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return []Span{{s.From, max(s.From, s.To)}}
	}
	return out
}

// timed gives words the times of those that are known, by the alignment of both. Those between share what is left between
// them; without any that is known all share the spans.
func timed(words []string, known []Word, spans []Span) []Word {
	if len(known) == 0 || len(words) == 0 {
		return spread(words, spans)
	}
	out := make([]Word, len(words))
	has := make([]bool, len(words))
	pairs := pair(words, known)
	for _, p := range pairs {
		if p[0] >= 0 && p[1] >= 0 {
			out[p[0]], has[p[0]] = known[p[1]], true
			out[p[0]].Text = words[p[0]]
		}
	}
	for i := 0; i < len(words); i++ {
		if has[i] {
			continue
		}
		end := i + 1
		for end < len(words) && !has[end] {
			end++
		}
		gap := Span{spans[0].From, spans[len(spans)-1].To}
		if i > 0 {
			gap.From = out[i-1].To
		}
		if end < len(words) {
			gap.To = out[end].From
		}
		gap.To = max(gap.From, gap.To)
		copy(out[i:], spread(words[i:end], []Span{gap}))
		i = end - 1
	}
	return out
}

// pair aligns words with known ones. As many are the same ones.
func pair(words []string, known []Word) (pairs [][2]int) {
	if len(words) == len(known) {
		for i := range words {
			pairs = append(pairs, [2]int{i, i})
		}
		return pairs
	}
	a, b := make([]string, len(words)), make([]string, len(known))
	for i, w := range words {
		a[i] = strings.Join(plain(w), "")
	}
	for i, w := range known {
		b[i] = strings.Join(plain(w.Text), "")
	}
	pairs, _ = alignWords(a, b)
	return pairs
}

// spread places words one after the other in spans, each as long as it has letters.
func spread(words []string, spans []Span) []Word {
	if len(words) == 0 || len(spans) == 0 {
		return nil
	}
	var long time.Duration
	for _, s := range spans {
		long += max(0, s.To-s.From)
	}
	letters := -1 // no space after the last
	for _, w := range words {
		letters += utf8.RuneCountInString(w) + 1
	}
	share := func(n int) time.Duration { return time.Duration(float64(long) * float64(n) / float64(letters)) }
	out := make([]Word, 0, len(words))
	n := 0
	for _, w := range words {
		end := n + utf8.RuneCountInString(w)
		out = append(out, Word{w, Span{place(spans, share(n), false), place(spans, share(end), true)}, true})
		n = end + 1
	}
	return out
}

// place is the moment in spans before which d of them has passed; on the border of two the later, or as an end the earlier.
func place(spans []Span, d time.Duration, end bool) time.Duration {
	for i, s := range spans {
		long := max(0, s.To-s.From)
		if d < long || d == long && end || i == len(spans)-1 {
			return s.From + min(d, long)
		}
		d -= long
	}
	return 0
}

// plain are the words of s in lower case, without marks: what counts when words are compared.
func plain(s string) []string {
	s = strings.NewReplacer("'", "", "’", "").Replace(strings.ToLower(s))
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
}

// mostCells bounds an alignment.
const mostCells = 1 << 20

// align is the cheapest way to make b of a, n and m long, by inserting and deleting at the cost of gap and by replacing at cost: what
// became what (−1: nothing), in order, and what that costs. What is longer than any speech is paired by its order.
func align(n, m int, gap float64, cost func(i, j int) float64) (pairs [][2]int, sum float64) {
	wide := m + 1
	if n >= mostCells || m >= mostCells || (n+1)*wide > mostCells {
		return inOrder(n, m, gap, cost)
	}
	table := make([]float64, (n+1)*wide)
	for j := range wide {
		table[j] = float64(j) * gap
	}
	for i := 1; i <= n; i++ {
		table[i*wide] = float64(i) * gap
		for j := 1; j <= m; j++ {
			table[i*wide+j] = min(table[(i-1)*wide+j-1]+cost(i-1, j-1), table[(i-1)*wide+j]+gap, table[i*wide+j-1]+gap)
		}
	}
	for i, j := n, m; i > 0 || j > 0; {
		here := table[i*wide+j]
		switch {
		case i > 0 && j > 0 && here == table[(i-1)*wide+j-1]+cost(i-1, j-1):
			i, j = i-1, j-1
			pairs = append(pairs, [2]int{i, j})
		case i > 0 && (j == 0 || here == table[(i-1)*wide+j]+gap):
			i--
			pairs = append(pairs, [2]int{i, -1})
		default:
			j--
			pairs = append(pairs, [2]int{-1, j})
		}
	}
	slices.Reverse(pairs)
	return pairs, table[len(table)-1]
}

func inOrder(n, m int, gap float64, cost func(i, j int) float64) (pairs [][2]int, sum float64) {
	for i := range max(n, m) {
		p := [2]int{i, i}
		switch {
		case i >= n:
			p[0], sum = -1, sum+gap
		case i >= m:
			p[1], sum = -1, sum+gap
		default:
			sum += cost(i, i)
		}
		pairs = append(pairs, p)
	}
	return pairs, sum
}

// alignWords aligns two lists of words; errs is how many must be inserted, deleted or replaced (Levenshtein).
func alignWords(a, b []string) (pairs [][2]int, errs int) {
	pairs, sum := align(len(a), len(b), 1, func(i, j int) float64 {
		if a[i] == b[j] {
			return 0
		}
		return 1
	})
	return pairs, int(sum)
}
