package caller

import (
	"slices"
	"time"
)

// recent is how long ago an audible packet may be for the agent to be speaking now.
const recent = 40 * time.Millisecond

// FirstAudible is the first audible packet that came after a time.
func FirstAudible(heard []Packet, after time.Duration) (Packet, bool) {
	i := slices.IndexFunc(heard, func(p Packet) bool { return p.At > after && p.Level > Audible })
	if i < 0 {
		return Packet{}, false
	}
	return heard[i], true
}

// LastAudible is the last audible packet that came from from to until.
func LastAudible(heard []Packet, from, until time.Duration) (last Packet, ok bool) {
	for _, p := range heard {
		if p.At >= from && p.At <= until && p.Level > Audible {
			last, ok = p, true
		}
	}
	return last, ok
}

// Turn is what the agent did about one thing said. A duration is negative if there is none.
type Turn struct {
	Response time.Duration // last audible packet sent → first audible packet received
	Stop     time.Duration // first audible packet sent → last audible packet received, if the agent was speaking then
	Kept     bool          // the agent was still audible at the last packet said: no stop, no response
}

// Measure finds what the agent did about said, until the next thing was said (or the end).
func Measure(heard []Packet, said Said, until time.Duration) Turn {
	t := Turn{Response: -1, Stop: -1}
	if _, speaking := LastAudible(heard, said.First-recent, said.First); speaking {
		last, ok := LastAudible(heard, said.First, said.Last)
		t.Stop = 0
		if ok {
			t.Stop = last.At - said.First
		}
	}
	if _, t.Kept = LastAudible(heard, said.Last-recent, said.Last); t.Kept {
		t.Stop = -1
		return t
	}
	if first, ok := FirstAudible(heard, said.Last); ok && first.At <= until {
		t.Response = first.At - said.Last
	}
	return t
}

// Lateness is how much later each packet came than the most punctual one, by RTP time.
func Lateness(heard []Packet) []time.Duration {
	if len(heard) == 0 {
		return nil
	}
	late := make([]time.Duration, len(heard))
	for i, p := range heard {
		late[i] = p.At - p.Place
	}
	least := slices.Min(late)
	for i := range late {
		late[i] -= least
	}
	return late
}
