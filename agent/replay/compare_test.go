package replay_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/media/record"
)

// told tells of a comparison, a line a pair and a line a divergence.
func compared(c replay.Comparison) string {
	var b strings.Builder
	number := func(t *replay.Turn) string {
		if t == nil {
			return "—"
		}
		return fmt.Sprint(t.N)
	}
	for _, p := range c.Pairs {
		fmt.Fprintf(&b, "%s=%s ", number(p.A), number(p.B))
	}
	fmt.Fprintln(&b)
	for _, d := range c.Divergences {
		fmt.Fprintf(&b, "%d %s: %q / %q", d.Pair, d.What, d.A, d.B)
		if d.Why != "" {
			fmt.Fprintf(&b, " (%s)", d.Why)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// asked is a turn in which the caller says something and is answered after so long.
func asked(n int, user, answer string, sent time.Duration) replay.Turn {
	return replay.Turn{N: n, User: user, Answer: agent.Said{Generated: answer, Sent: answer, Heard: answer, Done: true},
		Spoken:  replay.Span{From: time.Duration(n) * at(10), To: time.Duration(n)*at(10) + at(3)},
		Latency: &agent.Latency{Commit: at(0.5), Text: at(0.2), Token: at(0.6), Phrase: at(0.65), Audio: at(0.7), Sent: sent}}
}

func own(n int, text string) replay.Turn {
	t := asked(n, "", text, 0)
	t.Latency = nil
	return t
}

func talk(turns ...replay.Turn) *replay.Conversation {
	return &replay.Conversation{Turns: turns, Ended: "the caller hung up"}
}

// with changes a turn.
func with(t replay.Turn, change func(*replay.Turn)) replay.Turn {
	change(&t)
	return t
}

// toldOnly is a conversation as a server tells it to its caller.
func toldOnly(turns ...replay.Turn) *replay.Conversation {
	c := talk(turns...)
	c.Events = []agent.Event{{Kind: agent.State, Text: "listening"}}
	return c
}

var policy = replay.Policy{WER: 0.2, Slower: at(0.1), SlowerBy: 0.1, Shift: at(0.25), Answers: replay.Equivalent, Concealed: 1}

func TestCompare(t *testing.T) {
	hello := own(1, "Hi, this is Robin.")
	question := asked(2, "What time is it in Lisbon now?", "It is nine o'clock.", at(0.8))
	thanks := asked(3, "Thank you very much.", "You are welcome.", at(0.8))
	base := talk(hello, question, thanks)
	hold := replay.Hold{Span: replay.Span{From: at(21), To: at(21.4)}, Why: "a voice", Outcome: "resume", Because: "backchannel"}
	held := with(question, func(t *replay.Turn) { t.Holds = []replay.Hold{hold} })
	for _, c := range []struct {
		name string
		a, b *replay.Conversation
		p    replay.Policy
		want string
	}{
		{"the same", base, base, replay.Policy{}, "1=1 2=2 3=3"},
		{"marks and case, a word misheard, 80 ms later", base, talk(hello,
			asked(2, "What time is it in Lisboa now?", "It is nine o’clock", at(0.88)), asked(3, "Thank you, very much!", "You are welcome.", at(0.3))), policy, "1=1 2=2 3=3"},
		{"a pause of which one side was not told", talk(hello, held, thanks), toldOnly(hello, question, thanks), replay.Policy{}, "1=1 2=2 3=3"},
		{"the same, strictly", base, talk(hello,
			asked(2, "What time is it in Lisboa now?", "It is nine o’clock", at(0.88)), asked(3, "Thank you, very much!", "You are welcome.", at(0.3))), replay.Policy{}, `
1=1 2=2 3=3
1 words: "What time is it in Lisbon now?" / "What time is it in Lisboa now?" (1 of 7 words differ)
1 answer: "It is nine o'clock." / "It is nine o’clock" (equivalent)
1 latency: "800 ms" / "880 ms" (80 ms later; mostly sent)`},
		{"a turn less", base, talk(hello, thanks), policy, `
1=1 2=— 3=3
1 turn: "What time is it in Lisbon now?" / ""`},
		{"a turn more", base, talk(hello, question, own(3, "Are you still there?"), with(thanks, func(t *replay.Turn) { t.N = 4 })), policy, `
1=1 2=2 —=3 3=4
2 turn: "" / "Are you still there?"`},
		{"other words in the same place", base, talk(hello, asked(2, "Where do I live?", "In Lisbon.", at(0.8)), thanks), policy, `
1=1 2=2 3=3
1 words: "What time is it in Lisbon now?" / "Where do I live?" (7 of 7 words differ)
1 answer: "It is nine o'clock." / "In Lisbon." (different)`},
		{"a paraphrase", base, talk(hello, asked(2, question.User, "Nine o'clock it is now.", at(0.8)), thanks), policy, `
1=1 2=2 3=3
1 answer: "It is nine o'clock." / "Nine o'clock it is now." (paraphrase)`},
		{"a paraphrase is enough", base, talk(hello, asked(2, question.User, "Nine o'clock it is now.", at(0.8)), thanks), replay.Policy{Answers: replay.Paraphrase}, "1=1 2=2 3=3"},
		{"slower in the model", base, talk(hello, with(asked(2, question.User, "It is nine o'clock.", at(1.3)), func(t *replay.Turn) {
			t.Latency.Token, t.Latency.Phrase, t.Latency.Audio = at(1.05), at(1.1), at(1.15)
		}), thanks), policy, `
1=1 2=2 3=3
1 latency: "800 ms" / "1300 ms" (500 ms later; mostly token)`},
		{"no pause", talk(hello, held, thanks), base, policy, `
1=1 2=2 3=3
1 hold: "a voice after 1000 ms: resume, backchannel" / "" (one more pause)`},
		{"another outcome", talk(hello, held, thanks), talk(hello, with(held, func(t *replay.Turn) {
			t.Holds = []replay.Hold{{Span: hold.Span, Why: "a voice", Outcome: "interrupt", Because: "words"}}
			t.Answer.Interrupted, t.Sent = true, at(1)
		}), thanks), policy, `
1=1 2=2 3=3
1 interruption: "not interrupted" / "interrupted after 1000 ms of sound"
1 hold: "a voice after 1000 ms: resume, backchannel" / "a voice after 1000 ms: interrupt, words" (another outcome)`},
		{"a pause elsewhere", talk(hello, held, thanks), talk(hello, with(held, func(t *replay.Turn) {
			t.Holds = []replay.Hold{hold}
			t.Holds[0].From += at(0.3)
		}), thanks), policy, `
1=1 2=2 3=3
1 hold: "a voice after 1000 ms: resume, backchannel" / "a voice after 1300 ms: resume, backchannel" (300 ms apart)`},
		{"both were interrupted, one sooner", talk(with(hello, cut("Hi, this is Rob"))), talk(with(hello, cut("Hi, this is Robin. How may I"))), policy, "1=1"},
		{"one failed, and ended otherwise", base, &replay.Conversation{Turns: []replay.Turn{hello, question, with(thanks, func(t *replay.Turn) {
			t.Troubles = []replay.Trouble{{Code: "llm", Text: "The language model failed."}}
		})}, Ended: "goodbye was said"}, policy, `
1=1 2=2 3=3
2 trouble: "" / "llm: The language model failed."
-1 end: "the caller hung up" / "goodbye was said"`},
		{"a worse line", &replay.Conversation{Health: health(at(60), 0)}, &replay.Conversation{Health: health(at(57), at(3))}, policy, `
-1 health: "caller: 0.00 % concealed" / "caller: 5.00 % concealed"`},
		{"nothing", &replay.Conversation{}, &replay.Conversation{}, policy, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := replay.Compare(c.a, c.b, c.p)
			same(t, strings.ReplaceAll(compared(got), " \n", "\n"), c.want)
			if got.Equal() != !strings.Contains(strings.TrimSpace(c.want), "\n") && c.name != "a worse line" {
				t.Errorf("equal: %v", got.Equal())
			}
		})
	}
}

func cut(heard string) func(*replay.Turn) {
	return func(t *replay.Turn) {
		t.Answer = agent.Said{Generated: heard, Sent: heard, Heard: heard, Interrupted: true}
	}
}

func health(received, concealed time.Duration) *replay.Health {
	var h replay.Health
	h.Up[record.Received], h.Up[record.Concealed], h.Up[record.NotCaptured] = received, concealed, at(10)
	return &h
}

// A conversation that is held again in virtual time is the same, even strictly; one with a slower model is not.
func TestCompareStories(t *testing.T) {
	for _, s := range stories {
		a, b := read(t, s.hold(t)), read(t, s.hold(t))
		if got := replay.Compare(a, b, replay.Policy{Slower: at(0.02), Shift: at(0.02)}); !got.Equal() || !got.Whole() {
			t.Errorf("%s: %s", s.name, compared(got))
		}
	}
	s := stories[0].story
	a := read(t, s.hold(t))
	s.model, s.id = saying("You said: What is the time, please?", at(1.4), nil), "c2"
	got := replay.Compare(a, read(t, s.hold(t)), policy)
	if len(got.Divergences) == 0 || got.Divergences[0].Pair != 1 || got.Divergences[0].What != "latency" || got.A.ID != "c1" || got.B.ID != "c2" {
		t.Errorf("%s", compared(got))
	}
}

func TestCompareIsWholeOrNot(t *testing.T) {
	a, b := talk(), talk()
	b.Holes = []replay.Hole{{Why: "a pause"}}
	if c := replay.Compare(a, b, policy); !c.Whole() {
		t.Error("a pause on purpose")
	}
	b.Holes = append(b.Holes, replay.Hole{Why: "damage", Lost: true})
	if c := replay.Compare(b, a, policy); c.Whole() {
		t.Error("damage")
	}
}

// What differs only behind a tear, or is missing there, may be equal.
func TestCompareTorn(t *testing.T) {
	one, two, three := asked(1, "One, please.", "One.", at(0.5)), asked(2, "And two?", "Two.", at(0.5)), asked(3, "Three then.", "Three.", at(0.5))
	other := with(one, func(t *replay.Turn) { t.Answer.Generated = "Eins." })
	for turn, t := range []*replay.Turn{&one, &two, &three, &other} {
		t.Committed = at(10 * float64(turn%3+1))
	}
	torn := func(from float64, turns ...replay.Turn) *replay.Conversation {
		c := talk(turns...)
		c.Holes = []replay.Hole{{Span: replay.Span{From: at(from), To: at(60)}, Lost: true}}
		return c
	}
	for _, c := range []struct {
		name string
		b    *replay.Conversation
		want []bool // Torn, of each divergence
	}{
		{"whole", talk(one, two), []bool{false}},
		{"the rest is lost", torn(25, one, two), []bool{true}},
		{"one is missing before the tear", torn(35, one, three), []bool{false}},
		{"one is missing in the tear", torn(15, one, three), []bool{true}},
		{"another answer before the tear", torn(15, other, two, three), []bool{false}},
		{"another answer in the tear", torn(11, other, two, three), []bool{true}},
	} {
		got := replay.Compare(talk(one, two, three), c.b, policy)
		var is []bool
		for _, d := range got.Divergences {
			is = append(is, d.Torn)
		}
		if !reflect.DeepEqual(is, c.want) {
			t.Errorf("%s: %v, want %v\n%s", c.name, is, c.want, compared(got))
		}
	}
}

// A comparison goes through JSON and back.
func TestCompareJSON(t *testing.T) {
	c := replay.Compare(talk(own(1, "Hi")), talk(asked(1, "Hi", "Ho", 1)), policy)
	text, err := json.Marshal(c)
	var back replay.Comparison
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || !reflect.DeepEqual(c, back) {
		t.Errorf("%v: %s", err, text)
	}
}

// Ten hours of turns are compared in no time.
func TestCompareLong(t *testing.T) {
	long := func(n int) *replay.Conversation {
		var turns []replay.Turn
		for i := range n {
			turns = append(turns, asked(i+1, fmt.Sprintf("This is question %d of so many.", i), "Yes.", at(0.5)))
		}
		return talk(turns...)
	}
	began := time.Now()
	if c := replay.Compare(long(4000), long(4000), policy); !c.Equal() {
		t.Error(len(c.Divergences))
	}
	if c := replay.Compare(long(400), long(399), policy); len(c.Divergences) != 1 || c.Divergences[0].Pair != 399 {
		t.Errorf("%s", compared(c))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
