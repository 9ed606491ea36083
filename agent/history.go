package agent

import (
	"strings"

	"parley/llm"
)

// history is what was said, turn by turn. Only the loop touches it.
type history struct {
	turns []exchange
	limit int // characters that a request may hold
}

type exchange struct {
	turn  int
	user  string
	agent Said
	done  bool // the answer has ended
}

// ask begins a turn. A turn that was committed too early, and whose answer was never heard, becomes part
// of this one: the turn that it was is returned, else 0.
func (h *history) ask(turn int, user string) (united int) {
	if n := len(h.turns); n > 0 && user != "" {
		if last := h.turns[n-1]; last.user != "" && last.agent.Heard == "" && (last.agent.Interrupted || !last.done) {
			user = unite(last.user, user)
			h.turns = h.turns[:n-1]
			united = last.turn
		}
	}
	h.turns = append(h.turns, exchange{turn: turn, user: user})
	return united
}

// asked is what the caller said in the last turn.
func (h *history) asked() string { return h.turns[len(h.turns)-1].user }

// unite joins what belongs together, whether or not the later text repeats the earlier.
func unite(earlier, later string) string {
	if e := strings.TrimRight(earlier, ".?!, "); len(later) >= len(e) && strings.EqualFold(later[:len(e)], e) {
		return later
	}
	return earlier + " " + later
}

// answer notes how the answer of a turn went.
func (h *history) answer(turn int, s Said) {
	for i := range h.turns {
		if h.turns[i].turn == turn {
			h.turns[i].agent, h.turns[i].done = s, true
		}
	}
}

// trim lets the older half leave at once when the history outgrows its limit, so that the beginning of
// the model's requests stays the same for many turns.
func (h *history) trim() {
	for h.size() > h.limit && len(h.turns) > 2 {
		h.turns = append(h.turns[:0:0], h.turns[len(h.turns)/2:]...)
	}
}

// messages is what the model is told: the caller's words and what the caller heard.
func (h *history) messages() []llm.Message {
	var out []llm.Message
	add := func(role llm.Role, text string) {
		if text == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].Role == role {
			out[n-1].Text += " " + text
			return
		}
		out = append(out, llm.Message{Role: role, Text: text})
	}
	for _, t := range h.turns {
		add(llm.User, t.user)
		heard := t.agent.Heard
		if t.agent.Interrupted && heard != "" {
			heard += " …"
		}
		add(llm.Agent, heard)
	}
	return out
}

func (h *history) size() (n int) {
	for _, t := range h.turns {
		n += len(t.user) + len(t.agent.Heard)
	}
	return n
}
