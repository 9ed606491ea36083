package rec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"parley/agent/replay"
	"parley/media/record"
)

// transcript is what was said in a recording, as transcript.json has it. Times are in seconds.
type transcript struct {
	ID      string      `json:"id"`
	Start   time.Time   `json:"start"`
	Length  float64     `json:"length"`
	Ended   string      `json:"ended,omitempty"` // why
	Said    []utterance `json:"said"`
	NotKept []stretch   `json:"notKept,omitempty"`
}

type utterance struct {
	Turn  int     `json:"turn"`
	Who   string  `json:"who"` // "caller" or "agent"
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Text  string  `json:"text"`
	Cut   bool    `json:"interrupted,omitempty"`
	Words []word  `json:"words,omitempty"` // none: it was typed
}

type word struct {
	Text    string  `json:"text"`
	From    float64 `json:"from"`
	To      float64 `json:"to"`
	Guessed bool    `json:"guessed,omitempty"` // by its letters: the engine gave no times
}

type stretch struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Why  string  `json:"why"`
}

// said is the transcript of a conversation.
func said(c *replay.Conversation) []utterance {
	out := []utterance{}
	for _, u := range c.Utterances() {
		v := utterance{Turn: u.Turn, Who: who(u), From: u.From.Seconds(), To: u.To.Seconds(), Text: u.Text, Cut: u.Cut}
		for _, w := range u.Words {
			v.Words = append(v.Words, word{w.Text, w.From.Seconds(), w.To.Seconds(), w.Guessed})
		}
		out = append(out, v)
	}
	return out
}

func who(u replay.Utterance) string {
	if u.Agent {
		return "agent"
	}
	return "caller"
}

// writeTranscript writes what can be read of what was said.
func writeTranscript(b *record.Bundle, out io.Writer) error {
	c, err := replay.Read(b)
	if c == nil {
		return err
	}
	t := transcript{ID: c.ID, Start: c.Start, Length: c.Length.Seconds(), Ended: c.Ended, Said: said(c)}
	for _, h := range c.Holes {
		t.NotKept = append(t.NotKept, stretch{h.From.Seconds(), h.To.Seconds(), h.Why})
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", " ")
	return enc.Encode(t)
}

// writeCaptions writes what can be read of what was said as WebVTT.
func writeCaptions(b *record.Bundle, out io.Writer) error {
	c, err := replay.Read(b)
	if c == nil {
		return err
	}
	return c.WebVTT(out)
}

// remark is a line of a transcript that is read.
type remark struct {
	at   time.Duration
	who  string
	text string
}

// width is how many columns a transcript takes.
const width = 100

// recite writes the transcript for people: who said what when, what the agent paused for, what went wrong, what is missing.
func recite(out io.Writer, c *replay.Conversation) error {
	var all []remark
	for _, u := range c.Utterances() {
		text := u.Text
		if u.Cut {
			text += " —"
		}
		all = append(all, remark{u.From, who(u), text})
	}
	for _, t := range c.Turns {
		for _, h := range t.Holds {
			all = append(all, remark{h.From, "", fmt.Sprintf("(%s: the agent paused for %.1f s; %s)", h.Why, (h.To - h.From).Seconds(), became(h))})
		}
		for _, w := range t.Troubles {
			all = append(all, remark{w.At, "", fmt.Sprintf("(trouble, %s: %s)", w.Code, w.Text)})
		}
	}
	for _, h := range c.Holes {
		all = append(all, remark{h.From, "", fmt.Sprintf("(until %s not kept: %s)", Clock(h.To), h.Why)})
	}
	slices.SortStableFunc(all, func(a, b remark) int { return cmp.Compare(a.at, b.at) })
	if c.Ended != "" {
		all = append(all, remark{c.Length, "", "(" + c.Ended + ")"})
	}
	for _, r := range all {
		head := fmt.Sprintf("%9s  %-6s  ", Clock(r.at), r.who)
		for _, line := range Wrap(r.text, width-len(head)) {
			if _, err := fmt.Fprintf(out, "%s%s\n", head, line); err != nil {
				return fmt.Errorf("write transcript: %w", err)
			}
			head = strings.Repeat(" ", len(head))
		}
	}
	return nil
}

// became is a hold's outcome.
func became(h replay.Hold) string {
	switch h.Outcome {
	case "resume":
		return "it went on: " + h.Because
	case "interrupt":
		return "it gave way: " + h.Because
	}
	return "the answer ended"
}
