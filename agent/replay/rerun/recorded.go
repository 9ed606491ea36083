package rerun

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/media/record"
	"parley/tts"
)

// keyLag is how long after its packet a key may be logged.
const keyLag = 200 * time.Millisecond

// afterwards is how much longer than the recorded conversation one may last that is held again: its answers may come later.
const afterwards = 10 * time.Second

// Recorded makes a Stage of a recorded conversation: the caller's packets as they came, what else the caller did, and the
// engines as they answered, by what they are asked now. Otherwise speaks what the recorded voice did not; it may be nil. The
// detector gives the logged scores. Trouble says what of the record could not be read or made up for, and is no error; without packets or
// engines nothing can be held again.
//
// A recorded conversation goes on for a while after its end, because a turn that comes later has a right to its answer; one that the
// caller ended by hanging up ends where it did.
func Recorded(b *record.Bundle, otherwise tts.Voice) (s Stage, trouble error, err error) {
	c, bad := replay.Read(b)
	if c == nil {
		return Stage{}, nil, fmt.Errorf("hold %s again: %w", b.ID, bad)
	}
	tape, torn := cassette.Read(b)
	if tape == nil {
		return Stage{}, nil, fmt.Errorf("hold %s again: %w", b.ID, torn)
	}
	s = Stage{
		ID: b.ID, Start: b.Start, Codec: b.Codec, Events: b.Events, Profile: c.Profile, Length: c.Length + afterwards, from: &source{tape: tape},
	}
	s.Engines = Engines{
		Recognizer: tape.Recognizer(), Model: tape.Model(cassette.Nearest), Voice: tape.Voice(cassette.Nearest, otherwise),
		Detector: tape.Detector(), Finisher: tape.Finisher(s.from.now),
	}
	pressed, damaged := s.packets(b)
	if len(s.Up) == 0 {
		return Stage{}, nil, fmt.Errorf("hold %s again: %w", b.ID, errors.Join(errors.New("it has no packets of the caller"), damaged))
	}
	s.Inputs = inputs(c.Events, pressed)
	return s, errors.Join(bad, torn, damaged), nil
}

// packets takes the caller's packets, and returns when there were some that tell of keys.
func (s *Stage) packets(b *record.Bundle) (pressed []time.Duration, err error) {
	var bad []error
	for e, err := range b.Packets() {
		switch {
		case err != nil && len(bad) < 20:
			bad = append(bad, err)
		case err == nil && e.Kind == record.Up:
			p := e.Packet
			p.At = e.Now
			s.Up = append(s.Up, p)
			if s.Events != 0 && p.PT == s.Events {
				pressed = append(pressed, e.Now)
			}
		}
	}
	return pressed, errors.Join(bad...)
}

// inputs is what the caller did beside speaking. A key that a packet tells of is told by that packet again.
func inputs(log []agent.Event, pressed []time.Duration) (all []Timed) {
	for _, e := range log {
		in, ok := input(e)
		if !ok || in.Kind == agent.Key && byPacket(pressed, e.At) {
			continue
		}
		all = append(all, Timed{e.At, in})
	}
	return all
}

func byPacket(pressed []time.Duration, at time.Duration) bool {
	for _, p := range pressed {
		if lag := at - p; lag >= 0 && lag < keyLag {
			return true
		}
	}
	return false
}

// input is what came beside the audio. The logs of older builds tell only what the turn machine was given.
func input(e agent.Event) (in agent.Input, ok bool) {
	if e.Took != nil && e.Took.Kind == agent.Came && e.Took.Input != nil {
		return *e.Took.Input, true
	}
	if e.Kind == agent.End && strings.Contains(e.Text, agent.ErrHungUp.Error()) && e.Cause == 0 {
		return agent.Input{Kind: agent.HangUp}, true
	}
	if e.Step == nil || e.Cause != 0 { // that of a newer build
		return in, false
	}
	kinds := map[turn.InputKind]agent.InputKind{turn.Typed: agent.Typed, turn.Key: agent.Key, turn.Muted: agent.Mute, turn.PathLost: agent.PathLost, turn.PathBack: agent.PathBack}
	step := e.Step.In
	in = agent.Input{Kind: kinds[step.Kind], Text: step.Text, On: step.On, At: step.At}
	return in, in.Kind != ""
}

// Through is the stage with a network between the caller and it. Whether the path is lost is then found out anew, and the voice is: the
// sound is not what it was.
func (s Stage) Through(n Network, d vad.Detector) Stage {
	s.Network, s.Engines.Detector = &n, d
	var rest []Timed
	for _, in := range s.Inputs {
		if in.Kind != agent.PathLost && in.Kind != agent.PathBack {
			rest = append(rest, in)
		}
	}
	s.Inputs = rest
	return s
}
