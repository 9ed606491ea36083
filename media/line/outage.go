package line

import (
	"time"

	"parley/media"
)

const (
	outageTold  = 300 * time.Millisecond  // of sound that should be here: with what was waited for it, half a second without a packet
	outageGiven = 2500 * time.Millisecond // after which the path would be known to be lost, if it were
)

// Outage finds out from the caller's frames that nothing comes any more, a good while before the connection itself is sure:
// so that a short outage, or a change of networks, neither swallows what is said meanwhile nor counts as the caller's silence. A caller
// who simply stops sending looks the same; one who does so for long, while the path is alive, is not suspected again. The zero value
// has heard nothing yet.
type Outage struct {
	since time.Duration // where the present gap begins
	gap   bool
	told  bool
	off   bool
}

// Step takes a frame. Changed: the path is now taken to be lost since a moment, or there again. pathLost is what the
// connection knows.
func (o *Outage) Step(f media.Frame, pathLost bool) (changed, lost bool, since time.Duration) {
	end := f.At + f.Duration()
	switch {
	case !f.Lost:
		changed, o.gap, o.told = o.told, false, false
	case !o.gap:
		o.gap, o.since = true, f.At
	case !o.told && !o.off && end-o.since >= outageTold:
		o.told = true
		return true, true, o.since
	case o.told && end-o.since >= outageGiven && !pathLost:
		o.told, o.off = false, true
		return true, false, 0
	}
	return changed, false, 0
}
