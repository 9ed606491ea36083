package bench

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/internal/netsim"
	"parley/media"
	"parley/stt"
)

// murmur is speech that no installed package is needed for.
func murmur(name string, d time.Duration) corpus.Utterance {
	u := corpus.Utterance{Name: name, Text: "one two", Rate: media.ListenRate, PCM: make([]int16, int(d.Seconds()*media.ListenRate))}
	for i := range u.PCM {
		u.PCM[i] = int16(8000 * math.Sin(float64(i)*0.11) * math.Sin(float64(i)*0.0005))
	}
	return u
}

func network(t *testing.T, name string) netsim.Profile {
	t.Helper()
	p, err := netsim.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func carryOver(t *testing.T, talk talking, p netsim.Profile, seed uint64) carried {
	t.Helper()
	c, err := carry(talk.pcm, p, seed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMonolog(t *testing.T) {
	talk := monolog([]corpus.Utterance{murmur("a", 2010*time.Millisecond), murmur("b", time.Second)})
	if len(talk.said) != 2 || talk.duration() != 6020*time.Millisecond || len(talk.pcm)%(browserRate/50) != 0 {
		t.Fatalf("%v, %d", talk.duration(), len(talk.said))
	}
	if a, b := talk.said[0], talk.said[1]; a.from != 50 || a.to != 151 || b.from != 201 || b.to != 251 {
		t.Errorf("%d–%d, %d–%d", a.from, a.to, b.from, b.to)
	}
	if got := evenly(make([]corpus.Utterance, 3), 0); len(got) != 3 {
		t.Errorf("%d of all", len(got))
	}
	if got := evenly([]corpus.Utterance{{Name: "0"}, {Name: "1"}, {Name: "2"}, {Name: "3"}}, 2); len(got) != 2 || got[1].Name != "2" {
		t.Errorf("%+v", got)
	}
}

// On a clean network each frame is there when its packet is, and holds what was said then.
func TestCarryClean(t *testing.T) {
	talk := monolog([]corpus.Utterance{murmur("a", 3*time.Second)})
	c := carryOver(t, talk, network(t, "clean"), 1)
	if c.lost != 0 || c.first != 0 || c.concealed() != 0 || len(c.delays()) != c.sent || c.sent != 250 {
		t.Fatalf("%d sent, %d lost, first %d, %d frames, %.2f concealed", c.sent, c.lost, c.first, len(c.frames), c.concealed())
	}
	if d := c.delays(); d.at(100) != 0 {
		t.Errorf("added delay %v", d)
	}
	loud := func(pcm []int16) bool { return slices.Max(pcm) > 2000 }
	said := talk.said[0]
	if !loud(c.cut(said.from, said.to)) || loud(c.cut(said.from-30, said.from-20)) || loud(c.cut(said.to+20, said.to+30)) {
		t.Error("what was said is not at its place")
	}
	if edge := int(netEdge / media.FrameDuration); len(c.cut(said.from, said.to)) != (said.to-said.from+2*edge)*320 || c.cut(10_000, 10_001) != nil {
		t.Error("the cut is not as long as it should be")
	}
}

// One seed repeats, sample by sample, and another does not.
func TestCarryRepeats(t *testing.T) {
	talk := monolog([]corpus.Utterance{murmur("a", 6*time.Second)})
	same := func(a, b carried) bool {
		return a.up == b.up && slices.EqualFunc(a.frames, b.frames, func(f, g carriedFrame) bool {
			return f.out == g.out && slices.Equal(f.pcm, g.pcm)
		})
	}
	p := network(t, "burst5")
	a := carryOver(t, talk, p, 1)
	if !same(a, carryOver(t, talk, p, 1)) || same(a, carryOver(t, talk, p, 2)) {
		t.Error("the seed does not decide what happens")
	}
	if a.lost == 0 || a.concealed() == 0 || a.up.Lost != uint64(a.lost) || a.up.Recovered == 0 || a.delays().at(100) <= media.FrameDuration {
		t.Errorf("%d lost, %.3f concealed, max %v, %+v", a.lost, a.concealed(), a.delays().at(100), a.up)
	}
}

func TestSettled(t *testing.T) {
	p := netsim.Profile{Outage: netsim.Outage{First: time.Second, Long: time.Second, Every: 3 * time.Second}}
	c := carried{sent: 400, frames: make([]carriedFrame, 400)}
	for i := range c.frames {
		c.frames[i].added = time.Duration(i%2) * time.Millisecond
	}
	if got := c.settled(p); !slices.Equal(got, []time.Duration{0, 0}) {
		t.Errorf("nothing is late: %v", got)
	}
	c.frames[110].added = 50 * time.Millisecond // 220 ms after the first outage
	c.frames[60].added = time.Second            // in it
	c.frames[260].depth = 40 * time.Millisecond // 220 ms after the second
	if got := c.settled(p); !slices.Equal(got, []time.Duration{220 * time.Millisecond, 220 * time.Millisecond}) {
		t.Errorf("%v", got)
	}
	p.Outage.Every = 0
	if got := c.settled(p); !slices.Equal(got, []time.Duration{3220 * time.Millisecond}) {
		t.Errorf("once: %v", got)
	}
}

// A real outage ends without a trace.
func TestCarryBlackout(t *testing.T) {
	p := network(t, "blackout2s")
	p.Outage.First = 3 * time.Second
	c := carryOver(t, monolog([]corpus.Utterance{murmur("a", 8*time.Second)}), p, 1)
	if c.lost != 100 || c.delays().at(100) < 100*time.Millisecond || len(c.settled(p)) != 1 || c.settled(p)[0] > 2*time.Second {
		t.Errorf("%d lost, max %v, settled %v", c.lost, c.delays().at(100), c.settled(p))
	}
}

func TestGoals(t *testing.T) {
	row := func(name string, wrong int, late time.Duration) netRow {
		r := netRow{profile: network(t, name), words: wordErrors{wrong, 100}}
		r.line.sent, r.line.frames = 1000, make([]carriedFrame, 1000)
		for i := range r.line.frames[600:] {
			r.line.frames[600+i].added = late
		}
		return r
	}
	for _, c := range []struct {
		name   string
		rows   []netRow
		missed int
	}{
		{"all well", []netRow{row("clean", 4, 0), row("wifi", 90, time.Second), row("burst5", 6, time.Second), row("blackout2s", 30, 0)}, 0},
		{"slow", []netRow{row("clean", 4, 21*time.Millisecond)}, 1},
		{"misheard", []netRow{row("clean", 4, 0), row("burst5", 7, 0)}, 1},
		{"never settles", []netRow{row("blackout2s", 4, 50*time.Millisecond)}, 1},
	} {
		var out strings.Builder
		err := printNet(&out, c.rows)
		if got := strings.Count(out.String(), "MISSED"); got != c.missed || errors.Is(err, ErrGoal) != (c.missed > 0) {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
}

// recognizer hears text in everything.
func recognizer(text string, fail error) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			var voiced time.Duration
			for a := range in(ctx) {
				voiced += a.Duration()
				if a.Flush && fail == nil {
					yield(stt.Result{Kind: stt.Final, Text: text, End: voiced}, nil)
					return
				}
			}
			yield(stt.Result{}, fail)
		}
	})
}

func TestUnderstand(t *testing.T) {
	talk := monolog([]corpus.Utterance{murmur("a", time.Second), murmur("b", time.Second), murmur("c", time.Second)})
	c := carryOver(t, talk, network(t, "clean"), 1)
	got, err := understand(t.Context(), recognizer("one too", nil), talk, c)
	if err != nil || got != (wordErrors{3, 6}) || got.String() != "50.0 % of 6" {
		t.Errorf("%v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := understand(t.Context(), recognizer("", broken), talk, c); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestNetRefuses(t *testing.T) {
	for _, c := range []struct {
		cmd  NetCmd
		want string
	}{
		{NetCmd{Profiles: []string{"dialup"}, Utterances: 1}, "no network profile"},
		{NetCmd{Utterances: 1}, "nothing to measure"},
	} {
		if err := c.cmd.Run(t.Context(), new(strings.Builder)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cmd, err)
		}
	}
}

func TestBenchNet(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the speech of two Debian packages")
	}
	var out strings.Builder
	cmd := NetCmd{Profiles: []string{"clean", " blackout2s"}, Utterances: 5, Seed: 2, STT: "script:lines=" + strings.Repeat("what|", 20)}
	if err := cmd.Run(t.Context(), &out); err != nil {
		t.Fatal(err, out.String())
	}
	for _, want := range []string{"5 utterances", "seed 2", "clean", "blackout2s", "pass: clean adds 0.0 ms", "pass: after blackout2s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not printed: %s\n%s", want, out.String())
		}
	}
	cmd.STT = "no such"
	if err := cmd.Run(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "no such") {
		t.Errorf("%v", err)
	}
}
