package bench

import (
	"slices"
	"strings"
	"time"

	"parley/internal/caller"
)

// What is silence in the agent's sound. A hum has none of its own; recorded words have, between their sounds.
const (
	humGap    = 30 * time.Millisecond
	speechGap = 180 * time.Millisecond
)

// How long it is looked whether the agent speaks, and goes on.
const (
	spokeLook = 100 * time.Millisecond // before the caller began, beside its own silences
	yieldLook = 500 * time.Millisecond // after the last packet said
	overLook  = 100 * time.Millisecond // sound this shortly before the end of a look goes on behind it
	standLast = 400 * time.Millisecond // so much silence at the end of a look is a stop
	quietLead = 300 * time.Millisecond // there is silence before an answer: a message of its beginning may be that late, too
)

// yielded is what the packets say of an interruption.
type yielded struct {
	Spoke   bool          // the agent was heard when the caller began
	Stop    time.Duration // first audible packet sent → last audible packet received; negative: the agent went on
	Honored bool          // it gave way within 2 s
	Paused  bool          // the answer had a silence before it ended: what is repeated behind that cannot be counted
	Played  time.Duration // how much of the answer was received
}

// yield judges an answer that began to be heard at a time and was interrupted. Next is when the answer after it began; negative: it did not.
func yield(heard []caller.Packet, began time.Duration, said caller.Said, next, gap time.Duration) (v yielded) {
	v.Stop = -1
	_, v.Spoke = caller.LastAudible(heard, said.First-gap-spokeLook, said.First)
	first, ok := caller.FirstAudible(heard, began-1)
	if !v.Spoke || !ok || first.At >= said.First {
		v.Spoke = false
		return v
	}
	look := max(said.Last+yieldLook, said.First+stopWithin+overLook)
	if next >= 0 {
		look = min(look, next-1)
	}
	last, ok := caller.LastAudible(heard, began, look)
	if !ok || next < 0 && last.At > look-overLook {
		return v
	}
	v.Stop = max(0, last.At-said.First)
	v.Honored = v.Stop <= stopWithin
	v.Played = last.Place + last.Long - first.Place
	v.Paused = longestGap(heard, began, last.At) > gap
	return v
}

// onset is the first packet of the answer that a message told of: the one behind the last silence before that.
func onset(heard []caller.Packet, told time.Duration) (first caller.Packet, ok bool) {
	var end time.Duration
	for _, p := range heard {
		if p.Level <= caller.Audible || p.At > told+overLook {
			continue
		}
		if !ok || p.Place-end > quietLead {
			first, ok = p, true
		}
		end = p.Place + p.Long
	}
	if ok && first.At >= told-quietLead-overLook {
		return first, true
	}
	return caller.FirstAudible(heard, told-overLook/2)
}

// longestGap is the longest silence between the audible packets that came from one time to another, by their places in the stream: a
// packet that comes late is none.
func longestGap(heard []caller.Packet, from, until time.Duration) (longest time.Duration) {
	var end time.Duration
	known := false
	for _, p := range heard {
		if p.At < from || p.At > until || p.Level <= caller.Audible {
			continue
		}
		if known {
			longest = max(longest, p.Place-end)
		}
		known, end = true, p.Place+p.Long
	}
	return longest
}

// stood is what the packets say of a sound that should not stop the agent.
type stood struct {
	Spoke   bool
	Stopped bool          // it did not go on
	Pause   time.Duration // the longest; 0: none
}

// stand judges the agent from one time to another. Told says that its own messages call the answer interrupted.
func stand(heard []caller.Packet, from, until, gap time.Duration, told bool) (v stood) {
	if _, v.Spoke = caller.LastAudible(heard, from-gap-spokeLook, from); !v.Spoke {
		return v
	}
	last, ok := caller.LastAudible(heard, from-gap-spokeLook, until)
	v.Stopped = told || !ok || until-last.At > standLast
	if v.Stopped {
		return v
	}
	if g := longestGap(heard, from-gap-spokeLook, last.At); g > gap {
		v.Pause = g
	}
	return v
}

// heardError compares the heard text of an answer with what was played of it: how many words it has too many (negative: too few). Exact is
// in words and their parts. It is false if the text is no beginning of what was generated.
func (v *vocabulary) heardError(generated, text string, played time.Duration) (words int, exact float64, ok bool) {
	said, was := strings.Fields(text), strings.Fields(generated)
	if len(said) > len(was) || !slices.EqualFunc(said, was[:len(said)], func(a, b string) bool { return plainWord(a) == plainWord(b) }) {
		return 0, 0, false
	}
	ends, middles := v.ends(generated)
	n, part := 0, 0.0
	for i, m := range middles {
		if m <= played {
			n++
		}
		long := 2 * (ends[i] - m)
		begin := ends[i] - long
		part += min(1, max(0, float64(played-begin)/float64(max(1, long))))
	}
	return len(said) - n, float64(len(said)) - part, true
}
