package agent

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/agent/turn"
)

// halts are words that count by themselves behind an echo, where another would be taken for one that was not understood.
var halts = map[string]bool{"stop": true, "wait": true, "no": true, "enough": true, "quiet": true, "pause": true, "hello": true, "what": true, "sorry": true}

// replies are words that a caller may say in the same moment as the agent that offers them.
var replies = map[string]bool{"yes": true, "yeah": true, "yep": true, "ok": true, "okay": true, "right": true, "sure": true, "please": true}

const (
	aloudMost  = 64                     // words that are remembered
	aloudLead  = 500 * time.Millisecond // what is sent that soon counts as sent: where its words are is an estimate
	aloudBack  = 2 * time.Second        // a word sent so long before may still sound: the way there and back, a hold between, an estimate that is off
	aloudNear  = 300 * time.Millisecond // before its echo, if the caller was heard, too: a word or two are the agent's only if they sounded just then
	aloudLong  = 8 * time.Second        // many words may be repeated for so long
	aloudHeard = 128                    // words of a result that are looked at
)

// aloud is what was lately sent aloud, word by word.
type aloud struct {
	words []sounded
	last  time.Duration // when sound was last sent
	any   bool
}

type sounded struct {
	spoken
	at time.Duration // when it was sent, or will be within aloudLead
}

// add takes the words of an answer that were sent, and those that are about to be. Known says how many of them are known already; how many
// are now is returned. A word that is still to come, or comes again, is as new as now.
func (a *aloud) add(now time.Duration, sent, soon string, known int) int {
	a.any, a.last = true, now
	words := wordsOf(soon)
	for _, w := range words[min(known, len(words)):] {
		a.words = append(a.words, sounded{w, now})
	}
	known = max(known, len(words))
	if over := len(a.words) - aloudMost; over > 0 {
		a.words = slices.Delete(a.words, 0, over)
	}
	still := known - len(wordsOf(sent))
	for i := max(0, len(a.words)-max(0, still)); i < len(a.words); i++ {
		a.words[i].at = now
	}
	return known
}

// since is what was sent since a moment.
func (a *aloud) since(at time.Duration) []sounded {
	for i, w := range a.words {
		if w.at >= at {
			return a.words[i:]
		}
	}
	return nil
}

// sift takes the agent's own words out of what the recognizer heard and says what was taken: nil if there was no reason to look.
func (c *core) sift(in *turn.Input, e *Echo) *Echo {
	if e == nil || in.Kind != turn.Partial && in.Kind != turn.Final || !c.aloud.any || in.Start > c.aloud.last {
		return nil
	}
	found := Echo{Beside: e.Beside}
	all := wordsOf(in.Text)
	heard := all[:min(len(all), aloudHeard)]
	n, of := repeats(heard, c.aloud.since(min(c.now-aloudLong, in.Start-aloudBack)))
	if n == 0 {
		from := in.Start - aloudBack
		if e.Beside {
			from = in.Start - aloudNear
		}
		if n, of = repeatsShort(heard, c.aloud.since(from)); e.Beside && slices.ContainsFunc(heard, func(w spoken) bool { return halts[w.plain] || replies[w.plain] }) {
			n = 0
		}
	}
	if n == 0 {
		return &found
	}
	found.Text, found.Of = in.Text, joined(of)
	in.Text = in.Text[heard[n-1].end:]
	in.Text = strings.TrimLeftFunc(in.Text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) })
	if n == len(all)-1 && (in.Kind == turn.Partial || n > 3 && !halts[all[n].plain]) {
		in.Text = "" // one of the agent's that is not whole yet, or was not understood
	}
	return &found
}

func joined(all []sounded) string {
	var words []string
	for _, w := range all {
		words = append(words, w.plain)
	}
	return strings.Join(words, " ")
}

// What is gained and lost by a word when it is looked for among those that were sent.
const (
	same    = 2
	similar = 1
	wrong   = -2 // another word, or one too few
	extra   = -3 // one too many: a caller's own, more often than a recognizer's error
)

// place is how well the words up to one of heard lie on those up to one of sent. Its size is 0 if none do.
type place struct{ score, size, from int }

// or is the better of two.
func (p place) or(q place, gain int) place {
	if q.score += gain; q.size > 0 && (p.size == 0 || q.score > p.score) {
		return q
	}
	return p
}

// repeats is how many of the first words that were heard are those of sent, in their order. Of eight three may be wrong, but three words,
// or six letters of a script without spaces, must be right. This is a local alignment that begins with the first word (Smith and Waterman,
// "Identification of Common Molecular Subsequences", 1981).
func repeats(heard []spoken, sent []sounded) (n int, of []sounded) {
	row, next := make([]place, len(sent)+1), make([]place, len(sent)+1)
	var best place
	to := 0
	for i, h := range heard {
		for k, s := range sent {
			gain, p := likeness(h, s.spoken, i == len(heard)-1), place{}
			if gain > 0 {
				p = place{i*extra + gain, h.size, k}
			}
			if q := row[k]; q.size > 0 {
				if gain > 0 {
					q.size += h.size
				}
				p = p.or(q, gain)
			}
			right := gain > 0
			if q := p.or(row[k+1], extra).or(next[k], wrong); q != p {
				p, right = q, false
			}
			next[k+1] = p
			if right && p.size >= 3*whole && p.score >= max(best.score, 2*same) && 2*p.score > i {
				best, n, to = p, i+1, k+1
			}
		}
		row, next = next, row
	}
	return n, sent[best.from:to]
}

// repeatsShort is repeats of one or two words, which must be all and lie side by side. They are the caller's if he asks with
// them what the agent did not ask.
func repeatsShort(heard []spoken, sent []sounded) (n int, of []sounded) {
	size := 0
	for _, h := range heard {
		size += h.size
	}
	if n = len(heard); n == 0 || size >= 3*whole {
		return 0, nil
	}
	for k := len(sent) - n; k >= 0; k-- {
		of = sent[k : k+n]
		if slices.EqualFunc(heard, of, func(h spoken, s sounded) bool { return h.plain == s.plain }) && (!heard[n-1].asks || of[n-1].asks) {
			return n, of
		}
	}
	return 0, nil
}

// spoken is a word as it is compared.
type spoken struct {
	plain string // without marks and capital letters
	end   int    // where it ends in its text
	size  int    // whole; half for a letter of a script without spaces
	asks  bool   // a question mark follows
}

const (
	whole = 2
	half  = 1
)

// wordsOf are a text's words.
func wordsOf(s string) (all []spoken) {
	from := -1
	end := func(i int) {
		if p := strings.Trim(strings.ToLower(strings.ReplaceAll(s[max(0, from):i], "’", "'")), "'"); from >= 0 && p != "" {
			all = append(all, spoken{plain: p, end: i, size: whole})
		}
		from = -1
	}
	for i, r := range s {
		switch {
		case unspaced(r) && !wideStop(r):
			end(i)
			all = append(all, spoken{plain: string(r), end: i + utf8.RuneLen(r), size: half})
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '\'' || r == '’':
			if from < 0 {
				from = i
			}
		default:
			end(i)
			if n := len(all); n > 0 && (r == '?' || r == '？') {
				all[n-1].asks = true
			}
		}
	}
	end(len(s))
	return all
}

// likeness is what is gained where a word was heard for one that was sent. The last that was heard may be cut off.
func likeness(heard, sent spoken, last bool) int {
	switch {
	case heard.plain == sent.plain:
		return same
	case heard.size != whole || sent.size != whole:
		return wrong
	case last && strings.HasPrefix(sent.plain, heard.plain), misheard(heard.plain, sent.plain):
		return similar
	}
	return wrong
}

// misheard tells words of four letters and more that differ in one: another, one too many, or one too few.
func misheard(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 4 || len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return a[i:] == b[i+len(b)-len(a):] || len(a) == len(b) && a[i+1:] == b[i+1:]
}
