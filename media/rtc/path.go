package rtc

import (
	"time"

	"parley/media"
)

// Path is a change of the network path between the two sides of a connected call.
type Path struct {
	At    time.Duration // on the session clock
	Up    bool
	Since time.Duration // when the last packet came before the path was lost; what was sent later probably did not arrive
}

// pathDepth is how many changes wait to be read.
const pathDepth = 8

// Paths are the changes of the network path: it is lost about two seconds after the last sign of the peer, or when
// ICE is restarted, and back when packets can flow again. Up to 8 wait to be read; then the oldest is forgotten. It
// ends with Run.
func (c *Call) Paths() media.Source[Path] { return media.From(c.signals.paths) }

// tell queues a change. Only Run calls it, so that after one was taken out there is room.
func (c *Call) tell(p Path) {
	select {
	case c.signals.paths <- p:
		return
	default:
	}
	select {
	case <-c.signals.paths:
	default: // a reader was faster
	}
	c.signals.paths <- p
}

// Alive notes a sign of life that came by another way than the media path: signaling. It puts off ErrVanished, but
// not beyond a minute after the path was lost. Patch, Reoffer and Accept are signs of life by themselves.
func (c *Call) Alive() { c.seen.alive.Store(int64(c.Now())) }
