package serve

import (
	"time"

	"parley/media"
)

const (
	gapTold   = 300 * time.Millisecond  // of sound that should be here: with what was waited for it, half a second without a packet
	gapGiven  = 2500 * time.Millisecond // after which the path would be known to be lost, if it were
	gapNobody = -1                      // no gap
)

// gaps finds out from the caller's frames that nothing comes any more, a good while before the connection itself is sure:
// so that a short outage, or a change of networks, neither swallows what is said meanwhile nor counts as the caller's silence. A caller
// who simply stops sending looks the same; one who does so for long, while the path is alive, is not suspected again.
type gaps struct {
	since time.Duration // where the present gap begins; gapNobody
	told  bool
	off   bool
}

func newGaps() gaps { return gaps{since: gapNobody} }

// step takes a frame. Changed: the path is now taken to be lost since a moment, or there again. pathLost is what the
// connection knows.
func (g *gaps) step(f media.Frame, pathLost bool) (changed, lost bool, since time.Duration) {
	end := f.At + f.Duration()
	switch {
	case !f.Lost:
		changed, g.since, g.told = g.told, gapNobody, false
	case g.since == gapNobody:
		g.since = f.At
	case !g.told && !g.off && end-g.since >= gapTold:
		g.told = true
		return true, true, g.since
	case g.told && end-g.since >= gapGiven && !pathLost:
		g.told, g.off = false, true
		return true, false, 0
	}
	return changed, false, 0
}
