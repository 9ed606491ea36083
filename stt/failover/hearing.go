package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"parley/internal/provider"
	"parley/internal/provider/chain"
	"parley/media"
	"parley/stt"
)

// How long a call stays away from a recognizer that it has left: twice as long each time.
const (
	awayLeast = 10 * time.Second
	awayMost  = 10 * time.Minute
)

// toldEvery is after how much audio it is told that it was used.
const toldEvery = time.Minute

// hearing is one call to Recognize.
type hearing struct {
	*Chain
	*chain.Call
	yield func(stt.Result, error) bool
	gone  bool // the consumer has left the loop
	tape  *tape
	told  told
	left  []leaving // by the number of the recognizer
}

// leaving is when a call left a recognizer.
type leaving struct {
	at   time.Time
	away time.Duration // so long it stays away
}

// back is why a recognizer is left that has not failed: one that is preferred works again.
type back struct{ to int }

func (b *back) Error() string { return "a preferred recognizer works again" }

// read puts the input on the tape.
func (h *hearing) read(ctx context.Context, in media.Source[stt.Audio]) {
	for a := range in(ctx) {
		if !h.tape.put(ctx, a) {
			return
		}
	}
	if ctx.Err() == nil {
		h.tape.end()
	}
}

func (h *hearing) hear(ctx context.Context) error {
	for i := h.Next(); i >= 0; {
		err := h.attempt(ctx, i)
		var better *back
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &better):
			h.o.Logger.Info("provider is preferred again", "stage", "stt", "provider", h.Names[better.to], "instead", h.Names[i])
			provider.Tell(ctx, provider.Note{Stage: "stt", Provider: h.Names[i], Next: h.Names[better.to]})
			i = better.to
		default:
			away := min(max(2*h.left[i].away, awayLeast), awayMost)
			h.left[i] = leaving{time.Now(), away}
			h.Failed(ctx, i, err)
			i = h.Next()
		}
	}
	return h.Err()
}

// attempt yields what recognizer i hears from the first frame of the tape on; an error says that it failed, or that it is
// left for a better one. It is nil also when the consumer left.
func (h *hearing) attempt(ctx context.Context, i int) error {
	own, watch := provider.NewWatch(ctx, 0)
	defer watch.Stop()
	own, leave := context.WithCancelCause(own)
	defer leave(nil)
	use := &use{}
	defer func() { use.tell(ctx, h.Names[i], 0) }()
	if h.gone = !h.told.begin(h.yield); h.gone {
		return nil
	}
	h.tape.begin(watch, func() bool { // is called for every frame while nothing is owed
		k := h.better(i)
		if k >= 0 {
			leave(&back{k})
		}
		return k >= 0
	})
	defer h.tape.stop()
	for r, err := range h.recognizers[i].Recognize(own, h.source(ctx, i, use)) {
		if err != nil {
			return reason(own, err)
		}
		h.tape.hold(true)
		if !h.take(i, r) {
			h.gone = true
			return nil
		}
		h.tape.hold(false)
	}
	if own.Err() == nil && h.tape.over() {
		h.Worked(i)
		return nil
	}
	return reason(own, fmt.Errorf("it ended before the audio, or without a Final: %w", provider.ErrTruncated))
}

// reason is why a call under ctx has ended with err.
func reason(ctx context.Context, err error) error {
	var late *provider.Timeout
	var better *back
	if cause := context.Cause(ctx); errors.As(cause, &late) || errors.As(cause, &better) {
		return cause
	}
	return err
}

// better is the first recognizer before i that may be asked again; negative if none may.
func (h *hearing) better(i int) int {
	for k, b := range h.Breakers[:i] {
		if l := h.left[k]; b.Closed() && (l.away == 0 || time.Since(l.at) >= l.away) {
			return k
		}
	}
	return -1
}

// take gives a result of recognizer i to the consumer; false when he has left.
func (h *hearing) take(i int, r stt.Result) bool {
	answer := r.Kind == stt.Final && h.tape.final(r.End)
	if answer {
		h.Worked(i)
	}
	for _, r := range h.told.take(r, answer) {
		if !h.yield(r, nil) {
			return false
		}
	}
	return true
}

// source is the tape as recognizer i hears it.
func (h *hearing) source(ctx context.Context, i int, u *use) media.Source[stt.Audio] {
	return func(own context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			var pcm []int16
			for {
				a, ok := h.tape.next(own, pcm)
				if !ok {
					return
				}
				pcm = a.PCM
				u.add(a.Duration())
				u.tell(ctx, h.Names[i], toldEvery)
				if !yield(a) {
					return
				}
			}
		}
	}
}
