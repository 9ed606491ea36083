package whatif

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent/turn"
)

const (
	ms  = time.Millisecond
	hop = 32 * ms
)

// said is something that a caller says from one moment to another, as much of it as was over when the recognizer was asked.
type said struct {
	from, to time.Duration
	text     string
	sound    float32 // how finished it sounds
}

// story is a world in which the caller says these. Finals come 100 ms after a flush, with all that was said within 1.5 s before it.
func story(length time.Duration, all ...said) World {
	w := World{End: length}
	for at := hop; at < length; at += hop {
		in := turn.Input{Kind: turn.Score, At: at, Voice: 0.02}
		for _, s := range all {
			if at > s.from && at <= s.to {
				in.Voice = 0.95
			}
		}
		w.Comes = append(w.Comes, Moment{at, in})
	}
	w.Text = func(now time.Duration) Moment {
		in := turn.Input{Kind: turn.Final, Start: now, At: now}
		var words []string
		for i, s := range all {
			if s.to > now {
				break
			}
			if i == 0 || s.from-all[i-1].to > 1500*ms {
				words, in.Start = nil, s.from
			}
			words = append(words, s.text)
		}
		in.Text = strings.Join(words, " ")
		return Moment{now + 100*ms, in}
	}
	w.Sound = func(now time.Duration) Moment {
		p := float32(-1)
		for _, s := range all {
			if s.to <= now {
				p = s.sound
			}
		}
		return Moment{now + 60*ms, turn.Input{Kind: turn.Finished, At: now, P: p}}
	}
	w.Answer = func(turn.Decision, time.Duration) (Playout, bool) { return Playout{200 * ms, 1500 * ms}, true }
	return w
}

// told is what was decided, a line each.
func told(steps []Step) (lines []string) {
	for _, s := range steps {
		for _, d := range s.Out {
			lines = append(lines, fmt.Sprintf("%.3f %s", s.Now.Seconds(), d.Kind))
		}
	}
	return lines
}

func TestRunAnswersInTime(t *testing.T) {
	w := story(8*time.Second, said{992 * ms, 2016 * ms, "I want a pizza.", 0.99})
	var steps []turn.Entry
	w.Took = func(e turn.Entry) { steps = append(steps, e) }
	got := told(Run(turn.Config{End: turn.End{Short: 400 * ms}}, w))
	want := []string{"2.116 flush", "2.216 think", "2.416 commit"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if again := turn.Replay(turn.Config{End: turn.End{Short: 400 * ms}}, steps); !reflect.DeepEqual(again, steps) {
		t.Error("the log does not repeat")
	}
	var kinds []string
	for _, e := range steps {
		if k := e.In.Kind; k == turn.Began || k == turn.Ended {
			kinds = append(kinds, fmt.Sprintf("%.3f %s", e.Now.Seconds(), k))
		}
	}
	if want := []string{"2.616 began", "4.116 ended"}; !slices.Equal(kinds, want) {
		t.Errorf("the answer: %q, want %q", kinds, want)
	}
}

func TestRunHoldsAndGoesOn(t *testing.T) {
	w := story(12*time.Second, said{1984 * ms, 2496 * ms, "Mm-hm.", 0.5}, said{5984 * ms, 7008 * ms, "That is enough for me.", 0.99})
	w.Comes = slices.Insert(w.Comes, 0, Moment{10 * ms, turn.Input{Kind: turn.Said, Text: "Listen."}})
	w.Answer = func(turn.Decision, time.Duration) (Playout, bool) { return Playout{10 * ms, 6 * time.Second}, true }
	var ended time.Duration
	w.Took = func(e turn.Entry) {
		if e.In.Kind == turn.Ended && ended == 0 {
			ended = e.Now
		}
	}
	got := strings.Join(told(Run(turn.Config{}, w)), "; ")
	if !strings.Contains(got, "2.048 hold; 2.384 flush; ") || !strings.Contains(got, " resume; ") || !strings.Contains(got, "interrupt") || strings.Count(got, "hold") != 2 {
		t.Errorf("decided %s", got)
	}
	if ended != 0 && ended < 8*time.Second { // the second voice interrupts what would end then
		t.Errorf("the answer ended at %v", ended)
	}
}

// What is paused is said to its end, with what is repeated.
func TestRunEndsAPausedAnswer(t *testing.T) {
	w := story(12*time.Second, said{1984 * ms, 2496 * ms, "Mm-hm.", 0.5})
	w.Comes = slices.Insert(w.Comes, 0, Moment{10 * ms, turn.Input{Kind: turn.Said, Text: "Listen."}})
	w.Answer = func(turn.Decision, time.Duration) (Playout, bool) { return Playout{10 * ms, 6 * time.Second}, true }
	var resumed, ended time.Duration
	w.Took = func(e turn.Entry) {
		for _, d := range e.Out {
			if d.Kind == turn.Resume {
				resumed = e.Now
			}
		}
		if e.In.Kind == turn.Ended {
			ended = e.Now
		}
	}
	Run(turn.Config{}, w)
	// It began at 0.02 s and was held at 2.048 s: 3.972 s of it were left, and 0.3 s are repeated.
	if want := resumed + 3972*ms + 300*ms; resumed == 0 || ended != want {
		t.Errorf("resumed at %v, ended at %v, want %v", resumed, ended, want)
	}
}

func TestNothingIsNone(t *testing.T) {
	if got := Run(turn.Config{}, World{End: time.Second}); len(got) != 0 {
		t.Errorf("decided %v", got)
	}
	if got := Again(turn.Config{}, turn.Config{}, nil); got.Diverged != -1 || len(got.Turns) != 0 {
		t.Errorf("of an empty log: %+v", got)
	}
}

// was is what the calls of these tests were recorded under.
var was = turn.Config{End: turn.End{Short: 850 * ms, Middle: 950 * ms, Long: 1150 * ms, Dangling: 1350 * ms, Spelled: 1800 * ms, Done: 0.9, Open: 0.3}}

// calls are what callers said in the tests of Again.
var calls = map[string]World{
	"two sentences": story(16*time.Second, said{992 * ms, 2016 * ms, "I want a pizza.", 0.99}, said{8000 * ms, 9024 * ms, "And a salad.", 0.99}),
	"a pause": story(12*time.Second, said{992 * ms, 2016 * ms, "I would like to", 0.1}, said{2624 * ms, 3616 * ms, "order a pizza.", 0.99},
		said{8000 * ms, 9024 * ms, "Thank you so much.", 0.95}),
	"a long pause": story(16*time.Second, said{992 * ms, 2016 * ms, "My number is", 0.1}, said{4000 * ms, 5024 * ms, "one two three.", 0.99}),
}

func record(c turn.Config, w World) (log []turn.Entry) {
	w.Took = func(e turn.Entry) { log = append(log, e) }
	Run(c, w)
	return log
}

func TestAgainUnderTheSameIsTheSame(t *testing.T) {
	for name, w := range calls {
		log := record(was, w)
		got := Again(was, was, log)
		if got.Diverged != -1 || len(got.Turns) < 2 {
			t.Errorf("%s: diverged at %v, %d turns", name, got.Diverged, len(got.Turns))
		}
		for _, v := range got.Turns {
			if v.Verdict != Same || v.By != 0 || v.Modeled {
				t.Errorf("%s: %+v", name, v)
			}
		}
	}
}

// A timer is late by a little: nothing else was decided for that.
func TestAgainForgivesALateTimer(t *testing.T) {
	var late []turn.Entry
	m := turn.New(was)
	for _, e := range record(was, calls["two sentences"]) {
		if e.In.Kind == turn.Tick {
			e.Now += 300 * time.Microsecond
		}
		e.Out = m.Step(e.Now, e.In)
		e.Wake, _ = m.Wake()
		late = append(late, e)
	}
	if got := Again(was, was, late); got.Diverged != -1 || got.Turns[0].Verdict != Same || got.Turns[0].Modeled {
		t.Errorf("diverged at %v: %+v", got.Diverged, got.Turns)
	}
}

func waits(short, other time.Duration) turn.Config {
	return turn.Config{End: turn.End{Short: short, Middle: other, Long: other, Dangling: other}}
}

func TestAgainTellsWhatChanges(t *testing.T) {
	for _, c := range []struct {
		call string
		is   turn.Config
		want string
	}{
		{"two sentences", waits(500*ms, 1350*ms), "earlier -350ms modeled, later 400ms modeled"},
		{"two sentences", waits(1000*ms, 1350*ms), "later 150ms modeled, later 400ms modeled"},
		{"a pause", waits(850*ms, 400*ms), "cut off 0s modeled, later 255ms modeled"},
		{"a pause", waits(850*ms, 1000*ms), "same 0s, same 0s"},
		{"a long pause", waits(850*ms, 2500*ms), "joined 0s modeled, earlier -340ms modeled"},
	} {
		var got []string
		for _, v := range Again(was, c.is, record(was, calls[c.call])).Turns {
			line := fmt.Sprintf("%s %v", v.Verdict, v.By)
			if v.Modeled {
				line += " modeled"
			}
			got = append(got, line)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %s, want %s", c.call, s, c.want)
		}
	}
}

// What is told of another configuration is what would have been, where the engines answer as they did.
func TestAgainForetells(t *testing.T) {
	for name, w := range calls {
		log := record(was, w)
		for _, short := range []time.Duration{300 * ms, 600 * ms, 1100 * ms} {
			for _, other := range []time.Duration{500 * ms, 1200 * ms, 2200 * ms} {
				is := waits(short, max(short, other))
				var want []time.Duration
				for _, s := range Run(is, w) {
					for _, d := range s.Out {
						if d.Kind == turn.Commit {
							want = append(want, s.Now)
						}
					}
				}
				for _, v := range Again(was, is, log).Turns {
					if v.Verdict != Joined && !slices.Contains(want, v.Is) {
						t.Errorf("%s with %v, %v: turn %d would be taken at %v, not one of %v", name, short, other, v.Number, v.Is, want)
					}
				}
			}
		}
	}
}
