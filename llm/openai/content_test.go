package openai

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
)

// passed is what content makes of text that comes in pieces of n bytes: "said at once|said at the end|calls".
func passed(text string, n int, tools ...llm.Tool) (string, error) {
	c := content{tools: tools}
	var said strings.Builder
	for i := 0; i < len(text); i += n {
		said.WriteString(c.add(text[i:min(i+n, len(text))]))
	}
	rest, found, err := c.end()
	out := []string{said.String(), rest}
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s%s", f.Name, f.Arguments))
	}
	return strings.Join(out, "|"), err
}

var contentTests = []struct{ in, want string }{
	{"Hello.", "Hello.|"},
	{"", "|"},
	{" \n", "| \n"},
	{"a < b", "a < b|"},
	{"<thin ice", "<thin ice|"},
	{"<think>Hm.</think>\n\nHello.", "Hello.|"},
	{"<think>Hm.</think>\n\n<think>Hm?</think>Hello.", "Hello.|"},
	{"<think>Hm.</thin", "|"},
	{"<think></think>{\"name\":\"weather\"}", "||weather{}"},
	{`{"name":"weather","arguments":{"city":"Oslo"}}`, `||weather{"city":"Oslo"}`},
	{`{"name": "weather", "parameters": {"city": "Oslo"}}`, `||weather{"city": "Oslo"}`},
	{`{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}`, `||weather{"city":"Oslo"}`},
	{`{"type":"function","function":{"name":"weather","arguments":{}}}`, `||weather{}`},
	{`{{"name":"weather","arguments":{{"city":"Oslo"}}}}`, `||weather{"city":"Oslo"}`},
	{`{{"name":"weather","arguments":{"a":{"b":1}}}}`, `||weather{"a":{"b":1}}`},
	{`{{"name":"weather","arguments":{"a":1}}`, `||weather{"a":1}`},
	{"```json\n{\"name\":\"weather\",\"arguments\":{}}\n```", "||weather{}"},
	{"<tool_call>\n{\"name\":\"weather\",\"arguments\":{}}\n</tool_call>", "||weather{}"},
	{"{\"name\":\"weather\",\"arguments\":{\"code\":\"```\"}}", "||weather{\"code\":\"```\"}"},
	{"<tool_call>{\"name\":\"weather\"}</tool_call>\n<tool_call>{\"name\":\"time\"}</tool_call>", "||weather{}|time{}"},
	{` [ {"name":"weather"}, {"name":"time","arguments":{}}]`, "||weather{}|time{}"},
	{`{"name":"weather","arguments":{}} I will look it up.`, "||weather{}"},
	{`Let me see. {"name":"weather","arguments":{}}`, "Let me see. ||weather{}"},
	{`{"name":"other","arguments":{"a":1}}`, `||other{"a":1}`},
	{`{"name":"Anna"}`, "|! malformed"},
	{`{"name":"weather","arguments":{"city"`, "|! malformed"},
	{"<tool_call>what", "|! malformed"},
	{`{"a":1}`, `|{"a":1}`},
	{"{smiles} Hello.", "|{smiles} Hello."},
	{"[laughs] Hello.", "[laughs] Hello.|"},
	{"[", "|["},
	{"Use `go`, not ``go``.", "Use `go`, not ``go``.|"},
	{"see ``", "see |``"},
	{"{" + strings.Repeat("x", maxHeld), "{" + strings.Repeat("x", maxHeld) + "|"},
}

func TestContent(t *testing.T) {
	for _, tt := range contentTests {
		for _, n := range []int{1, 3, 1 << 20} {
			if len(tt.in) > maxHeld && n != 3 {
				continue // by bytes it takes too long, and at once there is no second piece
			}
			got, err := passed(tt.in, n, weather.Tools...)
			if err != nil {
				var e *provider.Error
				if !errors.As(err, &e) || strings.Count(got, "|") != 1 {
					t.Errorf("%q: got %q with error %v", tt.in, got, err)
				}
				got = "|! malformed"
			}
			if got != tt.want {
				t.Errorf("%.60q in pieces of %d: got %.80q, want %.80q", tt.in, n, got, tt.want)
			}
		}
	}
}

// TestContentWithoutTools speaks all but thoughts, at once.
func TestContentWithoutTools(t *testing.T) {
	for in, want := range map[string]string{
		`{"name":"weather","arguments":{}}`: `{"name":"weather","arguments":{}}|`,
		"<think>{</think>```x```":           "```x```|",
	} {
		if got, err := passed(in, 1); got != want || err != nil {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

// FuzzContent looks for text that is lost, doubled or said in a different order, and for a result that
// depends on where the text was cut.
func FuzzContent(f *testing.F) {
	for _, tt := range contentTests {
		f.Add(tt.in[:min(len(tt.in), 500)], 2)
	}
	f.Fuzz(func(t *testing.T, in string, n int) {
		n = max(n, 1)
		whole, err := passed(in, len(in)+1, weather.Tools...)
		cut, cutErr := passed(in, n, weather.Tools...)
		if (err == nil) != (cutErr == nil) || err == nil && strings.ReplaceAll(whole, "|", "") != strings.ReplaceAll(cut, "|", "") {
			t.Errorf("whole %q, %v; in pieces of %d %q, %v", whole, err, n, cut, cutErr)
		}
		c := content{tools: weather.Tools}
		said := c.add(in)
		rest, found, err := c.end()
		if err == nil && len(found) == 0 && !strings.Contains(in, thinkBegin) && said+rest != in {
			t.Errorf("%q became %q and %q", in, said, rest)
		}
	})
}

// FuzzCalls looks for arguments that are no JSON, and for a panic.
func FuzzCalls(f *testing.F) {
	f.Add(0, "a", "weather", `{"a"`, -1, "", "", `:1}`)
	f.Add(0, "a", "weather", `{}`, 0, "b", "time", `{}`)
	f.Fuzz(func(t *testing.T, i1 int, id1, name1, args1 string, i2 int, id2, name2, args2 string) {
		var c calls
		for _, p := range []openai.ToolCall{
			{Index: index(i1), ID: id1, Function: openai.FunctionCall{Name: name1, Arguments: args1}},
			{Index: index(i2), ID: id2, Function: openai.FunctionCall{Name: name2, Arguments: args2}},
		} {
			if err := c.add(p); err != nil {
				return
			}
		}
		found, err := c.end()
		if err != nil {
			return
		}
		for _, call := range found {
			if _, err := newCall(call.ID, call.Name, string(call.Arguments)); err != nil || call.ID == "" {
				t.Errorf("call %+v: %v", call, err)
			}
		}
	})
}

func index(i int) *int {
	if i < 0 {
		return nil
	}
	return &i
}
