package replay

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/media"
	"parley/media/line"
	"parley/media/record"
)

// Tolerance is by how much a score may differ from the logged one: models are not bit-equal between processors.
const Tolerance = 0.02

// Rescored is how scores that were computed again compare with the logged ones.
type Rescored struct {
	Name      string          `json:"name"`      // "voice" or "finished"
	Scores    int             `json:"scores"`    // that were compared
	Missing   int             `json:"missing"`   // logged, but there is none now
	Most      float32         `json:"most"`      // greatest difference
	Different []ScoreDiffered `json:"different"` // those beyond the tolerance, at most 100
	Beyond    int             `json:"beyond"`    // how many these are
}

// ScoreDiffered is a score that is not what it was.
type ScoreDiffered struct {
	At  time.Duration `json:"at"`
	Was float32       `json:"was"`
	Is  float32       `json:"is"`
}

func (r *Rescored) compare(at time.Duration, was, is float32) {
	r.Scores++
	d := max(was-is, is-was)
	r.Most = max(r.Most, d)
	if d <= Tolerance {
		return
	}
	if r.Beyond++; r.Beyond <= 100 {
		r.Different = append(r.Different, ScoreDiffered{at, was, is})
	}
}

// Rescore decodes the caller's packets again, as they were taken, and has the models score the sound again: d the voice, f, which
// may be nil, the ends of turns. The logged scores decide in [Exact]; these are compared with them. What comes after a pause, a
// gap or damage of the packets is not compared.
func Rescore(b *record.Bundle, d vad.Detector, f vad.Finisher) ([]Rescored, error) {
	c, err := Read(b)
	if c == nil {
		return nil, fmt.Errorf("score %s again: %w", b.ID, err)
	}
	arrivals, err := uplink(b)
	if err != nil {
		return nil, fmt.Errorf("score %s again: %w", b.ID, err)
	}
	codec := b.Codec
	if codec == "" {
		codec = media.Opus
	}
	up, err := line.NewUp(line.UpOptions{Rate: media.ListenRate, Codec: codec, Events: b.Events})
	if err != nil {
		return nil, fmt.Errorf("score %s again: %w", b.ID, err)
	}
	voice := Rescored{Name: "voice"}
	e := examiner{finisher: f, questions: questions(c.Events), Rescored: Rescored{Name: "finished"}}
	logged := scored(b)
	var until time.Duration // of what was logged
	for at := range logged {
		until = max(until, at)
	}
	stream := d.Open()
	for frame := range up.Repeat(arrivals.all()) {
		scores, err := stream.Score(frame)
		if err != nil {
			return nil, fmt.Errorf("score %s again: %w", b.ID, err)
		}
		for _, s := range scores {
			if was, ok := logged[s.At]; ok {
				voice.compare(s.At, was, s.Voice)
				delete(logged, s.At)
			}
		}
		if err := e.hear(frame); err != nil {
			return nil, fmt.Errorf("score %s again: %w", b.ID, err)
		}
		if frame.At > until {
			break
		}
	}
	for at := range logged {
		if at <= arrivals.until {
			voice.Missing++
		}
	}
	if f == nil {
		return []Rescored{voice}, nil
	}
	return []Rescored{voice, e.Rescored}, nil
}

// scored are the logged scores of the detector by their place.
func scored(b *record.Bundle) map[time.Duration]float32 {
	all := map[time.Duration]float32{}
	for e := range b.Log() { // what cannot be read is missing
		if e.Kind == record.Score && e.Name == "voice" {
			all[e.At] = e.Value
		}
	}
	return all
}

// arrivals are what the line was given: packets, and the moments at which it waited no longer.
type arrivals struct {
	packets []media.Packet // of a tick its At only
	tick    []bool
	until   time.Duration
}

func uplink(b *record.Bundle) (*arrivals, error) {
	type item struct {
		packet media.Packet
		tick   bool
	}
	var all []item
	a, now := arrivals{until: b.Duration()}, time.Duration(0)
	for e, err := range b.Packets() {
		if err != nil {
			if d := (*record.Damage)(nil); !errors.As(err, &d) {
				return nil, err
			}
			a.until = min(a.until, now) // what follows it is not the same sound
			break
		}
		now = e.Now
		switch {
		case e.Kind == record.Up:
			all = append(all, item{packet: e.Packet})
		case e.Kind == record.Tick:
			all = append(all, item{media.Packet{At: e.Now}, true})
		case e.Kind == record.Gap && (e.Of == record.Up || e.Of == record.Tick):
			a.until = min(a.until, e.At)
		case e.Kind == record.Pause:
			a.until = min(a.until, e.Now)
		}
	}
	slices.SortStableFunc(all, func(x, y item) int { return cmp.Compare(x.packet.At, y.packet.At) })
	for _, i := range all {
		if i.packet.At <= a.until {
			a.packets, a.tick = append(a.packets, i.packet), append(a.tick, i.tick)
		}
	}
	return &a, nil
}

func (a *arrivals) all() iter.Seq2[time.Duration, *media.Packet] {
	return func(yield func(time.Duration, *media.Packet) bool) {
		for i := range a.packets {
			p := &a.packets[i]
			if a.tick[i] {
				p = nil
			}
			if !yield(a.packets[i].At, p) {
				return
			}
		}
	}
}

// question is one that the end-of-turn model was asked.
type question struct {
	Span         // of the sound that it heard
	p    float32 // what it said
}

// questions finds them in the log.
func questions(log []agent.Event) (all []question) {
	for _, e := range log {
		if e.Step != nil && e.Step.In.Kind == turn.Finished && e.Step.In.P >= 0 {
			all = append(all, question{Span{e.Step.In.Start, e.Step.In.At}, e.Step.In.P})
		}
	}
	return all
}

// examiner asks the end-of-turn model again.
type examiner struct {
	finisher  vad.Finisher
	questions []question
	frames    []media.Frame // of the last seconds
	Rescored
}

// longestTurn is what of a turn the model hears, as package agent has it.
const longestTurn = 8 * time.Second

func (e *examiner) hear(f media.Frame) error {
	if e.finisher == nil {
		return nil
	}
	for len(e.questions) > 0 && f.At >= e.questions[0].To {
		q := e.questions[0]
		e.questions = e.questions[1:]
		var pcm []int16
		for _, f := range e.frames {
			skip := min(len(f.PCM), max(0, int(((q.From-f.At)*media.ListenRate+time.Second/2)/time.Second)))
			if f.At < q.To {
				pcm = append(pcm, f.PCM[skip:]...)
			}
		}
		p, err := e.finisher.Finished(pcm)
		if err != nil {
			return err
		}
		e.compare(q.To, q.p, p)
	}
	f.PCM = slices.Clone(f.PCM)
	e.frames = append(e.frames, f)
	if len(e.frames) > 2*int(longestTurn/media.FrameDuration) {
		e.frames = append(e.frames[:0], e.frames[len(e.frames)/2:]...)
	}
	return nil
}
