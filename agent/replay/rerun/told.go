package rerun

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/agent"
	"parley/llm"
	"parley/tts"
)

// told is I2: what the model is told that the agent said is what was heard of its answers, in their order; of one that was
// interrupted the words that had been sent, and a mark. Older answers may have been left out.
func told(r Result) (bad []Violation) {
	k := knowledge{answers: map[int]*heard{}}
	for _, e := range r.Events {
		k.take(e)
		if e.Asked == nil {
			continue
		}
		order := k.order
		for _, m := range e.Asked.Messages {
			if m.Role != llm.Agent {
				continue
			}
			rest := ""
			if rest, order = spell(m.Text, order); rest != "" {
				bad = append(bad, Violation{"I2", e.At, e.Seq, fmt.Sprintf("the model is told that the agent said %q, of which %q was not heard", m.Text, rest)})
				break
			}
		}
	}
	return bad
}

// heard is what was heard of an answer.
type heard struct {
	turn    int
	phrases []string
	words   []tts.Word
	audio   time.Duration

	text string // empty as long as nothing is known
	cut  bool   // or a beginning of it: it was interrupted
}

// knowledge is what a log has told of answers so far.
type knowledge struct {
	answers map[int]*heard // by their numbers
	order   []*heard
}

func (k *knowledge) take(e agent.Event) {
	switch {
	case e.Asked != nil:
		h := &heard{turn: e.Turn}
		k.answers[e.Asked.Reply] = h
		k.order = append(k.order, h)
	case e.Kind == agent.Answer && e.Said.Done:
		for _, h := range slices.Backward(k.order) { // those before it of the same turn were prepared and thrown away
			if h.turn == e.Turn {
				h.text, h.cut = e.Said.Heard, e.Said.Interrupted
				break
			}
		}
	case e.Took != nil && k.answers[e.Took.Reply] != nil:
		k.answers[e.Took.Reply].take(e.Took)
	}
}

func (h *heard) take(t *agent.Taken) {
	switch t.Kind {
	case agent.Phrased:
		h.phrases = append(h.phrases, t.Text)
	case agent.Sounded:
		h.audio += t.Long
		h.words = append(h.words, t.Words...)
	case agent.Cut:
		h.text, h.cut = h.upTo(t.Long), true
	}
}

// upTo is the most that can have been heard when so much of the sound was sent.
func (h *heard) upTo(sent time.Duration) string {
	text := strings.Join(h.phrases, " ")
	if len(h.words) == 0 {
		if h.audio == 0 {
			return ""
		}
		return text[:min(len(text), int(float64(len(text))*float64(sent)/float64(h.audio)))]
	}
	n := 0
	for n < len(h.words) && (h.words[n].Start+h.words[n].End)/2 <= sent {
		n++
	}
	written := strings.Fields(text)
	if len(written) < len(h.words) { // the voice writes them otherwise
		written = written[:0]
		for _, w := range h.words {
			written = append(written, w.Text)
		}
	}
	return strings.Join(written[:n], " ")
}

const mark = " …"

// spell takes what was heard of the answers off the front of what the model is told, in their order; left is what of it was
// not heard, and next are the answers that may follow.
func spell(told string, answers []*heard) (left string, next []*heard) {
	for len(told) > 0 && len(answers) > 0 {
		h := answers[0]
		answers = answers[1:]
		if rest, ok := h.cutOff(told); ok {
			told = strings.TrimPrefix(rest, " ")
		}
	}
	return told, answers
}

// cutOff takes what was heard of one answer off the front.
func (h *heard) cutOff(told string) (rest string, ok bool) {
	if !h.cut {
		rest, ok = strings.CutPrefix(told, h.text)
		return rest, ok && h.text != ""
	}
	for from := 0; ; {
		i := strings.Index(told[from:], mark)
		if i < 0 {
			return "", false
		}
		if end := from + i; end > 0 && strings.HasPrefix(h.text, told[:end]) {
			return told[end+len(mark):], true
		}
		from += i + len(mark)
	}
}
