package dialogs

import (
	"context"
	"iter"
	"strings"
	"time"

	"parley/media"
	"parley/stt"
)

// How the recognizer behaves, as those that run on this computer do.
const (
	same       = 1200 * time.Millisecond // words this soon after others belong to the same utterance
	tail       = 60 * time.Millisecond   // of a word, that need not be heard to know it
	late       = 150 * time.Millisecond  // so much of the end of what was heard is not yet in a partial text
	everyWords = 500 * time.Millisecond  // at the most one partial text in
)

// times belong to kinds of results.
type times [stt.Final + 1]time.Duration

// takes is how long a result takes it. Nothing waits for a round time here, so that no two things happen at one moment, whose
// order nothing would tell.
var takes = times{
	stt.Onset:   5*time.Millisecond + 17*time.Microsecond,
	stt.Partial: 43*time.Millisecond + 37*time.Microsecond,
	stt.Final:   140*time.Millisecond + 61*time.Microsecond,
}

// Recognizer knows what is said and when, and tells what of it was over when it was asked. A flush gets its Final 140 ms
// later; words within 1.2 s of others are one utterance, with one Start. What is said into a muted microphone it does not know.
// Words have their time on the session clock without a network: over one that delays, it knows them so much too early.
func (d Dialog) Recognizer() stt.Recognizer { return d.recognizer(takes) }

func (d Dialog) recognizer(takes times) stt.Recognizer {
	var all []stt.Word
	for _, u := range d.Heard {
		if u.Muted {
			continue
		}
		for _, w := range u.Words {
			all = append(all, stt.Word{Text: w.Text, Start: w.Start + Lead, End: w.End + Lead})
		}
	}
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) { hear(ctx, all, takes, in, yield) }
	})
}

// group cuts the words that are not over at from into utterances.
func group(words []stt.Word, from time.Duration) (all [][]stt.Word) {
	for i, w := range words {
		if w.End <= from {
			continue
		}
		if len(all) == 0 || w.Start-words[i-1].End > same {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], w)
	}
	return all
}

func hear(ctx context.Context, words []stt.Word, takes times, in media.Source[stt.Audio], yield func(stt.Result, error) bool) {
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	var e listener
	begun := false
	for a := range in(own) {
		if !begun { // a call that begins late has missed what was before
			begun = true
			e.known = group(words, a.At)
		}
		for _, r := range e.hear(a) {
			if !wait(ctx, takes[r.Kind]) {
				break
			}
			if !yield(r, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		yield(stt.Result{}, context.Cause(ctx))
	} else if r, ok := e.rest(); ok {
		yield(r, nil)
	}
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// listener is one call's place in what is known.
type listener struct {
	known [][]stt.Word  // utterances to come, the present one first
	open  bool          // known[0] has begun
	told  int           // words of known[0] in the last result
	final int           // and in the last Final
	last  time.Duration // when the last partial was given
	at    time.Duration // end of the last frame
}

func (l *listener) hear(a stt.Audio) (out []stt.Result) {
	l.at = a.At + a.Duration()
	for len(l.known) > 1 && l.known[1][0].Start < l.at { // nobody asked for the end of the one before
		if r, ok := l.rest(); ok {
			out = append(out, r)
		}
		*l = listener{known: l.known[1:], at: l.at}
	}
	if len(l.known) > 0 && !l.open && a.Voice && l.known[0][0].Start < l.at {
		l.open = true
		out = append(out, stt.Result{Kind: stt.Onset, Start: l.known[0][0].Start, End: l.at})
	}
	if n := l.over(l.at - late); a.Voice && l.open && n > l.told && l.at-l.last >= everyWords {
		l.told, l.last = n, l.at
		out = append(out, l.result(stt.Partial, n))
	}
	if a.Flush {
		out = append(out, l.flush())
	}
	return out
}

// over is how many words of the utterance were over at t.
func (l *listener) over(t time.Duration) (n int) {
	for len(l.known) > 0 && n < len(l.known[0]) && l.known[0][n].End-tail <= t {
		n++
	}
	return n
}

func (l *listener) flush() stt.Result {
	n := l.over(l.at)
	if n == 0 || n == len(l.known[0]) && n == l.final && l.at-l.known[0][n-1].End > same {
		return stt.Result{Kind: stt.Final, Start: l.at, End: l.at}
	}
	l.told, l.final = n, n
	return l.result(stt.Final, n)
}

// rest is the Final that nobody asked for.
func (l *listener) rest() (stt.Result, bool) {
	n := l.over(l.at)
	return l.result(stt.Final, n), n > l.final
}

func (l *listener) result(k stt.Kind, n int) stt.Result {
	r := stt.Result{Kind: k, End: l.at}
	if n > 0 {
		r.Start, r.Words = l.known[0][0].Start, l.known[0][:n:n]
	}
	r.Text = text(r.Words)
	return r
}

func text(words []stt.Word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.Text)
	}
	return strings.Join(all, " ")
}
