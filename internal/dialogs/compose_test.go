package dialogs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/internal/corpus"
	"parley/media"
)

const ms = time.Millisecond

// beeps are voices for plays: a second that says "Beep."
var beeps = func() map[string]corpus.Utterance {
	u := corpus.Utterance{Name: "beep", Text: "Beep.", Speaker: "a machine", Rate: media.ListenRate, PCM: make([]int16, media.ListenRate)}
	for i := range u.PCM {
		u.PCM[i] = 1000
	}
	return map[string]corpus.Utterance{"beep": u}
}()

// played composes one dialog.
func played(t *testing.T, lines string) Dialog {
	t.Helper()
	plays, err := parse("dialog a\n" + lines)
	if err != nil {
		t.Fatal(err)
	}
	d, err := compose(plays[0], beeps)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCompose(t *testing.T) {
	for _, c := range []struct{ name, lines, sounds, inputs, want string }{
		{"a question", "greeting Ten chars.\nsay +500ms beep: Beep!\nanswer Yes.", "1.25s–2.25s Beep!", "",
			`"" – "Ten chars."; "Beep!" – "Yes."`},
		{"a turn of two recordings", "greeting Ten chars.\nsay +500ms beep 250ms beep: Beep, beep.\nanswer Yes.",
			"1.25s–2.25s Beep,; 2.5s–3.5s beep.", "", `"" – "Ten chars."; "Beep, beep." – "Yes."`},
		{"two lines are one turn", "greeting A.\nsay at 1s beep: Beep.\nsay +500ms beep: Beep.\nanswer Yes.",
			"1s–2s Beep.; 2.5s–3.5s Beep.", "", `"" – "A."; "Beep. Beep." – "Yes."`},
		{"an interruption", "greeting A.\nsay at 1s beep: Beep.\nanswer! Long, long.\nsay in 200ms beep: Beep.\nanswer Yes.",
			"1s–2s Beep.; 3.25s–4.25s Beep. (200ms in)", "", `"" – "A."; "Beep." – "Long, long." (cut); "Beep." – "Yes."`},
		{"a turn without an answer", "greeting A.\nsay at 1s beep: Beep.\nsilent\nsay +1s beep: Beep.\nanswer Yes.",
			"1s–2s Beep.; 3s–4s Beep.", "", `"" – "A."; "Beep." – ""; "Beep." – "Yes."`},
		{"a backchannel makes an answer longer", "greeting A.\nsay at 1s beep: Beep.\nanswer Ten chars.\nbackchannel in 100ms beep: Beep.\nsay +1s beep: Beep.",
			"1s–2s Beep.; 3.15s–4.15s Beep. (100ms in); 6.6s–7.6s Beep.", "", `"" – "A."; "Beep." – "Ten chars."; "Beep." – ""`},
		{"keys", "greeting A.\nkey at 1s 4\nkey +300ms #\nanswer Yes.\nkey in 100ms 7", "",
			`1.043s key "4"; 1.343s key "#"; 1.793s key "7"`, `"" – "A."; "Keys pressed: 4 #" – "Yes."; "Keys pressed: 7" – ""`},
		{"typed", "greeting A.\ntype at 1s: What?\nanswer Yes.", "", `1.043s text "What?"`, `"" – "A."; "What?" – "Yes."`},
		{"muted", "greeting A.\nmute at 900ms\nsay at 1s beep: Beep.\nunmute +200ms\nsay +1s beep: Beep.\nanswer Yes.",
			"1s–2s Beep. (muted); 3.2s–4.2s Beep.", `943ms mute ""; 2.243s mute ""`, `"" – "A."; "Beep." – "Yes."`},
		{"muted to the end", "greeting A.\nmute at 900ms\nsay at 1s beep: Beep.", "1s–2s Beep. (muted)", `943ms mute ""`, `"" – "A."`},
		{"silence", "check-in 5s\ngreeting A.\ncheck-in!\nsay in 100ms beep: Beep.\nanswer Yes.", "5.33s–6.33s Beep. (100ms in)", "",
			`"" – "A."; "" – "Are you still there?" (cut); "Beep." – "Yes."`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := played(t, c.lines)
			var sounds, inputs, want []string
			for _, u := range d.Heard {
				s := fmt.Sprintf("%v–%v %s", u.Start, u.End, u.Text)
				if u.Into >= 0 {
					s += fmt.Sprintf(" (%v in)", u.Into)
				}
				if u.Muted {
					s += " (muted)"
				}
				loud := d.PCM[sample(u.Start)] == 1000 && d.PCM[sample(u.End)-1] == 1000 && d.PCM[sample(u.End)] == 0
				if loud == u.Muted {
					t.Errorf("%s: loud %v", s, loud)
				}
				sounds = append(sounds, s)
			}
			for _, in := range d.Inputs {
				inputs = append(inputs, fmt.Sprintf("%v %s %q", in.At, in.Kind, in.Text))
			}
			for _, e := range d.Want {
				want = append(want, e.String())
			}
			for _, x := range []struct{ got, want string }{
				{strings.Join(sounds, "; "), c.sounds}, {strings.Join(inputs, "; "), c.inputs}, {strings.Join(want, "; "), c.want},
			} {
				if x.got != x.want {
					t.Errorf("got  %s\nwant %s", x.got, x.want)
				}
			}
		})
	}
}

func TestGain(t *testing.T) {
	d := played(t, "greeting A.\nsay at 1s -20dB beep: Beep.\nanswer Yes.")
	if v := d.PCM[sample(1500*ms)]; v != 100 || d.Heard[0].Gain != -20 {
		t.Errorf("1000 softer by 20 dB is %d", v)
	}
	if beeps["beep"].PCM[0] != 1000 {
		t.Error("the recording was changed")
	}
}

func TestHappened(t *testing.T) {
	user := func(n int, text string, final bool) agent.Event {
		return agent.Event{Kind: agent.User, Turn: n, Text: text, Final: final}
	}
	says := func(n int, heard string, done, cut bool) agent.Event {
		return agent.Event{Kind: agent.Answer, Turn: n, Said: &agent.Said{Heard: heard, Done: done, Interrupted: cut}}
	}
	for _, c := range []struct {
		name   string
		events []agent.Event
		want   string
	}{
		{"greeting and a turn", []agent.Event{says(1, "Hi", false, false), says(1, "Hi.", true, false), user(2, "Hel", false), user(2, "Hello.", true), says(2, "Yes.", true, false)},
			`["" – "Hi." "Hello." – "Yes."]`},
		{"cut", []agent.Event{user(1, "A", true), says(1, "Lo", true, true)}, `["A" – "Lo" (cut)]`},
		{"the call ended before the answer", []agent.Event{user(1, "A", true), says(1, "Lo", false, false)}, `["A" – "Lo" (cut)]`},
		{"two turns became one", []agent.Event{user(1, "A", true), says(1, "", true, true), user(1, "", true), user(2, "A B", true), says(2, "Yes.", true, false)},
			`["A B" – "Yes."]`},
		{"a caption that is taken back", []agent.Event{user(1, "A", true), says(1, "Yes", false, false), user(2, "mm", false), user(2, "", true), says(1, "Yes.", true, false)},
			`["A" – "Yes."]`},
		{"a greeting that nobody heard", []agent.Event{says(1, "", true, true), user(2, "A", true)}, `["A" – ""]`},
	} {
		if got := fmt.Sprint(Happened(c.events)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	d := Dialog{Want: []Exchange{{Agent: "Good morning.", Cut: true}, {User: "Ten of clubs.", Agent: "A long answer.", Cut: true}, {User: "No.", Agent: "Well."}}}
	for _, c := range []struct {
		name string
		got  []Exchange
		bad  int
	}{
		{"as wanted", []Exchange{{"", "Good", true}, {"ten of clubs", "A long", true}, {"No", "well", false}}, 0},
		{"nothing of the greeting was heard", []Exchange{{"ten of clubs", "", true}, {"No", "well", false}}, 0},
		{"not cut", []Exchange{{"", "Good", true}, {"ten of clubs", "A long answer.", false}, {"No", "well", false}}, 1},
		{"other words heard", []Exchange{{"", "Good", true}, {"ten of clubs", "Pardon", true}, {"No", "well", false}}, 1},
		{"another turn text", []Exchange{{"", "Good", true}, {"ten of", "A long", true}, {"No", "well", false}}, 1},
		{"a turn more", []Exchange{{"", "Good", true}, {"ten of clubs", "A long", true}, {"No", "well", false}, {"m", "Pardon?", false}}, 1},
		{"a turn less", []Exchange{{"", "Good", true}, {"ten of clubs", "A long", true}}, 1},
		{"nothing", nil, 2},
		{"an answer that stopped", []Exchange{{"ten of clubs", "A long", true}, {"No", "We", false}}, 1},
	} {
		if bad := d.Differences(c.got); len(bad) != c.bad {
			t.Errorf("%s: %q, want %d", c.name, bad, c.bad)
		}
	}
}
