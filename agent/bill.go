package agent

import (
	"context"
	"errors"
	"time"

	"parley/internal/provider"
)

// Used is what one request to an engine used. Which fields count depends on the stage.
type Used struct {
	Stage      string        `json:"stage"`                // "stt", "llm" or "tts"
	Provider   string        `json:"provider"`             // its name
	Prompt     int           `json:"prompt,omitempty"`     // tokens
	Cached     int           `json:"cached,omitempty"`     // tokens, a part of Prompt
	Completion int           `json:"completion,omitempty"` // tokens
	Characters int           `json:"characters,omitempty"` // given to a voice
	Audio      time.Duration `json:"audio,omitempty"`      // given to a recognizer
	Guessed    bool          `json:"guessed,omitempty"`    // the engine did not tell its tokens
	Lost       bool          `json:"lost,omitempty"`       // of a start that another one overtook
	USD        float64       `json:"usd,omitempty"`        // by Session.Price
}

// Bill is a sum of what was used.
type Bill struct {
	Prompt     int           `json:"prompt,omitempty"`
	Cached     int           `json:"cached,omitempty"`
	Completion int           `json:"completion,omitempty"`
	Characters int           `json:"characters,omitempty"`
	Audio      time.Duration `json:"audio,omitempty"`
	USD        float64       `json:"usd,omitempty"`
	LostUSD    float64       `json:"lostUsd,omitempty"` // of USD: answers that were discarded, starts that were overtaken
	Requests   int           `json:"requests,omitempty"`
	Guessed    bool          `json:"guessed,omitempty"`   // some of it
	Discarded  bool          `json:"discarded,omitempty"` // Billed: of an answer that was prepared for nothing
}

// Add adds what a request used.
func (b *Bill) Add(u Used) {
	b.Prompt += u.Prompt
	b.Cached += u.Cached
	b.Completion += u.Completion
	b.Characters += u.Characters
	b.Audio += u.Audio
	b.USD += u.USD
	b.Requests++
	b.Guessed = b.Guessed || u.Guessed
	if u.Lost {
		b.LostUSD += u.USD
	}
}

// UsedOf is what a note of a stage tells, without a price.
func UsedOf(n provider.Note) Used {
	u := n.Used
	return Used{Stage: n.Stage, Provider: n.Provider, Prompt: u.Prompt, Cached: u.Cached, Completion: u.Completion, Characters: u.Characters, Audio: u.Audio,
		Guessed: u.Guessed, Lost: u.Lost}
}

// noting is ctx, under which the core is told what the engines use for a reply, and which take over for others.
func (l *loop) noting(ctx, call context.Context, reply int) context.Context {
	return provider.Noting(ctx, func(n provider.Note) {
		switch {
		case n.Used != nil:
			u := UsedOf(n)
			if l.Price != nil {
				u.USD = l.Price(u)
			}
			l.send(call, arrival{took: &Taken{Kind: Spent, Reply: reply, Used: &u}})
		case n.Failed != nil && n.Next != "": // what has no next is told by the stage's error
			l.send(call, failure(Moved, n.Stage, errors.New(n.Provider+" failed, "+n.Next+" goes on: "+n.Failed.Error())))
		}
	})
}

// spent takes what a request used.
func (c *core) spent(t *Taken) {
	c.bill.Add(*t.Used)
	if r := c.answers.find(t.Reply); r != nil {
		r.bill.Add(*t.Used)
	}
}

// billed tells what an answer used.
func (c *core) billed(r *answer) {
	if r.bill.Requests == 0 {
		return
	}
	if r.discarded {
		r.bill.Discarded = true
		c.bill.LostUSD += r.bill.USD - r.bill.LostUSD
		r.bill.LostUSD = r.bill.USD
	}
	c.emit(Event{Kind: Billed, Turn: r.turn, Measured: Measured{Bill: &r.bill}})
}

// afford ends a conversation that has used up what it may: the agent says goodbye once its answer is over.
func (c *core) afford() {
	if c.profile.Budget <= 0 || c.bill.USD < c.profile.Budget || c.view.leaving != 0 || c.answers.state() != "listening" {
		return
	}
	c.part(ErrBudget, c.profile.Goodbye)
}
