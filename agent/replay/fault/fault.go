// Package fault is engines that fail: it wraps a recognizer, a model or a voice so that some of its calls go wrong in one way,
// as a provider's do. What goes wrong is seen at the contract only, so any engine may be inside, a recorded one among them.
//
// Which calls are hit is told by a hash of the seed, the engine and the call's number, never drawn: a seed gives the same
// failures in whatever order engines are called. The second call is always hit, so that the shortest conversation meets its
// fault and is well before and, mostly, after. The calls of a recognizer, which is called once a conversation, are its Finals.
//
// A faulty engine keeps the rules of package stt but those that its fault is about: the end of ctx ends it, with its cause,
// also while it is slow or stalls, and when its loop is left, so is that of the engine inside.
package fault

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"parley/internal/provider"
)

// ErrUnknown says that no fault has that name. Its text has those that there are.
var ErrUnknown = errors.New("no such fault")

// errLeft says that the consumer left the loop.
var errLeft = errors.New("the loop was left")

// Fault is one way to fail. Named makes them; Seed, Share and Wait may be changed before engines are wrapped.
type Fault struct {
	Name    string
	About   string   // what happens, for people
	Engines []string // those concerned, of "stt", "llm" and "tts": the others are left as they are

	Seed  uint64
	Share float64       // of the calls beside the second that are hit too: 0 none, 1 all
	Wait  time.Duration // how late what is late comes, and how long a stall lasts
}

// The engines' names.
const (
	hears  = "stt"
	thinks = "llm"
	speaks = "tts"
)

const share = 0.25

// all are the faults, as Named gives them.
var all = []Fault{
	{"slow-first-byte", "the first that comes of an answer, a speech, and a Final are 3 s late", []string{hears, thinks, speaks}, 0, share, 3 * time.Second},
	{"stalled-stream", "in the middle nothing comes any more; after 15 s the provider is given up", []string{hears, thinks, speaks}, 0, share, 15 * time.Second},
	{"cut-stream", "the connection breaks in the middle", []string{hears, thinks, speaks}, 0, share, 0},
	{"401", "the key is not accepted", []string{hears, thinks, speaks}, 0, share, 0},
	{"429", "the quota is used up", []string{hears, thinks, speaks}, 0, share, 0},
	{"500", "the provider fails at once", []string{hears, thinks, speaks}, 0, share, 0},
	{"malformed-chunk", "broken characters, impossible times and rates, then an error", []string{hears, thinks, speaks}, 0, share, 0},
	{"late-final", "a Final is 1.5 s late and comes twice", []string{hears}, 0, share, 1500 * time.Millisecond},
	{"empty-answer", "the model ends without a word, a Final has none", []string{hears, thinks}, 0, share, 0},
	{"runaway-answer", "the model does not come to an end: 2000 words more", []string{thinks}, 0, share, 0},
}

// Named is the fault of that name, or ErrUnknown.
func Named(name string) (Fault, error) {
	for _, f := range all {
		if f.Name == name {
			f.Engines = slices.Clone(f.Engines)
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("%q: %w; there are %s", name, ErrUnknown, strings.Join(Names(), ", "))
}

// Names are the faults' names.
func Names() (names []string) {
	for _, f := range all {
		names = append(names, f.Name)
	}
	return names
}

// Hits tells whether a call of an engine ("stt", "llm", "tts"), counted from 1, is hit.
func (f Fault) Hits(engine string, call int) bool {
	return slices.Contains(f.Engines, engine) && (call == 2 || f.roll(engine, call, "hit") < f.Share)
}

// roll is a number from 0 to 1 (never 1) that belongs to a call and a purpose: FNV-1a, stirred by the finalizer of splitmix64
// (Steele 2014), because FNV alone leaves the high bits of short texts alike.
func (f Fault) roll(engine string, call int, purpose string) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d %s", f.Seed, engine, call, purpose)
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

// middle is how many items come before a stream breaks: 1 to 4.
func (f Fault) middle(engine string, call int) int { return 1 + int(4*f.roll(engine, call, "middle")) }

// err is what the fault's calls end with.
func (f Fault) err() error {
	e := &provider.Error{Text: "injected by the fault " + f.Name}
	switch f.Name {
	case "stalled-stream":
		return &provider.Timeout{What: "more of the answer", After: f.Wait}
	case "cut-stream":
		e.Class = provider.ErrTruncated
	case "401":
		e.Class, e.Status = provider.ErrAuth, 401
	case "429":
		e.Class, e.Status, e.RetryAfter = provider.ErrQuota, 429, time.Second
	case "500":
		e.Class, e.Status = provider.ErrUnavailable, 500
	default:
		e.Class = provider.ErrUnavailable
	}
	return e
}

// atOnce is whether the fault's calls end before they begin.
func (f Fault) atOnce() bool { return f.Name == "401" || f.Name == "429" || f.Name == "500" }

// fails is the fault's error, or the cause of ctx if that has ended.
func (f Fault) fails(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return f.err()
}

// wait waits for d, or for the end of ctx, whose cause it returns.
func wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// broken is a text as no provider should send it: no UTF-8, controls, an override of the writing's direction.
const broken = "\xff\xfe\x00\x1b[2J\u202e\xc3"
