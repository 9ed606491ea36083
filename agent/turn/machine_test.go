package turn_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/agent/turn"
)

var update = flag.Bool("update", false, "write the goldens")

const hop = 32 * time.Millisecond

// A story is a conversation told in lines: what the caller does, what the engines answer and when. The
// machine's decisions are the golden. See testdata/README.
type story struct {
	events []event
	text   time.Duration // how long the recognizer takes after a flush
	answer time.Duration // how long the first sound takes after a commit
	config turn.Config

	murmurs [][2]time.Duration
}

type event struct {
	at time.Duration
	in turn.Input
}

func parse(t *testing.T, script string) (s story, voices [][2]time.Duration, said []event, spoken map[int]time.Duration) {
	s.text, s.answer = 80*time.Millisecond, 300*time.Millisecond
	spoken = map[int]time.Duration{}
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		when, rest, _ := strings.Cut(rest, " ")
		var at time.Duration
		if verb != "answers" && verb != "recognizer" && verb != "agent" {
			at = dur(t, when)
		}
		switch verb {
		case "voice": // voice FROM LENGTH: the caller makes a sound
			voices = append(voices, [2]time.Duration{at, at + dur(t, rest)})
		case "murmur": // murmur FROM LENGTH: a sound that may be a voice
			s.murmurs = append(s.murmurs, [2]time.Duration{at, at + dur(t, rest)})
		case "words": // words FROM "TEXT": what the recognizer makes of the sound that began then, from then on
			text, err := strconv.Unquote(rest)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			said = append(said, event{at, turn.Input{Text: text}})
		case "hears": // hears AT "TEXT": what the recognizer gives of itself, of the sound that began last; it may change
			text, _ := strconv.Unquote(rest)
			in := turn.Input{Kind: turn.Partial, At: at, Text: text}
			for _, v := range voices {
				if v[0] < at {
					in.Start = v[0]
				}
			}
			s.events = append(s.events, event{at, in})
		case "type":
			text, _ := strconv.Unquote(rest)
			s.events = append(s.events, event{at, turn.Input{Kind: turn.Typed, Text: text}})
		case "greet":
			text, _ := strconv.Unquote(rest)
			s.events = append(s.events, event{at, turn.Input{Kind: turn.Said, Text: text}})
		case "key": // key AT "5": the caller presses a key
			text, _ := strconv.Unquote(rest)
			s.events = append(s.events, event{at, turn.Input{Kind: turn.Key, Text: text}})
		case "path": // path AT back, or path AT lost SINCE
			state, since, _ := strings.Cut(rest, " ")
			in := turn.Input{Kind: turn.InputKind(state)}
			if in.Kind == turn.PathLost {
				in.At = dur(t, since)
			}
			s.events = append(s.events, event{at, in})
		case "mute":
			s.events = append(s.events, event{at, turn.Input{Kind: turn.Muted, On: rest == "on"}})
		case "answers": // answers TURN LENGTH
			n, _ := strconv.Atoi(when)
			spoken[n] = dur(t, rest)
		case "sound": // sound FROM P: the end-of-turn model says so from then on
			p, _ := strconv.ParseFloat(rest, 32)
			s.events = append(s.events, event{at, turn.Input{Kind: turn.Finished, P: float32(p), Turn: -1}})
		case "recognizer": // recognizer takes LENGTH
			s.text = dur(t, rest)
		case "agent": // agent takes LENGTH
			s.answer = dur(t, rest)
		case "end":
			s.events = append(s.events, event{at, turn.Input{Kind: "end"}})
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	return s, voices, said, spoken
}

func dur(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tell plays the story and returns the log and what was decided, a line each.
func tell(t *testing.T, script string) (log []turn.Entry, out string) {
	s, voices, said, spoken := parse(t, script)
	m := turn.New(s.config)
	var b strings.Builder
	queue := s.events
	end := 10 * time.Second
	for i, e := range queue {
		if e.in.Kind == "end" {
			end, queue = e.at, append(queue[:i:i], queue[i+1:]...)
		}
	}
	for at := hop; at < end; at += hop {
		p := float32(0.02)
		for _, v := range voices {
			if at > v[0] && at <= v[1]+hop { // a detector lags a little
				p = 0.95
			}
		}
		for _, v := range s.murmurs {
			if at > v[0] && at <= v[1] {
				p = 0.6
			}
		}
		queue = append(queue, event{at, turn.Input{Kind: turn.Score, At: at, Voice: p}})
	}
	sound := float32(-1)
	var sounds []event
	kept := queue[:0:0]
	for _, e := range queue {
		if e.in.Kind == turn.Finished {
			sounds = append(sounds, e)
			continue
		}
		kept = append(kept, e)
	}
	queue = kept
	speaking := 0
	var total, ready time.Duration // the answer's length, or what is left of it, and when it was to begin
	sorted := func() { sort.SliceStable(queue, func(i, j int) bool { return queue[i].at < queue[j].at }) }
	step := func(now time.Duration, in turn.Input) {
		e := turn.Entry{Seq: uint64(len(log) + 1), Now: now, In: in, Out: m.Step(now, in)}
		e.Wake, _ = m.Wake()
		log = append(log, e)
		if in.Kind == turn.Began && in.Turn == speaking {
			queue = append(queue, event{now + total, turn.Input{Kind: turn.Ended, Turn: speaking}})
			fmt.Fprintf(&b, "%7.3fs   agent speaks #%d\n", now.Seconds(), in.Turn)
		}
		if in.Kind == turn.Ended && in.Turn == speaking {
			fmt.Fprintf(&b, "%7.3fs   agent silent #%d\n", now.Seconds(), in.Turn)
			speaking = 0
		}
		for _, d := range e.Out {
			fmt.Fprintf(&b, "%7.3fs %s\n", now.Seconds(), d)
			switch d.Kind {
			case turn.Flush:
				r := turn.Input{Kind: turn.Final, At: now}
				for _, v := range voices {
					if v[0] < now && v[0]+hop*2 < now {
						r.Start = v[0]
					}
				}
				for _, w := range said {
					if w.at <= now && w.at >= r.Start {
						r.Text = w.in.Text
					}
				}
				queue = append(queue, event{now + s.text, r})
				for _, f := range sounds {
					if f.at <= now {
						sound = f.in.P
					}
				}
				if sound >= 0 {
					queue = append(queue, event{now + 60*time.Millisecond, turn.Input{Kind: turn.Finished, Turn: d.Turn, P: sound}})
				}
			case turn.Commit, turn.Say, turn.CheckIn, turn.GiveUp, turn.Obey:
				if d.Kind == turn.Obey && d.Text != "goodbye" {
					break
				}
				speaking, total = d.Turn, 2*time.Second
				if l, ok := spoken[d.Turn]; ok {
					total = l
				}
				if total > 0 {
					queue = append(queue, event{now + s.answer, turn.Input{Kind: turn.Began, Turn: d.Turn}})
				}
			case turn.Hold:
				kept := queue[:0:0]
				for _, e := range queue {
					if e.in.Kind == turn.Ended && e.in.Turn == d.Turn {
						total = e.at - now
						continue
					}
					if e.in.Kind == turn.Began && e.in.Turn == d.Turn {
						ready = e.at
						continue
					}
					kept = append(kept, e)
				}
				queue = kept
			case turn.Resume:
				if anyBegan(log, d.Turn) {
					queue = append(queue, event{now + total + d.Back, turn.Input{Kind: turn.Ended, Turn: d.Turn}})
				} else if total > 0 {
					queue = append(queue, event{max(now+hop, ready), turn.Input{Kind: turn.Began, Turn: d.Turn}})
				}
			case turn.Interrupt:
				kept := queue[:0:0]
				for _, e := range queue {
					if e.in.Turn == d.Turn && (e.in.Kind == turn.Ended || e.in.Kind == turn.Began) {
						continue
					}
					kept = append(kept, e)
				}
				queue = append(kept, event{now + 5*time.Millisecond, turn.Input{Kind: turn.Ended, Turn: d.Turn}})
			}
		}
	}
	var now time.Duration
	for len(queue) > 0 {
		sorted()
		if w, ok := m.Wake(); ok && w < queue[0].at {
			if w <= now {
				t.Fatalf("woke at %v, now is %v", w, now)
			}
			now = w
			step(now, turn.Input{Kind: turn.Tick})
			continue
		}
		e := queue[0]
		queue = queue[1:]
		now = max(now, e.at)
		if now > end {
			break
		}
		step(now, e.in)
	}
	return log, b.String()
}

func anyBegan(log []turn.Entry, n int) bool {
	for _, e := range log {
		if e.In.Kind == turn.Began && e.In.Turn == n {
			return true
		}
	}
	return false
}

func TestStories(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) < 10 {
		t.Fatalf("only %d stories", len(files))
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			script, golden, _ := strings.Cut(string(b), "---\n")
			log, got := tell(t, script)
			if *update {
				if err := os.WriteFile(f, []byte(script+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != golden {
				t.Errorf("decided otherwise:\n%s", diff(golden, got))
			}
			if again := turn.Replay(turn.Config{}, log); !reflect.DeepEqual(again, log) {
				t.Error("the log does not repeat")
			}
		})
	}
}

func diff(want, got string) string {
	var b strings.Builder
	w, g := bufio.NewScanner(strings.NewReader(want)), bufio.NewScanner(strings.NewReader(got))
	for {
		a, c := w.Scan(), g.Scan()
		if !a && !c {
			return b.String()
		}
		if w.Text() == g.Text() && a == c {
			fmt.Fprintf(&b, "  %s\n", g.Text())
			continue
		}
		if a {
			fmt.Fprintf(&b, "- %s\n", w.Text())
		}
		if c {
			fmt.Fprintf(&b, "+ %s\n", g.Text())
		}
	}
}

// Whatever comes, in whatever order: every wait has a deadline, later than now; turns never go back; an answer is begun when the one
// before is over; only what is held is resumed; the log repeats; and a question that is then asked is answered.
func TestAnyInputKeepsTheRules(t *testing.T) {
	kinds := []turn.InputKind{turn.Score, turn.Score, turn.Score, turn.Score, turn.Partial, turn.Final, turn.Finished, turn.Began, turn.Ended, turn.Said, turn.Typed, turn.Muted, turn.Key, turn.PathLost, turn.PathBack, turn.Tick, "nonsense"}
	texts := []string{"", "hello there", "stop", "hold on", "mm-hm", "goodbye", "I would like to", "Yes.", "…", "n", "hello?", "5", "#"}
	hasty := turn.Quiet{CheckIn: time.Second, GiveUp: 3 * time.Second, Asked: 8 * time.Second}
	configs := []turn.Config{{}, {Silence: hasty}, {Silence: turn.Quiet{CheckIn: -1, GiveUp: -1}}, {Interrupt: turn.BargeIn{Words: 2}}, {End: turn.End{Text: time.Millisecond}}}
	rapid.Check(t, func(t *rapid.T) {
		config := rapid.SampledFrom(configs).Draw(t, "config")
		m := turn.New(config)
		r, polite := rules{quiet: config.Silence.CheckIn < 0}, newManners(config)
		var log []turn.Entry
		var now, w time.Duration
		ok := false
		step := func(at time.Duration, in turn.Input) []turn.Decision {
			ticks := ok && in.Kind == turn.Tick && at == w
			now = at
			e := turn.Entry{Seq: uint64(len(log)), Now: now, In: in, Out: m.Step(now, in)}
			r.take(t, e)
			if wrong := polite.take(e); wrong != "" {
				t.Fatal(wrong)
			}
			w, ok = m.Wake()
			switch {
			case ok && w <= now:
				t.Fatalf("wants to be woken at %v, now is %v", w, now)
			case !ok && r.waits():
				t.Fatalf("at %v, %s: it waits without a deadline: %+v", now, in.Kind, r)
			case ticks && ok && w == now+1 && len(e.Out) == 0:
				t.Fatalf("woken at %v it does nothing and wants to be woken again at once", now)
			}
			e.Wake = w
			log = append(log, e)
			return e.Out
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			at := now + time.Duration(rapid.IntRange(0, 400).Draw(t, "ms"))*time.Millisecond
			in := turn.Input{
				Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
				At:    at - time.Duration(rapid.IntRange(0, 50).Draw(t, "lag"))*time.Millisecond,
				Start: time.Duration(rapid.IntRange(0, 5).Draw(t, "start")) * time.Second,
				Voice: rapid.OneOf(rapid.Float32Range(0, 1), rapid.SampledFrom([]float32{0.02, 0.95, 0.95})).Draw(t, "voice"),
				Text:  rapid.SampledFrom(texts).Draw(t, "text"),
				P:     rapid.Float32Range(0, 1).Draw(t, "p"),
				Turn:  r.last + rapid.IntRange(-1, 1).Draw(t, "turn"),
				On:    rapid.Bool().Draw(t, "on"),
			}
			if ok && rapid.Bool().Draw(t, "ticks") {
				at, in = w, turn.Input{Kind: turn.Tick}
			}
			step(at, in)
		}
		if again := turn.Replay(config, log); !reflect.DeepEqual(again, log) {
			t.Fatal("the log does not repeat")
		}
		step(now, turn.Input{Kind: turn.PathBack})
		step(now, turn.Input{Kind: turn.Muted})
		if !r.gone && !answers(step, func() (time.Duration, bool) { return w, ok }, now) {
			t.Fatalf("then a question is asked from %v on, and it is not answered: %+v", now, r)
		}
	})
}

// answers asks a question and tells whether it is committed soon after.
func answers(step func(time.Duration, turn.Input) []turn.Decision, wake func() (time.Duration, bool), now time.Duration) bool {
	const question = "What time is it?"
	begins, text := now+7*time.Microsecond, time.Duration(0)
	for at := begins + hop; at < begins+10*time.Second; at += hop {
		for done := false; !done; {
			in := turn.Input{Kind: turn.Score, At: at, Voice: 0.01}
			if at < begins+800*time.Millisecond {
				in.Voice = 0.95
			}
			moment := at
			switch w, ok := wake(); {
			case text > 0 && text <= at && (!ok || text <= w):
				moment, in = max(text, now), turn.Input{Kind: turn.Final, Start: begins, At: text - 80*time.Millisecond, Text: question}
				text = 0
			case ok && w < at:
				moment, in = w, turn.Input{Kind: turn.Tick}
			default:
				done = true
			}
			now = moment
			for _, d := range step(moment, in) {
				switch {
				case d.Kind == turn.Flush && moment > begins+400*time.Millisecond:
					text = moment + 80*time.Millisecond
				case d.Kind == turn.Commit && strings.Contains(d.Text, question):
					return true
				}
			}
		}
	}
	return false
}

func BenchmarkStepScore(b *testing.B) {
	m := turn.New(turn.Config{})
	b.ReportAllocs()
	var now time.Duration
	for b.Loop() {
		now += hop
		m.Step(now, turn.Input{Kind: turn.Score, At: now, Voice: 0.1})
		m.Wake()
	}
}

// A tick at the moment that was asked for is never answered by asking for the next moment: a loop would spin.
func TestNeverSpins(t *testing.T) {
	score := func(at time.Duration, voice float32) event {
		return event{at, turn.Input{Kind: turn.Score, At: at, Voice: voice}}
	}
	for name, events := range map[string][]event{
		"a voice ends while its words are waited for": {
			{0, turn.Input{Kind: turn.Said, Text: "Hello."}}, {10 * time.Millisecond, turn.Input{Kind: turn.Began, Turn: 1}},
			score(40*time.Millisecond, 1), score(80*time.Millisecond, 1), score(120*time.Millisecond, 1), score(470*time.Millisecond, 1),
			score(800*time.Millisecond, 1), score(1080*time.Millisecond, 1), score(1090*time.Millisecond, 0),
		},
		"stop is said to a goodbye": {
			{0, turn.Input{Kind: turn.Typed, Text: "goodbye"}}, score(40*time.Millisecond, 1), score(80*time.Millisecond, 1), score(120*time.Millisecond, 0),
			{220 * time.Millisecond, turn.Input{Kind: turn.Partial, Start: 40 * time.Millisecond, At: 220 * time.Millisecond, Text: "stop"}},
		},
	} {
		m := turn.New(turn.Config{})
		var now time.Duration
		ticks := 0
		for i := 0; i < len(events) || now < time.Minute; {
			at, ok := m.Wake()
			in := turn.Input{Kind: turn.Tick}
			switch {
			case i < len(events) && (!ok || events[i].at <= at):
				now, in = events[i].at, events[i].in
				i++
			case !ok:
				now = time.Minute
			default:
				now = at
				ticks++
			}
			m.Step(now, in)
			if ticks > 50 {
				t.Errorf("%s: it spins at %v", name, now)
				break
			}
		}
	}
}
