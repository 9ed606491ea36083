package replay

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/media/record"
)

// Notes write into a record what of a conversation is not media, as this package reads it. Their methods may be called from any
// goroutine and do not block.
type Notes struct {
	Writer *record.Writer

	mu     sync.Mutex
	line   bytes.Buffer  // the newest event as JSON
	scores uint64        // so far
	scored time.Duration // the newest
	tapes  uint64        // lines so far
}

// Event keeps an event, and what it tells of mutes and of the end-of-turn model. Events are given in their order.
func (n *Notes) Event(e agent.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Step != nil {
		switch in := e.Step.In; in.Kind {
		case turn.Muted:
			n.Writer.Mute(e.At, in.On)
		case turn.Finished:
			n.score(e.At, "finished", in.At, in.P)
		}
	}
	n.line.Reset()
	if json.NewEncoder(&n.line).Encode(e) == nil { // none of its types can fail
		n.Writer.Log(e.Seq, e.At, bytes.TrimSuffix(n.line.Bytes(), []byte("\n")))
	}
}

// Scores keeps what the voice detector heard.
func (n *Notes) Scores(now time.Duration, all []vad.Score) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range all {
		n.score(now, "voice", s.At, s.Voice)
	}
}

// score keeps a score. Two goroutines bring them: their times are put in order.
func (n *Notes) score(now time.Duration, name string, at time.Duration, value float32) {
	n.scores++
	n.scored = max(n.scored, now)
	n.Writer.Score(n.scores, n.scored, name, at, value)
}

// Tape keeps a line of what engines were asked and answered.
func (n *Notes) Tape(now time.Duration, line []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tapes++
	n.Writer.Tape(n.tapes, now, line)
}
