package bench

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"parley/agent"
	"parley/media"
	"parley/stt"
)

// parrot knows what the agent says, and when it was sent: what a recognizer would hear in its echo.
type parrot struct {
	v *vocabulary

	mu    sync.Mutex
	reply int
	said  []string // of the reply
	marks []sentMark
}

// sentMark says how much of a reply had been sent at a moment.
type sentMark struct {
	at, sent time.Duration
	reply    int
}

// follow takes what the conversation tells of its answers.
func (p *parrot) follow(e agent.Event) {
	if e.Took == nil || p.v == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch t := e.Took; t.Kind {
	case agent.Phrased:
		if t.Reply != p.reply {
			p.reply, p.said, p.marks = t.Reply, nil, nil
		}
		p.said = append(p.said, strings.Fields(t.Text)...)
	case agent.Heard:
		if t.Reply == p.reply {
			p.marks = append(p.marks, sentMark{e.At, t.Long, t.Reply})
		}
	}
}

// sent is how much of the reply had been sent at a moment.
func (p *parrot) sent(at time.Duration) (sent time.Duration) {
	for _, m := range p.marks {
		if m.at <= at {
			sent = m.sent
		}
	}
	return sent
}

// words are those whose middle was sent between two moments, but at least one.
func (p *parrot) words(from, to time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, middles := p.v.ends(strings.Join(p.said, " "))
	first, last := p.sent(from), p.sent(to)
	var heard []string
	for i, m := range middles {
		if m >= first && (m <= last || len(heard) == 0) {
			heard = append(heard, p.said[i])
		}
	}
	return strings.Join(heard, " ")
}

// hearing gives these words where r hears anything.
func (p *parrot) hearing(r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				if res.Text != "" {
					res.Text = p.words(res.Start, res.End)
				}
				if !yield(res, err) {
					return
				}
			}
		}
	})
}
