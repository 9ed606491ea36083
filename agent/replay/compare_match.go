package replay

import (
	"slices"
	"strings"

	"parley/agent"
)

// What it costs that a turn is in one conversation only, and that one in which the caller spoke is set beside one in
// which nobody did: never. Two turns of the same sort in the same place are one however their words differ.
const (
	missing  = 0.6
	unlike   = 3
	halfSame = 0.5 // of the words, for a paraphrase
)

// match sets the turns of two conversations side by side: in order, led by what the caller said and, where that is nothing, by what
// the agent did.
func match(a, b []Turn) []Pair {
	x, y := texts(a), texts(b)
	pairs, _ := align(len(a), len(b), missing, func(i, j int) float64 {
		if x[i].user != y[j].user {
			return unlike
		}
		if slices.Equal(x[i].words, y[j].words) {
			return 0
		}
		_, errs := alignWords(x[i].words, y[j].words)
		return float64(errs) / float64(max(1, len(x[i].words), len(y[j].words)))
	})
	out := make([]Pair, len(pairs))
	for k, p := range pairs {
		if p[0] >= 0 {
			out[k].A = &a[p[0]]
		}
		if p[1] >= 0 {
			out[k].B = &b[p[1]]
		}
	}
	return out
}

// text is what a turn is known by.
type text struct {
	user  bool
	words []string
}

func texts(turns []Turn) []text {
	out := make([]text, len(turns))
	for i, t := range turns {
		out[i] = text{t.User != "", plain(sketch(&t))}
		out[i].words = out[i].words[:min(len(out[i].words), 100)] // enough to know it by
	}
	return out
}

// words are those of an answer: what was to be said, whatever of it was heard.
func words(s agent.Said) string {
	for _, t := range []string{s.Generated, s.Sent} {
		if t != "" {
			return t
		}
	}
	return s.Heard
}

// grade says how alike two answers are.
func grade(a, b agent.Said) Grade {
	s, t := words(a), words(b)
	if s == t {
		return Identical
	}
	x, y := plain(s), plain(t)
	switch {
	case slices.Equal(x, y), a.Interrupted && b.Interrupted && (opens(y, x) || opens(x, y)):
		return Equivalent
	case overlap(x, y) >= halfSame:
		return Paraphrase
	}
	return Different
}

// opens reports that part is the beginning of all. Its last word may be cut.
func opens(part, all []string) bool {
	last := len(part) - 1
	return last >= 0 && len(all) > last && slices.Equal(all[:last], part[:last]) && strings.HasPrefix(all[last], part[last])
}

// overlap is how many words both have, as a share of all (Dice's coefficient of the two bags).
func overlap(x, y []string) float64 {
	bag := map[string]int{}
	for _, w := range x {
		bag[w]++
	}
	both := 0
	for _, w := range y {
		if bag[w] > 0 {
			bag[w]--
			both++
		}
	}
	return 2 * float64(both) / float64(max(1, len(x)+len(y)))
}

// codes are whose the troubles were.
func codes(all []Trouble) string {
	var c []string
	for _, t := range all {
		c = append(c, t.Code)
	}
	return strings.Join(c, " ")
}

func troubles(all []Trouble) string {
	var c []string
	for _, t := range all {
		c = append(c, t.Code+": "+t.Text)
	}
	return strings.Join(c, "; ")
}
