package dialogs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent/replay/rerun"
	"parley/llm"
	"parley/llm/llmtest"
	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
	"parley/tts"
	"parley/tts/tone"
	"parley/tts/ttstest"
)

func TestRecognizerKeepsTheContract(t *testing.T) {
	sttest.Run(t, sttest.Options{New: func(testing.TB) stt.Recognizer {
		d := Dialog{}
		for n := range 100 { // where the suite speaks: from 10.4 s to 11.4 s, and 4.2 s later again
			from := 10500*ms + time.Duration(n)*4200*ms
			d.Heard = append(d.Heard, Utterance{Words: evenly("one two", from, from+500*ms)})
		}
		return d.recognizer(times{stt.Partial: ms, stt.Final: 10 * ms})
	}})
}

func TestModelKeepsTheContract(t *testing.T) {
	llmtest.Run(t, llmtest.Options{
		New: func(testing.TB) llm.Model {
			return Dialog{Want: []Exchange{{User: "name two colors please", Agent: "Red and blue."}}}.model(20*ms, 5*ms)
		},
		Said: func(text string) error {
			if text != "Red and blue." {
				return fmt.Errorf("said %q", text)
			}
			return nil
		},
		Limits: true,
	})
}

// TestRecognizer gives it frames of 100 ms: v is voice, . is none, F and f ask for a Final, with voice and without.
func TestRecognizer(t *testing.T) {
	d := Dialog{Heard: []Utterance{
		{Words: evenly("one two", 160*ms, 560*ms)},
		{Words: evenly("three", 960*ms, 1360*ms)},
		{Words: evenly("four", 360*ms, 3000*ms), Muted: true},
		{Words: evenly("five", 2960*ms, 3360*ms)},
	}}
	for _, c := range []struct{ name, picture, want string }{
		{"words that are over", "..vvvvvf", `onset ""; partial "one"; final "one two"`},
		{"in the middle of a word", "..vvF", `onset ""; partial "one"; final "one"`},
		{"before the first", "f..", `final ""`},
		{"the utterance goes on", "..vvvvvf..vvvvvf", `onset ""; partial "one"; final "one two"; partial "one two three"; final "one two three"`},
		{"asked again", "..vvvvvf.f", `onset ""; partial "one"; final "one two"; final "one two"`},
		{"asked long after", "..vvvvvf..vvvvvf" + strings.Repeat(".", 12) + "f", `onset ""; partial "one"; final "one two"; partial "one two three"; final "one two three"; final ""`},
		{"nobody asks", "..vvvv....vvvvv" + strings.Repeat(".", 15) + "vvvvvf", `onset ""; partial "one"; partial "one two"; final "one two three"; onset ""; partial "five"; final "five"`},
		{"the end", "..vvvvv..", `onset ""; partial "one"; final "one two"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var in []stt.Audio
				for i, p := range c.picture {
					in = append(in, stt.Audio{Frame: media.Frame{At: time.Duration(i) * 100 * ms, Rate: media.ListenRate, PCM: make([]int16, media.ListenRate/10)},
						Voice: p == 'v' || p == 'F', Flush: p == 'f' || p == 'F'})
				}
				var got []string
				for r, err := range d.Recognizer().Recognize(t.Context(), media.Of(in...)) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, fmt.Sprintf("%v %q", r.Kind, r.Text))
				}
				if g := strings.Join(got, "; "); g != c.want {
					t.Errorf("got  %s\nwant %s", g, c.want)
				}
			})
		})
	}
}

// TestLateCall: a recognizer that is opened again in the middle of a call goes on with what is said then.
func TestLateCall(t *testing.T) {
	d := Dialog{Heard: []Utterance{{Words: evenly("one", 0, 500*ms)}, {Words: evenly("two", 5*time.Second, 6*time.Second)}}}
	in := stt.Audio{Frame: media.Frame{At: 6 * time.Second, Rate: media.ListenRate, PCM: make([]int16, 320)}, Flush: true}
	for r, err := range d.Recognizer().Recognize(context.Background(), media.Of(in)) {
		if err != nil || r.Text != "two" || r.Start != 5*time.Second+Lead || len(r.Words) != 1 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	d := Dialog{Want: []Exchange{{Agent: "Hello."}, {User: "Ten of clubs.", Agent: "First."}, {User: "Go on, please", Agent: "Second."}, {User: "Stop."}}}
	for _, c := range []struct{ said, want string }{
		{"ten of clubs", "First."},
		{"Ten of", "First."},
		{"ten of clubs Go on, please.", "Second."},
		{"go on", "Second."},
		{"tent", pardon},
		{"stop", pardon},
		{"", pardon},
	} {
		req := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "ten of clubs"}, {Role: llm.Agent, Text: "First."}, {Role: llm.User, Text: c.said}}}
		if got := d.answer(req); got != c.want {
			t.Errorf("to %q it answers %q, want %q", c.said, got, c.want)
		}
	}
	if got := d.answer(llm.Request{}); got != pardon {
		t.Errorf("to nothing it answers %q", got)
	}
}

func TestStage(t *testing.T) {
	d := played(t, "greeting A.\nsay at 1s beep: Beep.\nanswer Yes.")
	s, err := d.Stage(rerun.Engines{})
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != "a" || s.Length != 8*time.Second+Lead || len(s.Up) != 400 || s.Engines.Recognizer == nil || s.Engines.Model == nil || s.Up[0].At != Lead {
		t.Errorf("%s, %v, %d packets, first %+v", s.ID, s.Length, len(s.Up), s.Up[0])
	}
	late := map[time.Duration]bool{}
	for n, p := range s.Up {
		off := p.At - Lead - time.Duration(n)*media.FrameDuration
		late[off] = true
		if off < 0 || off > jitter || p.Seq != uint16(n) || p.Time != uint32(960*n) || len(p.Payload) == 0 {
			t.Errorf("packet %d: %+v", n, p)
		}
	}
	if len(late) < 50 {
		t.Errorf("%d different delays", len(late))
	}
	again, err := d.Stage(rerun.Engines{})
	same := func(a, b media.Packet) bool { return a.At == b.At && slices.Equal(a.Payload, b.Payload) }
	if err != nil || !slices.EqualFunc(s.Up, again.Up, same) {
		t.Errorf("made again it differs, %v", err)
	}
}

func TestSlowVoiceKeepsTheContract(t *testing.T) {
	ttstest.Run(t, ttstest.Options{New: func(testing.TB) tts.Voice { return slow(tone.Voice{}, 5*ms, ms) }})
}
