package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"parley/agent/replay"
	"parley/web"
)

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAccountIsPrinted(t *testing.T) {
	d := func(d time.Duration) *time.Duration { return &d }
	cue := func(k replay.CueKind, a replay.Anchor, wait time.Duration) replay.Cue {
		return replay.Cue{Kind: k, Anchor: a, Wait: wait, Answered: true}
	}
	aside := replay.Cue{Kind: replay.Speak, Anchor: replay.InAnswer, Wait: 1500 * milli, Aside: true}
	noise := replay.Cue{Kind: replay.Speak, Anchor: replay.AnswerEnds, Wait: time.Second, Aside: true}
	key, typed := cue(replay.Press, replay.CueEnds, 0), cue(replay.Write, replay.CueEnds, 0)
	key.Text, key.Answered, typed.Text = "5", false, "hello"
	off, on := replay.Cue{Kind: replay.Mute, On: true, Aside: true}, replay.Cue{Kind: replay.Mute, Aside: true}
	r := &account{
		part:     &part{path: "old.conv"},
		Replayed: Replayed{Recording: "c1", Start: time.Date(2026, 11, 27, 10, 0, 0, 0, time.Local), Schedule: "reactive", URL: "http://host", Trial: 2},
		path:     "new.conv", Server: &web.Hello{Build: "b", STT: "s", LLM: "l", TTS: "t"},
		Length: replay.Span{From: 61 * time.Second, To: 62500 * milli},
		Counts: counts{Said: 8, Unsaid: 1, Unanswered: 1, Undone: 1, Late: 1, HeardOut: 1, Endless: 1, NoGreeting: true},
		Broken: "the server hung up",
		Cues: []accounted{
			{Cue: cue(replay.Speak, replay.AnswerEnds, 0), Then: side{User: "Hi.", Answer: "Hello!", Response: d(900 * milli)},
				Now: side{First: time.Second, Last: 2500 * milli, User: "Hi.", Answer: "Good day.", Response: d(1200 * milli)}, HeardOut: true, Endless: true},
			{Cue: aside, Now: side{First: 5 * time.Second, Last: 5200 * milli, Kept: true}},
			{Cue: noise, Now: side{First: 6 * time.Second, Last: 6100 * milli}},
			{Cue: cue(replay.Speak, replay.InAnswer, 700*milli), Then: side{Stop: d(80 * milli), Response: d(time.Second)},
				Now: side{First: 65 * time.Second, Last: 66 * time.Second, User: "No."}, Late: true, Unanswered: true},
			{Cue: cue(replay.Speak, replay.CueEnds, 0), Now: side{First: 70 * time.Second, Last: 71 * time.Second, Kept: true}},
			{Cue: key, Now: side{First: 80 * time.Second, Last: 80 * time.Second}, Undone: true},
			{Cue: typed, Now: side{First: 81 * time.Second, Last: 81 * time.Second, Response: d(milli)}, Then: side{Response: d(milli)}},
			{Cue: off, Now: side{}}, {Cue: on, Now: side{}},
		},
	}
	want := `c1, recorded 2026-11-27 10:00:00, again to http://host, trial 2, reactive
  the caller is a model of a person: it waits, interrupts and goes on as recorded, whatever it is asked
  server: build b, stt s, llm l, tts t
  there was a greeting in the recording, and none now
 1  0:01.0  speaks (1.5s)
      taken for "Hi.", as then
      answered after 1200 ms, then after 900 ms
      with "Good day.", then "Hello!"
      the agent was speaking at that moment, and was heard out first
      the answer before did not end
 2  0:05.0  says something short (200ms) 1.5s into the answer
 3  0:06.0  makes a sound (100ms) that was taken for no turn
 4  1:05.0  interrupts (1s) 700ms into the answer
      taken for "No.", then nothing
      the agent fell silent not at all, then after 80 ms
      answered not at all, then after 1000 ms
      NOT ANSWERED: it was in the recording
      the answer was over before that place: said at once
 5  1:10.0  speaks (1s)
      answered by going on, then not at all
 6  1:20.0  presses 5
      NOT DONE: the server takes no keys, or no messages
 7  1:21.0  types "hello"
      answered after 1 ms, as then
 8  0:00.0  turns the microphone off
 9  0:00.0  turns the microphone on
the call broke off: the server hung up
62.5 s, in the recording 61.0 s; 8 of 9 done, 1 not answered, 1 not taken, 1 late for an answer, 1 after hearing the agent out, 1 after an answer without an end
parley diff old.conv new.conv
`
	var out bytes.Buffer
	if err := r.print(&out, false); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	var again account
	if err := r.print(&out, true); err != nil || json.Unmarshal(out.Bytes(), &again) != nil || again.Counts != r.Counts || again.Recording != "c1" ||
		len(again.Cues) != 9 || *again.Cues[3].Then.Stop != 80*milli {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, asJSON := range []bool{false, true} {
		if r.print(fullDisk{}, asJSON) == nil {
			t.Error("a full disk is no error")
		}
	}
	if !r.missed() || (&account{Counts: counts{Said: 3, Late: 2, NoGreeting: true}}).missed() {
		t.Error("what the server missed")
	}
}
