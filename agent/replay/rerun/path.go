package rerun

import (
	"iter"
	"time"

	"parley/agent"
	"parley/media"
	"parley/media/line"
)

// path tells a conversation when the path to the caller is lost and back. It belongs to the uplink.
type path struct {
	off   bool // the log of the conversation tells it
	gaps  line.Outage
	lost  bool // by the frames
	since time.Duration
	told  bool // the conversation takes it for lost
	tell  func(agent.Input) bool
	now   func() time.Duration
}

// follow looks at frames on their way.
func (p *path) follow(in iter.Seq[media.Frame]) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		for f := range in {
			p.look(f)
			if !yield(f) {
				return
			}
		}
	}
}

func (p *path) look(f media.Frame) {
	if p.off {
		return
	}
	if changed, lost, since := p.gaps.Step(f, false); changed {
		p.lost, p.since = lost, since
	}
	if p.lost == p.told {
		return
	}
	in := agent.Input{Kind: agent.PathBack}
	if p.lost {
		in = agent.Input{Kind: agent.PathLost, At: p.since}
	}
	if p.tell(in) { // without room the next frame tries again
		p.told = p.lost
	}
}
