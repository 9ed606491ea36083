package rerun

import (
	"iter"
	"time"

	"parley/agent"
	"parley/media"
)

const (
	gapTold   = 300 * time.Millisecond  // of sound that should be here before the path is taken to be lost
	gapGiven  = 2500 * time.Millisecond // after which a connection would know that it is lost, if it were
	gapNobody = -1                      // no gap
)

// gaps finds out from the caller's frames that nothing comes any more, by the rule of a server (cmd/parley/serve), whose
// connection is still sure of itself.
type gaps struct {
	since time.Duration // where the present gap begins; gapNobody
	told  bool
	off   bool
}

func newGaps() gaps { return gaps{since: gapNobody} }

// step takes a frame. Changed: the path is now taken to be lost since a moment, or there again.
func (g *gaps) step(f media.Frame) (changed, lost bool, since time.Duration) {
	end := f.At + f.Duration()
	switch {
	case !f.Lost:
		changed, g.since, g.told = g.told, gapNobody, false
	case g.since == gapNobody:
		g.since = f.At
	case !g.told && !g.off && end-g.since >= gapTold:
		g.told = true
		return true, true, g.since
	case g.told && end-g.since >= gapGiven:
		g.told, g.off = false, true
		return true, false, 0
	}
	return changed, false, 0
}

// path tells a conversation when the path to the caller is lost and back. It belongs to the uplink.
type path struct {
	off   bool // the log of the conversation tells it
	gaps  gaps
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
	if changed, lost, since := p.gaps.step(f); changed {
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
