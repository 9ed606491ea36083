package dialogs

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	plays, err := parse(`
# a comment
dialog one-two
about Two at once.
under -50dB
check-in 4s
greeting! Hello there.
say in 1.5s -12dB goforward 300ms cards/001 digits/1: Go forward: ten.
noise +100ms 250ms -20dB
key at 9s #
check-in
end +2s
dialog three
greeting Hi.
`)
	if err != nil || len(plays) != 2 {
		t.Fatalf("%d plays, %v", len(plays), err)
	}
	p := plays[0]
	if p.name != "one-two" || p.about != "Two at once." || p.under != -50 || p.checkIn != 4*time.Second || p.end != 2*time.Second || len(p.lines) != 5 {
		t.Errorf("read %+v", p)
	}
	say := p.lines[1]
	if !p.lines[0].cut || say.cut || say.when != (when{"in", 1500 * time.Millisecond}) || say.gain != -12 || say.text != "Go forward: ten." {
		t.Errorf("read %+v", say)
	}
	want := []part{{0, "goforward"}, {300 * time.Millisecond, "cards/001"}, {pauseDefault, "digits/1"}}
	for i, w := range want {
		if len(say.parts) != len(want) || say.parts[i] != w {
			t.Errorf("recordings %v, want %v", say.parts, want)
		}
	}
	if n := p.lines[2]; n.long != 250*time.Millisecond || n.gain != -20 || n.when.from != "+" {
		t.Errorf("read %+v", n)
	}
	if k := p.lines[3]; k.text != "#" || k.when != (when{"at", 9 * time.Second}) {
		t.Errorf("read %+v", k)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"say +1s hello: Hello.", "line 1: \"say +1s hello: Hello.\" stands before"},
		{"dialog a\nanswer Hi.", "dialog a does not begin with a greeting"},
		{"dialog a\ngreeting Hi.\ndialog a\ngreeting Hi.", "two dialogs a"},
		{"dialog ../a\ngreeting Hi.", "small letters"},
		{"dialog \ngreeting Hi.", "small letters"},
		{"dialog a\ngreeting", "line 2: the agent's words are missing"},
		{"dialog a\nsay hello: Hello.", "say needs a moment"},
		{"dialog a\nsay in", "say needs a moment"},
		{"dialog a\nsay +1s: Hello.", "say needs recordings"},
		{"dialog a\nsay +1s hello", "say needs recordings"},
		{"dialog a\nsay +1h hello: Hello.", `"1h" is no length of time`},
		{"dialog a\nsay + hello: Hello.", `"" is no length of time`},
		{"dialog a\nsay in -1s hello: Hello.", `"-1s" is no length of time`},
		{"dialog a\nsay +1s 6dB hello: Hello.", `"6dB" is no level`},
		{"dialog a\nsay +1s hello 7x hello: Hello.", `"7x" is no length of time`},
		{"dialog a\nnoise +1s 3s", "noise needs how long"},
		{"dialog a\nnoise +1s 3s NaNdB", `"NaNdB" is no level`},
		{"dialog a\nkey +1s 12", "key needs one of"},
		{"dialog a\nkey +1s x", "key needs one of"},
		{"dialog a\ntype +1s", "type needs a colon"},
		{"dialog a\nmute +1s now", `"now" means nothing`},
		{"dialog a\nsing +1s", `nobody knows what "sing" is`},
		{"dialog a\nunder 3", "no level"},
		{"dialog a\nend +x", "no length"},
		{"dialog a\ncheck-in x", "no length"},
	} {
		_, err := parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.want)
		}
	}
}

// TestComposeRefuses: what is wrong with the words of a play.
func TestComposeRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"say +1s beep: Boop.", `line 3: beep says "Beep.", not "Boop."`},
		{"say +1s beep: Beep, beep.", `no recording says "beep."`},
		{"say +1s beep beep: Beep.", `beep says "Beep.", not ""`},
		{"answer Yes.", "nobody asked for this answer"},
	} {
		plays, err := parse("dialog a\ngreeting Hi.\n" + c.line)
		if err != nil {
			t.Fatal(err)
		}
		_, err = compose(plays[0], beeps)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.line, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(recipe)
	f.Add("dialog a\ngreeting! Hi.\nsay in 1s -3dB beep 3ms beep: Beep beep.\nmute +1s\nkey at 1s #\n")
	f.Fuzz(func(t *testing.T, text string) {
		plays, err := parse(text)
		if err != nil {
			return
		}
		for _, p := range plays {
			if p.name == "" || len(p.lines) == 0 || p.end < 0 || p.end > longest {
				t.Errorf("read %+v", p)
			}
		}
	})
}
