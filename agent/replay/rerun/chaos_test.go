package rerun

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	llmfailover "parley/llm/failover"
	"parley/media"
	sttfailover "parley/stt/failover"
	"parley/tts"
	"parley/tts/cache"
	ttsfailover "parley/tts/failover"
)

// More of them: go test ./agent/replay/rerun -run TestChaos -chaos 10000
var (
	chaos      = flag.Int("chaos", 200, "conversations of TestChaos")
	chaosFirst = flag.Int("chaos-first", 0, "seed of the first")
)

// When the callers ask, and how: spoken or typed. Troubles are over long before the last turn.
const (
	between   = 16 * time.Second
	spokenFor = 1400 * ms
	hedgeWait = 800 * ms
)

var ways = []string{"stss", "tsts", "ttss", "sstt"}

func turnAt(i int) time.Duration { return time.Second + time.Duration(i)*between }

// disaster is what a seed makes up.
type disaster struct {
	seed   uint64
	way    string
	hedge  bool
	tells  bool // the voices tell their words' times
	again  bool // a model that is to go on with an answer says it all again
	cached bool // what the agent says of its own is remembered
	middle int
	all    []affliction
}

// affliction is a trouble of one kind of engine, of the first one or of both, from a turn to another.
type affliction struct {
	trouble
	kind     string
	both     bool
	from, to int // turns
}

func (a affliction) String() string {
	which := map[bool]string{true: "both", false: "the first"}[a.both]
	return fmt.Sprintf("%s of %s: %s in turns %d to %d", which, a.kind, a.name, a.from, a.to)
}

// at says whether it is there at a moment.
func (a affliction) at(t time.Duration) bool {
	from := turnAt(a.from) - 500*ms
	if a.from == 0 {
		from = 0
	}
	return t >= from && t < turnAt(a.to)+between-2*time.Second
}

// possible are all afflictions but those that end a conversation, which TestDeaf is about.
func possible() (all []affliction) {
	for _, tr := range troubles {
		for _, kind := range []string{"stt", "llm", "tts"} {
			for _, both := range []bool{false, true} {
				if a := (affliction{trouble: tr, kind: kind, both: both}); !a.deafens() {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// deafens: no recognizer is left, again and again.
func (a affliction) deafens() bool { return a.kind == "stt" && a.both && a.early && a.how == ends }

// drawnDisaster goes through all afflictions in turn; what else there is to it is drawn.
func drawnDisaster(seed uint64) disaster {
	rng := rand.New(rand.NewPCG(seed, 3))
	all := possible()
	n := uint64(len(all))
	d := disaster{
		seed: seed, way: ways[rng.IntN(len(ways))], hedge: (seed+seed/n)%3 == 0,
		tells: rng.IntN(2) == 0, again: rng.IntN(2) == 0, cached: rng.IntN(2) == 0, middle: 1 + rng.IntN(8),
	}
	first := all[seed%n]
	windows := [][2]int{{0, 0}, {1, 1}, {0, 1}}
	w := windows[rng.IntN(len(windows))]
	first.from, first.to = w[0], w[1]
	d.all = []affliction{first}
	d.cached = d.cached || first.kind == "tts" && first.both
	if second := all[rng.IntN(int(n))]; rng.IntN(4) == 0 && second.kind != first.kind && !second.both && !(first.both && first.how == hangs) {
		w = windows[rng.IntN(len(windows))]
		second.from, second.to = w[0], w[1]
		d.all = append(d.all, second)
	}
	return d
}

// length is how long the caller stays.
func (d disaster) length() time.Duration { return turnAt(len(d.way)-1) + 9*time.Second }

func (d disaster) String() string {
	return fmt.Sprintf("%s, hedge %v, times of words %v, all again %v, cache %v, after %d: %v", d.way, d.hedge, d.tells, d.again, d.cached, d.middle, d.all)
}

// ended is what came of a conversation.
type ended struct {
	Result
	ward *ward
	line []stretch
}

// callers are the packets of the ways to call, made once: they are never changed.
type callers map[string][]media.Packet

func newCallers(t testing.TB, ways ...string) callers {
	all := callers{}
	for _, way := range ways {
		var voice []span
		for i, how := range way {
			if how == 's' {
				voice = append(voice, span{turnAt(i), turnAt(i) + spokenFor})
			}
		}
		all[way] = caller(t, media.Opus, disaster{way: way}.length(), voice...)
	}
	return all
}

// hold holds the conversation in a bubble of its own.
func (d disaster) hold(t *testing.T, from callers) (e ended) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var begun time.Time
		e.ward = &ward{since: func() time.Duration { return time.Since(begun) }}
		engines, tend, fill := d.engines(t, func() bool { return begun.IsZero() }, e.ward)
		fill(ctx)
		begun = time.Now()
		var tending sync.WaitGroup
		for _, f := range tend {
			tending.Go(func() { f(ctx) })
		}
		s := Stage{
			ID: "chaos", Codec: media.Opus, Up: from[d.way], Length: d.length(), Engines: engines,
			Profile: agent.Profile{Greeting: "-", Sorry: sorryText, Pardon: pardonText, Turn: turn.Config{Silence: turn.Quiet{CheckIn: -1, GiveUp: -1}}},
		}
		for i, how := range d.way {
			if how == 't' {
				s.Inputs = append(s.Inputs, Timed{turnAt(i) + 3*ms, agent.Input{Kind: agent.Typed, Text: asks[i%len(asks)]}})
			}
		}
		r, err := s.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		e.Result = r
		stop()
		tending.Wait()
	})
	line, err := listened(e.Result)
	if err != nil {
		t.Error(err)
	}
	e.line = line
	return e
}

// engines are chains of two of each kind, as a server makes them. Before the beginning all are well; fill remembers what the
// agent says of its own then.
func (d disaster) engines(t testing.TB, before func() bool, w *ward) (e Engines, tend []func(context.Context), fill func(context.Context)) {
	hedge := time.Duration(0)
	if d.hedge {
		hedge = hedgeWait
	}
	sick := func(kind string, link int) patient {
		p := patient{link: link, middle: d.middle, log: w, sick: func() bool { return false }}
		for _, a := range d.all {
			if a.kind == kind && (link == 0 || a.both) {
				p.trouble, p.sick = a.trouble, func() bool { return !before() && a.at(w.since()) }
			}
		}
		return p
	}
	var ears []sttfailover.Link
	var minds []llmfailover.Link
	var mouths []ttsfailover.Link
	for i, name := range []string{"A", "B"} {
		ears = append(ears, sttfailover.Link{Name: name, Recognizer: sick("stt", i).recognizer(ear(d.said))})
		minds = append(minds, llmfailover.Link{Name: name, Model: sick("llm", i).model(mind{d.again})})
		mouths = append(mouths, ttsfailover.Link{Name: name, Voice: sick("tts", i).voice(mouth{d.tells})})
	}
	stts, err := sttfailover.New(sttfailover.Options{}, ears...)
	llms, err2 := llmfailover.New(llmfailover.Options{Hedge: hedge}, minds...)
	ttss, err3 := ttsfailover.New(ttsfailover.Options{Hedge: hedge}, mouths...)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	fill = func(context.Context) {}
	if d.cached {
		var first *cache.Voice
		ttss = ttss.Each(func(_ string, v tts.Voice) tts.Voice {
			c := cache.New(cache.Options{Voice: v, Texts: []string{sorryText, pardonText}})
			first = cmp.Or(first, c)
			return c
		})
		fill = func(ctx context.Context) {
			if err := first.Fill(ctx, slices.Concat(agent.Phrases(sorryText), agent.Phrases(pardonText))); err != nil {
				t.Error(err)
			}
		}
	}
	return Engines{Recognizer: stts, Model: llms, Voice: ttss, Detector: vad.Energy{}}, []func(context.Context){stts.Tend, llms.Tend, ttss.Tend}, fill
}

// said is what the caller says at a time.
func (d disaster) said(at time.Duration) string {
	for i := range d.way {
		if near := at - turnAt(i); near > -time.Second && near < spokenFor+time.Second {
			return asks[i%len(asks)]
		}
	}
	return ""
}

// turnOf is what was heard after turn i: up to the next.
func (e ended) turnOf(d disaster, i int) (after []stretch, said time.Duration) {
	said = turnAt(i)
	if d.way[i] == 's' {
		said += spokenFor
	}
	for _, s := range e.line {
		if s.from >= said && (i+1 == len(d.way) || s.from < turnAt(i+1)) {
			if n := len(after) - 1; n >= 0 && after[n].id == s.id {
				after[n].to, after[n].long = s.to, after[n].long+s.long
				continue
			}
			after = append(after, s)
		}
	}
	return after, said
}
