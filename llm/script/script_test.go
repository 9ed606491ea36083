package script

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/llm"
	"parley/llm/llmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	said := func(want string) func(string) error {
		return func(text string) error {
			if text != want {
				return fmt.Errorf("said %q", text)
			}
			return nil
		}
	}
	t.Run("echo", func(t *testing.T) {
		llmtest.Run(t, llmtest.Options{
			New:     func(testing.TB) llm.Model { return Echo() },
			Request: &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "e\u0301t\u00e9 日本 👩‍👩‍👧"}}},
			Said:    said("You said: e\u0301t\u00e9 日本 👩‍👩‍👧"),
			Limits:  true,
		})
	})
	t.Run("slow script", func(t *testing.T) {
		llmtest.Run(t, llmtest.Options{
			New: func(testing.TB) llm.Model {
				return New(Options{Answers: []string{"red and blue"}, First: 20 * time.Millisecond, Gap: 5 * time.Millisecond})
			},
			Stuck:  func(testing.TB) llm.Model { return New(Options{First: time.Hour}) },
			Said:   said("red and blue"),
			Limits: true,
		})
	})
}

func user(texts ...string) (req llm.Request) {
	for _, s := range texts {
		req.Messages = append(req.Messages, llm.Message{Role: llm.User, Text: s}, llm.Message{Role: llm.Agent, Text: "…"})
	}
	return req
}

func TestAnswers(t *testing.T) {
	script := New(Options{Answers: []string{"one", "two words"}})
	tool := user("a")
	tool.Messages = append(tool.Messages, llm.Message{Role: llm.ToolResult, Text: "{}"})
	tests := []struct {
		name  string
		model *Model
		req   llm.Request
		want  string
	}{
		{"echo", Echo(), user("a", "b c"), "You said: b c"},
		{"echo of nothing", Echo(), llm.Request{}, "You said nothing."},
		{"a greeting", script, llm.Request{}, "one"},
		{"first turn", script, user("a"), "one"},
		{"second turn", script, user("a", "b"), "two words"},
		{"second turn again", script, user("a", "b"), "two words"},
		{"third turn", script, user("a", "b", "c"), "one"},
		{"after a tool", script, tool, "two words"},
		{"no answers", New(Options{}), user("a"), "All right."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			for d, err := range tt.model.Generate(context.Background(), tt.req) {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(d.Text)
			}
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got.String(), tt.want)
			}
		})
	}
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Answers: []string{"a b c"}, First: 200 * time.Millisecond, Gap: 30 * time.Millisecond})
		begun := time.Now()
		var at []time.Duration
		for d := range m.Generate(t.Context(), user("x")) {
			if d.Text != "" {
				at = append(at, time.Since(begun))
			}
		}
		if got := fmt.Sprint(at); got != "[200ms 230ms 260ms]" {
			t.Errorf("words came at %s", got)
		}
	})
}
