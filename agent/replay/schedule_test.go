package replay

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/turn"
)

var updateSchedule = flag.Bool("update-schedule", false, "write testdata/schedule.txt anew")

const cell = 100 * time.Millisecond // what a letter of a picture lasts

// drawn is the conversation of a picture: who speaks when, each letter the number of the turn.
func drawn(t *testing.T, lines []string) *Conversation {
	c := &Conversation{Length: time.Minute, Events: []agent.Event{{Took: &agent.Taken{Kind: agent.Begun}}}}
	turns := map[int]*Turn{}
	at := func(n int) *Turn {
		if turns[n] == nil {
			turns[n] = &Turn{N: n}
		}
		return turns[n]
	}
	for _, line := range lines {
		what, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		args := strings.Fields(rest)
		switch what {
		case "caller":
			for n, s := range stretches(rest) {
				at(n).Voice = s
				at(n).Committed = s[len(s)-1].To
			}
		case "agent":
			for n, s := range stretches(rest) {
				at(n).Spoken = Span{s[0].From, s[len(s)-1].To}
			}
		case "cut":
			at(int(rest[0] - '0')).Answer.Interrupted = true
		case "aside":
			n := int(rest[0] - '0')
			at(n).Asides = append(at(n).Asides, Span{duration(t, args[1]), duration(t, args[2])})
		case "voice":
			n := int(rest[0] - '0')
			at(n).Voice = append(at(n).Voice, Span{duration(t, args[1]), duration(t, args[2])})
		case "does":
			in := agent.Input{Kind: agent.InputKind(args[1]), Text: args[2], On: args[2] == "on"}
			c.Events = append(c.Events, agent.Event{At: duration(t, args[0]), Took: &agent.Taken{Kind: agent.Came, Input: &in}})
		case "told":
			in := turn.Input{Kind: turn.InputKind(args[1]), Text: args[2], On: args[2] == "on"}
			c.Events = append(c.Events, agent.Event{At: duration(t, args[0]), Step: &turn.Entry{In: in}})
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	for _, turn := range turns {
		c.Turns = append(c.Turns, *turn)
	}
	slices.SortFunc(c.Turns, func(a, b Turn) int { return cmp.Compare(a.N, b.N) })
	return c
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// stretches are those of each letter in a picture.
func stretches(picture string) map[int][]Span {
	all := map[int][]Span{}
	for i, r := range picture {
		if r == '.' {
			continue
		}
		n, from := int(r-'0'), time.Duration(i)*cell
		if s := all[n]; len(s) > 0 && s[len(s)-1].To == from {
			s[len(s)-1].To += cell
		} else {
			all[n] = append(s, Span{from, from + cell})
		}
	}
	return all
}

func inWords(c Cue) string {
	s := fmt.Sprintf("%s #%d %v-%v", c.Kind, c.Turn, c.From, c.To)
	if c.Kind == Mute {
		s += fmt.Sprintf(" on=%v", c.On)
	} else if c.Text != "" {
		s += fmt.Sprintf(" %q", c.Text)
	}
	s += fmt.Sprintf(": %s + %v", c.Anchor, c.Wait)
	for _, word := range []struct {
		on   bool
		name string
	}{{c.Polite, "polite"}, {c.Aside, "aside"}, {c.Answered, "answered"}} {
		if word.on {
			s += ", " + word.name
		}
	}
	return s
}

// The schedules of drawn conversations.
func TestSchedule(t *testing.T) {
	const golden = "testdata/schedule.txt"
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var again []string
	for _, block := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		lines := strings.Split(block, "\n")
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "  ") })
		c := drawn(t, lines[1:])
		for _, cue := range Schedule(c, Reactive) {
			lines = append(lines, "  "+inWords(cue))
		}
		for i, cue := range Schedule(c, Absolute) {
			if cue.Anchor != Connected || cue.Wait != cue.From || cue.Polite {
				t.Errorf("%s: absolute: cue %d is %s", lines[0], i, inWords(cue))
			}
		}
		again = append(again, strings.Join(lines, "\n"))
	}
	got := strings.Join(again, "\n\n") + "\n"
	if *updateSchedule {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(b) {
		t.Errorf("not as in %s (-update-schedule writes it):\n%s", golden, got)
	}
}

// Zero of an absolute schedule is the beginning of the conversation, not that of the record.
func TestScheduleBegins(t *testing.T) {
	c := drawn(t, []string{"caller ....11...."})
	c.Events[0].At = 300 * time.Millisecond
	for _, o := range []Order{Absolute, Reactive} {
		if s := Schedule(c, o); len(s) != 1 || s[0].Anchor != Connected || s[0].Wait != cell {
			t.Errorf("%s: %+v", o, s)
		}
	}
	if s := Schedule(&Conversation{}, Reactive); len(s) != 0 {
		t.Errorf("of nothing: %+v", s)
	}
}
