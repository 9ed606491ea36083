package failover

import (
	"context"
	"sync/atomic"
	"time"

	"parley/internal/provider"
)

// use is the audio that a recognizer was given and of which was not told. Safe for concurrent use.
type use struct{ audio atomic.Int64 }

func (u *use) add(d time.Duration) { u.audio.Add(int64(d)) }

// tell tells of it if it is more than least, or that much if that is not zero.
func (u *use) tell(ctx context.Context, name string, least time.Duration) {
	d := time.Duration(u.audio.Load())
	if d < least || d == 0 || !u.audio.CompareAndSwap(int64(d), 0) {
		return
	}
	provider.Tell(ctx, provider.Note{Stage: "stt", Provider: name, Used: &provider.Usage{Audio: d}})
}
