package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley/agent/replay/whatif"
	"parley/agent/turn"
)

// stopWithin is how soon a caller who interrupts must be given way.
const stopWithin = 2 * time.Second

func sortMoments(all []whatif.Moment) {
	slices.SortStableFunc(all, func(a, b whatif.Moment) int { return cmp.Compare(a.Now, b.Now) })
}

// verdict is what became of an event.
type verdict struct {
	delay    time.Duration // from the last word to the commit; negative: there was none after it
	cut      bool          // the turn was taken in the inner silence, or while the caller spoke
	stop     time.Duration // from the caller's first sound to the agent's silence; negative: it never fell silent
	honored  bool          // the agent gave way within 2 s
	gaveWay  bool          // the agent gave way at all
	paused   time.Duration // how long it was silent before it went on
	prepared int           // answers that were thought ahead
}

// judge tells what a conversation's decisions mean for the event.
func (h *heardEvent) judge(steps []whatif.Step) verdict {
	v := verdict{delay: -1, stop: -1}
	held := time.Duration(-1)
	for _, s := range steps {
		for _, d := range s.Out {
			switch {
			case d.Kind == turn.Think:
				v.prepared++
			case d.Kind == turn.Commit && !h.agent:
				v.taken(s.Now, h.end)
			case h.agent:
				held = v.given(s.Now, h.begin, held, d.Kind)
			}
		}
	}
	if held >= 0 {
		v.paused += h.end + stopWithin - held
	}
	return v
}

// taken: the turn was taken as over.
func (v *verdict) taken(now, end time.Duration) {
	switch {
	case now < end:
		v.cut = true
	case v.delay < 0:
		v.delay = now - end
	}
}

// given: the agent paused, went on or gave way. Held is since when it pauses; negative: it does not.
func (v *verdict) given(now, begin, held time.Duration, k turn.DecisionKind) time.Duration {
	switch k {
	case turn.Hold:
		if v.stop < 0 {
			v.stop = now - begin
		}
		return now
	case turn.Resume:
		if held >= 0 {
			v.paused += now - held
		}
		return -1
	case turn.Interrupt:
		if !v.gaveWay {
			v.gaveWay, v.honored = true, now-begin <= stopWithin
		}
		return -1
	}
	return held
}

// setting is a configuration under a name.
type setting struct {
	name  string
	c     turn.Config
	blind bool   // the words do not count, only the sound
	raw   string // the JSON of c, if it was given so
}

// score runs all events under a setting.
func score(ctx context.Context, all []*heardEvent, s setting, takes time.Duration) ([]verdict, error) {
	out := make([]verdict, len(all))
	err := each(ctx, len(all), func(i int) error {
		out[i] = all[i].judge(whatif.Run(s.c, all[i].world(takes, s.blind)))
		return all[i].failed
	})
	return out, err
}

// tally is what a setting comes to. Every count has its number of events.
type tally struct {
	Name       string      `json:"name"`
	Config     turn.Config `json:"config"`
	SoundOnly  bool        `json:"soundOnly,omitempty"`
	Delay      quantiles   `json:"delay"`      // of finished sentences in quiet
	DelayAll   quantiles   `json:"delayAll"`   // of all turns that were not cut off
	Cut        share       `json:"cut"`        // inner pauses, quiet, each length as often
	CutShort   share       `json:"cutShort"`   // those of up to 0.8 s
	CutNoise   share       `json:"cutNoise"`   // inner pauses in noise
	CutWhole   share       `json:"cutWhole"`   // sentences into which no pause was put
	Unanswered share       `json:"unanswered"` // turns that were neither cut off nor taken within 3.5 s
	Between    share       `json:"between"`    // two sentences: taken as two turns
	Pauses     []share     `json:"pauses"`     // Cut by the length of the pause
	Honored    share       `json:"honored"`
	Stop       quantiles   `json:"stop"`
	False      []falseStop `json:"false"`
}

type falseStop struct {
	Row    string    `json:"row"`
	Stops  share     `json:"stops"`
	Held   share     `json:"held"` // the agent paused at all
	Paused quantiles `json:"paused"`
}

// share is a rate with its interval.
type share struct {
	K    int     `json:"k"`
	N    int     `json:"n"`
	Low  float64 `json:"low"` // Wilson, 95 %
	High float64 `json:"high"`
}

func shareOf(k, n int) share {
	low, high := wilson(k, n)
	return share{k, n, low, high}
}

func (s share) of() float64 { return float64(s.K) / float64(max(1, s.N)) }

func (s *share) add(yes bool) {
	if s.N++; yes {
		s.K++
	}
	*s = shareOf(s.K, s.N)
}

// quantiles of a set, in milliseconds.
type quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

func quantilesOf(f figures) quantiles {
	ms := func(p float64) float64 { return float64(f.at(p).Microseconds()) / 1000 }
	return quantiles{len(f), ms(50), ms(95), ms(100)}
}

// sum makes a tally of verdicts.
func sum(s setting, all []*heardEvent, verdicts []verdict) tally {
	t := tally{Name: s.name, Config: s.c.WithDefaults(), SoundOnly: s.blind, Pauses: make([]share, len(innerPauses))}
	var whole, any, stops figures
	held := map[string]*falseStop{}
	paused := map[string]figures{}
	for i, v := range verdicts {
		e := all[i]
		switch {
		case e.row == rowInterrupt:
			t.Honored.add(v.honored)
			if v.stop >= 0 {
				stops = append(stops, v.stop)
			}
			continue
		case e.agent:
			f := held[e.row]
			if f == nil {
				t.False = append(t.False, falseStop{Row: e.row})
				f = &falseStop{Row: e.row}
				held[e.row] = f
			}
			f.Stops.add(v.gaveWay)
			f.Held.add(v.stop >= 0)
			if v.stop >= 0 && !v.gaveWay {
				paused[e.row] = append(paused[e.row], v.paused)
			}
			continue
		}
		t.ends(e, v)
		if v.delay >= 0 && !v.cut {
			any = append(any, v.delay)
			if e.row == rowWhole {
				whole = append(whole, v.delay)
			}
		}
	}
	for i := range t.False {
		row := t.False[i].Row
		t.False[i] = *held[row]
		t.False[i].Paused = quantilesOf(paused[row])
	}
	t.Delay, t.DelayAll, t.Stop = quantilesOf(whole), quantilesOf(any), quantilesOf(stops)
	return t
}

// ends counts an event of a caller who has the floor.
func (t *tally) ends(e *heardEvent, v verdict) {
	pause := e.inner[1] - e.inner[0]
	switch {
	case e.row == rowTwo:
		t.Between.add(v.cut)
		return
	case pause == 0:
		t.CutWhole.add(v.cut)
	case e.row == rowPause:
		t.Cut.add(v.cut)
		if i := slices.IndexFunc(innerPauses, func(p time.Duration) bool { return p >= pause-time.Millisecond }); i >= 0 {
			t.Pauses[i].add(v.cut)
		}
		if pause <= innerPauses[2]+time.Millisecond {
			t.CutShort.add(v.cut)
		}
	default:
		t.CutNoise.add(v.cut)
	}
	t.Unanswered.add(v.delay < 0 && !v.cut)
}
