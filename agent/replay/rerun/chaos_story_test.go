package rerun

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/agent"
	"parley/internal/provider"
)

// Whatever fails for a while in chains of two engines of each kind, every turn is answered, or an apology is heard.
func TestChaos(t *testing.T) {
	n := *chaos
	if testing.Short() {
		n = min(n, 30)
	}
	from := newCallers(t, ways...)
	late := delays{well: map[string][]turnHeard{}}
	t.Run("well", func(t *testing.T) {
		for _, way := range ways {
			for _, hedge := range []bool{false, true} {
				d := disaster{way: way, hedge: hedge}
				e := d.hold(t, from)
				e.check(t, d)
				late.well[d.key()] = e.turns(d)
			}
		}
	})
	t.Run("ill", func(t *testing.T) {
		for seed := *chaosFirst; seed < *chaosFirst+n; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				d := drawnDisaster(uint64(seed))
				e := d.hold(t, from)
				e.check(t, d)
				if t.Failed() {
					t.Log(d)
				}
				late.add(d, e)
			})
		}
	})
	late.log(t)
}

func (d disaster) key() string { return fmt.Sprint(d.way, d.hedge) }

func (e ended) turns(d disaster) (all []turnHeard) {
	for i := range d.way {
		all = append(all, e.turn(d, i))
	}
	return all
}

// delays are how much later than without the trouble a turn that met one was answered by the other engine.
type delays struct {
	well map[string][]turnHeard

	mu    sync.Mutex
	most  [2]time.Duration           // until anything was heard after a turn: while one engine of each kind works, and while none of one does
	first map[string][]time.Duration // until it was heard, by the trouble
	last  map[string][]time.Duration // until all of it was
}

func (l *delays) add(d disaster, e ended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first, l.last = map[string][]time.Duration{}, map[string][]time.Duration{}
	}
	for i, h := range e.turns(d) {
		there, was := d.during(i), l.well[d.key()][i]
		if len(h.after) == 0 {
			continue
		}
		none := 0
		if slices.ContainsFunc(there, func(a affliction) bool { return a.both }) {
			none = 1
		}
		l.most[none] = max(l.most[none], h.first())
		if len(there) != 1 || there[0].both || !h.whole || !e.met(d, i, there[0].kind) {
			continue
		}
		key := fmt.Sprintf("%s %-17s hedge %v", there[0].kind, there[0].stage(), d.hedge)
		l.first[key] = append(l.first[key], h.answered()-was.answered())
		l.last[key] = append(l.last[key], h.last()-was.last())
	}
}

// met says whether turn i met the trouble of the first engine of a kind.
func (e ended) met(d disaster, i int, kind string) bool {
	h := e.turn(d, i)
	if kind == "stt" && d.way[i] != 's' {
		return false
	}
	from, to := h.said-2*time.Second, h.said+h.last()
	return e.moves(kind, from, to) > 0 || slices.ContainsFunc(e.ward.hits, func(v visit) bool {
		return v.kind == kind && v.link == 0 && v.at >= from && v.at < to
	})
}

// stage is where a trouble meets an answer.
func (tr trouble) stage() string {
	switch {
	case tr.how == ends && tr.early:
		return "fails at first"
	case tr.how == ends:
		return "breaks off"
	case tr.how == hangs && tr.early:
		return "hangs at first"
	case tr.how == hangs:
		return "hangs in the middle"
	}
	return tr.name
}

func (l *delays) log(t *testing.T) {
	t.Logf("the longest until anything is heard: %v while one of each kind works, %v while none of one does", l.most[0], l.most[1])
	var keys []string
	for k := range l.first {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	middle := func(all []time.Duration) time.Duration { slices.Sort(all); return all[len(all)/2].Round(10 * ms) }
	for _, k := range keys {
		t.Logf("%-36s first sound %6v later, last %6v (medians of %d turns)", k, middle(l.first[k]), middle(l.last[k]), len(l.first[k]))
	}
}

// troubles are what is told of an engine's.
func (e ended) troubles(code string) (all []string) {
	for _, ev := range e.Events {
		if ev.Kind == agent.Trouble && ev.Code == code {
			all = append(all, ev.Text)
		}
	}
	return all
}

// When both voices are down from the beginning that is told, the conversation goes on, and what was spoken ahead is still heard.
func TestMute(t *testing.T) {
	from := newCallers(t, "stss")
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprint("cache ", cached), func(t *testing.T) {
			d := disaster{way: "stss", cached: cached, all: []affliction{{trouble: troubles[0], kind: "tts", both: true, from: 0, to: 1}}}
			e := d.hold(t, from)
			for i, h := range e.turns(d) {
				if down := i < 2; h.whole == down || h.sorry != (down && cached) {
					t.Errorf("turn %d: heard is %v", i, h.after)
				}
			}
			if len(e.troubles("tts")) < 2 || !errors.Is(e.End, agent.ErrAudioEnd) {
				t.Errorf("told was %q, and it ended for %v", e.troubles("tts"), e.End)
			}
		})
	}
}

// An engine that was down for three turns serves again soon after it is back.
func TestBack(t *testing.T) {
	const way = "sssssssss"
	from := newCallers(t, way)
	for _, kind := range []string{"stt", "llm", "tts"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := disaster{way: way, tells: true, all: []affliction{{trouble: trouble{"down", true, provider.ErrUnavailable, ends}, kind: kind, from: 0, to: 2}}}
			e := d.hold(t, from)
			for i := range way {
				if h := e.turn(d, i); !h.whole || h.sorry || len(h.doubts) > 0 {
					t.Errorf("turn %d: heard is %v", i, h.after)
				}
				link := e.ward.last(kind, turnAt(i), turnAt(i+1))
				if i < 3 && link != 1 || i >= 6 && link != 0 {
					t.Errorf("turn %d is served by engine %d", i, link)
				}
			}
			if moves := e.moves(kind, 0, e.Length); moves == 0 {
				t.Error("it is not told that the other took over")
			}
		})
	}
}
