package script

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	sttest.Run(t, sttest.Options{
		New: func(testing.TB) stt.Recognizer { return New(Options{Lines: []string{"good morning", "good night"}}) },
		Heard: func(text string) error {
			if text != "good morning" {
				return fmt.Errorf("heard %q", text)
			}
			return nil
		},
	})
}

// audio makes frames of 20 ms from a picture: v is voice, . is none, F asks for a Final without voice.
func audio(picture string) (frames []stt.Audio) {
	for i, c := range picture {
		f := media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
		frames = append(frames, stt.Audio{Frame: f, Voice: c == 'v', Flush: c == 'F'})
	}
	return frames
}

func TestRecognize(t *testing.T) {
	second := func(c string) string { return strings.Repeat(c, 50) }
	tests := []struct {
		name, picture string
		want          string
	}{
		{"one utterance", "..vvvvv..F", `onset 40ms 40ms ""; final 40ms 200ms "one two three"`},
		{"long enough for a partial", strings.Repeat("v", 30) + "F",
			`onset 0s 0s ""; partial 0s 600ms "one two"; final 0s 620ms "one two three"`},
		{"flush without voice", "...F", `final 60ms 80ms ""`},
		{"goes on within 1.2 s", "vF" + second(".") + "vF",
			`onset 0s 0s ""; final 0s 40ms "one two three"; final 0s 1.08s "one two three"`},
		{"a second flush repeats", "vF.F", `onset 0s 0s ""; final 0s 40ms "one two three"; final 0s 80ms "one two three"`},
		{"the next line after 1.2 s", "vF" + second(".") + second(".") + "vF",
			`onset 0s 0s ""; final 0s 40ms "one two three"; onset 2.04s 2.04s ""; final 2.04s 2.08s "four"`},
		{"the first line again", "vF" + second(".") + second(".") + "vF" + second(".") + second(".") + "vF",
			`onset 0s 0s ""; final 0s 40ms "one two three"; onset 2.04s 2.04s ""; final 2.04s 2.08s "four"; ` +
				`onset 4.08s 4.08s ""; final 4.08s 4.12s "one two three"`},
		{"a flush long after", "vF" + second(".") + second(".") + "F", `onset 0s 0s ""; final 0s 40ms "one two three"; final 2.04s 2.06s ""`},
		{"a long silence without a flush ends it too", "v" + second(".") + second(".") + "vF", `onset 0s 0s ""; onset 2.02s 2.02s ""; final 2.02s 2.06s "four"`},
		{"end of input", "vv.", `onset 0s 0s ""; final 0s 60ms "one two three"`},
		{"nothing", "...", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			r := New(Options{Lines: []string{"one two three", "four"}})
			for res, err := range r.Recognize(context.Background(), media.Of(audio(tt.picture)...)) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%v %v %v %q", res.Kind, res.Start, res.End, res.Text))
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
		})
	}
}

func TestZeroOptions(t *testing.T) {
	for res, err := range New(Options{}).Recognize(context.Background(), media.Of(audio("F")...)) {
		if err != nil || res.Text != "" {
			t.Errorf("got %+v, %v", res, err)
		}
	}
}
