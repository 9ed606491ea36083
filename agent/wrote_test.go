package agent_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/llm"
)

// writes is a model that writes a text in pieces of a few bytes, one a millisecond, and counts them.
func writes(text string, pieces *int) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			for rest := text; rest != ""; {
				n := min(7, len(rest))
				time.Sleep(time.Millisecond)
				if ctx.Err() != nil {
					yield(llm.Delta{}, context.Cause(ctx))
					return
				}
				if *pieces++; !yield(llm.Delta{Text: rest[:n]}, nil) {
					return
				}
				rest = rest[n:]
			}
			yield(llm.Delta{End: llm.Stop}, nil)
		}
	})
}

// Whatever a model writes: the caller hears what can be spoken, is told what went wrong, and is listened to again.
func TestWhatModelsWrite(t *testing.T) {
	const sorry = "agent #2: Sorry, something went wrong. Please say that again."
	const middle = "trouble llm: The language model stopped in the middle."
	tests := []struct{ name, text, want string }{
		{"reasoning and tokens", "<think>\nThe caller asks.\n</think>\n\n**It** is three.<|im_end|>\n<|im_start|>user\nThanks", "agent #1: It is three."},
		{"a list", "Two:\n- tea\n- milk", "agent #1: Two: tea. milk"},
		{"a call", `{"name": "clock", "arguments": {}}`, "agent #1: \n" + middle + "\n" + sorry},
		{"thoughts without an end", "<think>" + strings.Repeat("Hm. ", 30000), "agent #1: \n" + middle + "\n" + sorry},
		{"thoughts after a word", "Well. <think>" + strings.Repeat("Hm. ", 30000), "agent #1: Well.\n" + middle},
		{"round and round", strings.Repeat("It is three. ", 10000), "agent #1: " + strings.TrimSpace(strings.Repeat("It is three. ", 7)) + "\n" + middle},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCall([]string{"What time is it?"}, at(60), span{at(1), at(2)})
				c.Profile.Turn.Silence.CheckIn, c.Profile.Turn.Silence.GiveUp = -1, -1
				pieces := 0
				c.Model = writes(tt.text, &pieces)
				c.run(t)
				var got []string
				state := ""
				for _, line := range strings.Split(c.told(), "\n") {
					switch {
					case strings.HasPrefix(line, "agent #"), strings.HasPrefix(line, "trouble"):
						got = append(got, line)
					case !strings.Contains(line, ":") && line != "":
						state = line
					}
				}
				if told := strings.Join(got, "\n"); told != tt.want {
					t.Errorf("told:\n%s\nwant:\n%s", told, tt.want)
				}
				if pieces > 14000 || state != "listening" {
					t.Errorf("the model wrote %d pieces, at the end it is %s", pieces, state)
				}
			})
		})
	}
}
