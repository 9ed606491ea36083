package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/cmd/parley/verdict"
	"parley/internal/caller"
	"parley/internal/caller/callertest"
	"parley/media/record"
	"parley/media/rtc"
	"parley/web"
)

const milli = time.Millisecond

// liveSpeak is a cue of a tone.
func liveSpeak(long time.Duration, anchor replay.Anchor, wait time.Duration) line {
	return line{Cue: replay.Cue{Kind: replay.Speak, Span: replay.Span{To: long}, Anchor: anchor, Wait: wait, Answered: true}, pcm: callertest.Tone(long)}
}

// scripted is a part of cues, each 10 s after the one before on the recording's clock.
func scripted(cues ...line) *part {
	for i := range cues {
		at := time.Duration(i) * 10 * time.Second
		cues[i].Turn, cues[i].From, cues[i].To = i+1, at, at+cues[i].To
	}
	m := record.Manifest{ID: "c1", Start: time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC), Config: json.RawMessage(`{"Greeting":"-"}`)}
	return &part{Conversation: &replay.Conversation{Manifest: m, Length: time.Minute}, path: "c1.conv", cues: cues}
}

// livePatience has room for a machine that does other things too.
const livePatience = 1500 * milli

// liveHold performs a part with an agent.
func liveHold(t *testing.T, a callertest.Agent, l *part) *account {
	t.Helper()
	cmd := &LiveCmd{URL: a.Start(t), Schedule: "reactive", Out: t.TempDir(), Trials: 1, Patience: livePatience}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 40*time.Second, errors.New("the test took too long"))
	defer cancel()
	r, err := cmd.call(ctx, l, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cues)+r.Counts.Unsaid != len(l.cues) {
		t.Errorf("of %d cues %d are told and %d unsaid", len(l.cues), len(r.Cues), r.Counts.Unsaid)
	}
	var out bytes.Buffer
	if err := r.print(&out, false); err != nil {
		t.Error(err)
	}
	t.Log(out.String())
	return r
}

// liveNear fails the test if a time is out of bounds that leave room for a busy machine.
func liveNear(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if d := got - want; d < -100*milli || d > 300*milli { // a machine that does other things sends late, and what is counted from that is early
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestLiveReactive(t *testing.T) {
	polite := liveSpeak(400*milli, replay.AnswerEnds, 300*milli)
	polite.Polite = true
	key := line{Cue: replay.Cue{Kind: replay.Press, Text: "5", Anchor: replay.AnswerEnds, Wait: 100 * milli}}
	typed := line{Cue: replay.Cue{Kind: replay.Write, Text: "hello", Anchor: replay.CueEnds, Wait: 300 * milli, Answered: true}}
	mute := line{Cue: replay.Cue{Kind: replay.Mute, On: true, Anchor: replay.InCue, Wait: 100 * milli, Aside: true}}
	l := scripted(liveSpeak(500*milli, replay.AnswerEnds, 0), liveSpeak(400*milli, replay.InAnswer, 500*milli), polite, key, typed,
		liveSpeak(300*milli, replay.AnswerEnds, 200*milli), mute)
	r := liveHold(t, callertest.Agent{Answer: 1200 * milli}, l)
	if r.missed() || r.Broken != "" || !r.Counts.NoGreeting || r.Counts.Said != 7 || r.Counts.Late+r.Counts.HeardOut+r.Counts.Endless != 0 {
		t.Errorf("%+v, %s", r.Counts, r.Broken)
	}
	now := func(i int) side { return r.Cues[i].Now }
	liveNear(t, "the first, after a wait for a greeting", now(0).First, livePatience)
	liveNear(t, "the interruption", now(1).First, now(0).Last+*now(0).Response+500*milli)
	if stop := now(1).Stop; stop == nil || *stop > 300*milli {
		t.Errorf("the agent did not stop: %+v", now(1))
	}
	liveNear(t, "the gap before the one after an answer", *now(2).Gap, 300*milli)
	liveNear(t, "that before the key", *now(3).Gap, 100*milli)
	liveNear(t, "what is typed", now(4).First, now(3).Last+300*milli)
	liveNear(t, "the gap before the last", *now(5).Gap, 200*milli)
	liveNear(t, "the mute within it", now(6).First, now(5).First+100*milli)
	liveWhole(t, r)
}

// liveWhole checks the new recording.
func liveWhole(t *testing.T, r *account) {
	t.Helper()
	b, err := record.Open(r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	v := b.Verify()
	if len(v.Problems) > 0 || v.Up.Packets < 200 || v.Down.Packets < 200 || v.Controls < 2 || v.Log.Lines < 5 || v.Log.Scores < 200 || v.Gaps != 0 {
		t.Errorf("%+v", v)
	}
	if d := b.Duration() - r.Length.To; d < 0 || d > 3*time.Second {
		t.Errorf("it lasts %v, the conversation %v", b.Duration(), r.Length.To)
	}
	var config struct {
		Greeting string
		Replayed Replayed
	}
	if err := json.Unmarshal(b.Config, &config); err != nil || config.Greeting != "-" || config.Replayed != r.Replayed || r.Recording != "c1" {
		t.Errorf("%s, %v", b.Config, err)
	}
	then, err := levels(b)
	if err != nil {
		t.Fatal(err)
	}
	zero := b.Duration() // of the conversation's times: its first audible packet was sent then
	if p, ok := caller.FirstAudible(then.caller, -1); ok {
		zero = p.At - r.Cues[0].Now.First
	}
	for i, c := range r.Cues[:2] {
		said := caller.Said{First: c.Now.First + zero, Last: c.Now.Last + zero}
		m := measure(then.agent, said, r.Cues[i+1].Now.First+zero, 0)
		if m.Response == nil || max(*m.Response-*c.Now.Response, *c.Now.Response-*m.Response) > 300*milli {
			t.Errorf("cue %d: in the recording %+v, in the call %+v", i, m, c.Now)
		}
	}
}

func TestLiveAgentsThatAreOtherwise(t *testing.T) {
	polite := func(long time.Duration, anchor replay.Anchor, wait time.Duration) line {
		l := liveSpeak(long, anchor, wait)
		l.Polite = true
		return l
	}
	aside := liveSpeak(200*milli, replay.InAnswer, 100*milli)
	aside.Aside = true
	first := liveSpeak(300*milli, replay.Connected, 100*milli)
	for _, c := range []struct {
		name   string
		agent  callertest.Agent
		part   *part
		want   counts
		broken string
	}{
		{"it never answers", callertest.Agent{Deaf: true}, scripted(first, aside, liveSpeak(300*milli, replay.AnswerEnds, 0)),
			counts{Said: 3, Unanswered: 2}, ""},
		{"it answers more shortly", callertest.Agent{Answer: 300 * milli}, scripted(first, liveSpeak(300*milli, replay.InAnswer, 5*time.Second)),
			counts{Said: 2, Late: 1}, ""},
		{"it answers what was not answered", callertest.Agent{Answer: 1500 * milli}, scripted(first, polite(300*milli, replay.CueEnds, 600*milli)),
			counts{Said: 2, HeardOut: 1}, ""},
		{"it tells nothing", callertest.Agent{Answer: 500 * milli, NoState: true}, scripted(first, liveSpeak(300*milli, replay.AnswerEnds, 0)),
			counts{Said: 2}, ""},
		{"it hangs up too early", callertest.Agent{Answer: 3 * time.Second, HangUp: 1500 * milli}, scripted(first, liveSpeak(300*milli, replay.AnswerEnds, 0)),
			counts{Said: 1, Unsaid: 1}, "the server hung up"},
		{"it hangs up in its last answer", callertest.Agent{Answer: 3 * time.Second, HangUp: 2 * time.Second}, scripted(first),
			counts{Said: 1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := liveHold(t, c.agent, c.part)
			if r.Counts != c.want || r.Broken != c.broken {
				t.Errorf("%+v, %q; want %+v, %q", r.Counts, r.Broken, c.want, c.broken)
			}
		})
	}
}

func TestLiveFailures(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "All lines are busy.", http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	path := livePath(t, "c1")
	empty := liveSilence(t, "c2")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := callertest.Agent{Answer: 100 * milli}.Start(t)
	for _, c := range []struct {
		name string
		cmd  LiveCmd
		want string
	}{
		{"no such recording", LiveCmd{Bundle: "c9", URL: url}, `find recording "c9"`},
		{"nothing was said", LiveCmd{Bundle: empty, URL: url}, "nothing that the caller said or did"},
		{"no patience", LiveCmd{Bundle: path, URL: url, Patience: -1}, "--patience must be more"},
		{"no trials", LiveCmd{Bundle: path, URL: url, Trials: -1}, "--trials"},
		{"busy", LiveCmd{Bundle: path, URL: busy.URL}, "All lines are busy."},
		{"a network that is not known", LiveCmd{Bundle: path, URL: url, Net: "dialup"}, `--net: there is no network profile "dialup"`},
		{"no URL", LiveCmd{Bundle: path, URL: "http://me:secret@[::1"}, "--url: it is not like"},
		{"nowhere to write", LiveCmd{Bundle: path, URL: url, Out: file}, "the new recording was not written"},
	} {
		c.cmd.Schedule = "absolute"
		if c.cmd.Trials == 0 {
			c.cmd.Trials = 1
		}
		if c.cmd.Patience == 0 {
			c.cmd.Patience = time.Second
		}
		if c.cmd.Out == "" {
			c.cmd.Out = t.TempDir()
		}
		var out bytes.Buffer
		err := c.cmd.Run(t.Context(), &out)
		var v verdict.Verdict
		if !errors.As(err, &v) || v.ExitCode() != 2 || !strings.Contains(v.Error(), c.want) || strings.Contains(v.Error(), "secret") {
			t.Errorf("%s: %v; want %q\n%s", c.name, err, c.want, &out)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := LiveCmd{Bundle: path, URL: url, Schedule: "reactive", Trials: 1, Patience: time.Second, Out: t.TempDir()}
	if err := cmd.Run(ctx, new(bytes.Buffer)); err != verdict.Unknown(context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// What a server tells is kept as the event that it was made of.
func TestEventsOfMessages(t *testing.T) {
	for _, e := range []agent.Event{
		{Kind: agent.State, Text: "thinking"},
		{Kind: agent.User, Turn: 3, Text: "Hello.", Final: true},
		{Kind: agent.Answer, Turn: 3, Said: &agent.Said{Generated: "Hi there.", Heard: "Hi", Done: true, Interrupted: true}},
		{Kind: agent.Timing, Turn: 3, Measured: agent.Measured{Latency: &agent.Latency{Commit: milli, Text: 2 * milli, Token: 3 * milli, Phrase: 4 * milli, Audio: 5 * milli, Sent: 6 * milli}}},
		{Kind: agent.Trouble, Code: "llm", Text: "The language model failed."},
		{Kind: agent.End, Err: agent.ErrGoodbye, Text: agent.ErrGoodbye.Error()},
	} {
		got, ok := event(caller.Message{At: time.Second, Type: typeOf(t, web.Message(e)), Raw: web.Message(e)})
		e.At, e.Err = time.Second, nil
		a, err := json.Marshal(got)
		b, err2 := json.Marshal(e)
		if err := errors.Join(err, err2); err != nil || !ok || got.At != e.At || !bytes.Equal(a, b) {
			t.Errorf("%s; want %s; %v", a, b, err)
		}
	}
	for _, m := range []caller.Message{{Type: "counters", Raw: []byte(`{"type":"counters"}`)}, {Raw: []byte("hello")}, {Raw: []byte(`[1]`)},
		{Type: "user", Raw: []byte(`{"type":"user","turn":"x"}`)}} {
		if e, ok := event(m); ok {
			t.Errorf("%s is %+v", m.Raw, e)
		}
	}
	if reason("The caller won a prize.") != "The caller won a prize." || millis(1e300) != 0 {
		t.Error("what no server of ours tells")
	}
	if got := broken(rtc.ErrVanished); got != rtc.ErrVanished.Error() {
		t.Error(got)
	}
}

// A server may tell anything.
func FuzzMessage(f *testing.F) {
	for kind, raw := range map[string]string{"user": `{"type":"user","turn":1,"text":"a","final":true}`, "latency": `{"totalMs":1e308,"textMs":-1e308}`,
		"agent": `{"heard":"x","done":true}`, "ended": `{"reason":"Goodbye."}`, "hello": `{"build":1}`, "": `null`} {
		f.Add(kind, []byte(raw))
	}
	f.Fuzz(func(t *testing.T, kind string, raw []byte) {
		s := &scribe{}
		s.message(caller.Message{At: time.Second, Type: kind, Raw: raw})
		_, told := s.events()
		for _, e := range told {
			line, err := json.Marshal(e)
			var again agent.Event
			if err != nil || json.Unmarshal(line, &again) != nil || again.Kind != e.Kind || e.At != time.Second {
				t.Errorf("%s: %s, %v", raw, line, err)
			}
		}
		exchanges(told)
	})
}

// Words are those of the cue after which they were last told.
func TestExchanges(t *testing.T) {
	var told []agent.Event
	tell := func(at time.Duration, turn int, user, heard string) {
		e := agent.Event{At: at, Kind: agent.User, Turn: turn, Text: user}
		if user == "" {
			e.Kind, e.Said = agent.Answer, &agent.Said{Heard: heard}
		}
		told = append(told, e)
	}
	tell(time.Second, 1, "What", "")
	tell(2*time.Second, 1, "What is it?", "")
	tell(2500*milli, 2, "What is it?", "") // the recognizer had not forgotten
	tell(3*time.Second, 1, "", "A")
	tell(5*time.Second, 1, "", "A clock.")
	tell(6*time.Second, 2, "No!", "")
	tell(7*time.Second, 2, "", "Sorry.")
	tell(9*time.Second, 3, "", "Are you there?")
	told = append(told, agent.Event{At: 9 * time.Second, Kind: agent.State, Text: "listening"})
	for _, c := range []struct {
		from, until  time.Duration
		user, answer string
	}{{0, 4 * time.Second, "What is it?", "A clock."}, {4 * time.Second, 10 * time.Second, "No!", "Sorry. Are you there?"}, {10 * time.Second, 20 * time.Second, "", ""}} {
		if user, answer := within(exchanges(told), c.from, c.until); user != c.user || answer != c.answer {
			t.Errorf("from %v: %q, %q", c.from, user, answer)
		}
	}
}

func typeOf(t *testing.T, raw []byte) string {
	var m struct{ Type string }
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m.Type
}

func TestLiveIsDescribed(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{"Greeting":"Hi","replayed":{"url":"old"}}`, `{"Greeting":"Hi","replayed":{"recording":"a","start":"0001-01-01T00:00:00Z","schedule":"absolute","url":"u","trial":1}}`},
		{``, `{"replayed":{"recording":"a","start":"0001-01-01T00:00:00Z","schedule":"absolute","url":"u","trial":1}}`},
		{`[1]`, `{"replayed":{"recording":"a","start":"0001-01-01T00:00:00Z","schedule":"absolute","url":"u","trial":1}}`},
	} {
		got, err := describe(json.RawMessage(c.config), Replayed{Recording: "a", Schedule: "absolute", URL: "u", Trial: 1, Seed: 1})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", c.config, got, err)
		}
	}
	for in, want := range map[string]string{
		"127.0.0.1:80": "http://127.0.0.1:80", "https://me:secret@host/offer?token=x#y": "https://host/offer",
	} {
		if got, err := withoutSecrets(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	id := newID(strings.Repeat("a", 64))
	if _, err := record.Folder(id); err != nil || id == newID(strings.Repeat("a", 64)) {
		t.Error(id, err)
	}
}
