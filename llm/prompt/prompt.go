// Package prompt puts a conversation into a text, for models that go on with a text and know no roles, and takes the
// agent's line out of what they add.
package prompt

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/llm"
)

// Names are what the speakers of a conversation are called in its prompt: two names, without a colon or a line's end.
type Names struct{ User, Agent string }

// Or returns n with User and Agent where a name is empty. Its error is provider.ErrBadRequest: names that do not fit.
func (n Names) Or() (Names, error) {
	if n.User == "" {
		n.User = "User"
	}
	if n.Agent == "" {
		n.Agent = "Assistant"
	}
	if n.User == n.Agent || strings.ContainsAny(n.User+n.Agent, ":\r\n") {
		return n, fmt.Errorf("%w: the speakers need two names, without a colon", provider.ErrBadRequest)
	}
	return n, nil
}

const (
	toolName = "Tool"          // says what a tool answered
	endMark  = "<|endoftext|>" // some models write it out
	space    = " \t\r\n"
)

// Render is a conversation as a text to go on with: who it is about, a line for everything said, and the beginning of
// the agent's next line. It has at most so many bytes: the oldest lines are left out, but never the last; one that is
// longer still loses its beginning, and then the system's text its end.
func (n Names) Render(req llm.Request, most int) string {
	head := strings.TrimSpace(strings.ToValidUTF8(req.System, ""))
	end := n.Agent + ":"
	var lines []string
	for _, m := range req.Messages {
		if line := n.line(m); line != "" {
			lines = append(lines, line)
		}
	}
	size := len(head) + len("\n\n") + len(end)
	for _, l := range lines {
		size += len(l)
	}
	for ; len(lines) > 1 && size > most; lines = lines[1:] {
		size -= len(lines[0])
	}
	if over := size - most; over > 0 && len(lines) == 1 {
		label, text, _ := strings.Cut(lines[0], ": ")
		cut := tail(text, len(text)-over)
		lines[0], size = label+": "+cut, size-len(text)+len(cut)
	}
	if over := size - most; over > 0 {
		head = strings.ToValidUTF8(head[:max(0, len(head)-over)], "")
	}
	if head != "" {
		head += "\n\n"
	}
	return head + strings.Join(lines, "") + end
}

// line is what a message is in a prompt: one line, so that nobody can speak for somebody else. Calls of tools are not
// told: what the tool answered is.
func (n Names) line(m llm.Message) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(m.Text, " ")), " ")
	if text == "" {
		return ""
	}
	name := n.User
	switch m.Role {
	case llm.Agent:
		name = n.Agent
	case llm.ToolResult:
		name = toolName
	}
	return name + ": " + text + "\n"
}

// tail is the last n bytes of text, from a whole character on.
func tail(text string, n int) string {
	i := max(0, len(text)-max(n, 1))
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return text[i:]
}

// Stops are where the agent's line ends: the next line of anybody. A server can be told four.
func (n Names) Stops() []string {
	return []string{"\n" + n.User + ":", "\n" + n.Agent + ":", "\n" + toolName + ":"}
}

// Answer lets through what is the agent's of a model's text: not the prompt, which some servers repeat, not its
// own name, not space around it, and nothing from the first stop on. Text may come in pieces of any size.
type Answer struct {
	echo  string   // what may come back first
	own   string   // the agent's name, as a line begins with it
	stops []string // a line's end before them belongs to them
	held  string   // what cannot be told yet
	begun bool     // something was let through
	over  bool     // a stop came
}

// Answer is that of a model which was given prompt.
func (n Names) Answer(prompt string) Answer {
	return Answer{echo: prompt, own: "\n" + n.Agent + ":", stops: append(n.Stops(), endMark)}
}

// Add returns what can be spoken now.
func (a *Answer) Add(s string) string {
	if a.held += s; a.over || !a.echoed() {
		return ""
	}
	text := a.held
	if !a.begun {
		text = "\n" + strings.TrimLeft(text, space) // a stop may be the first thing
		if rest, ok := strings.CutPrefix(text, a.own); ok {
			text = "\n" + strings.TrimLeft(rest, space)
		}
	}
	if i := a.stop(text); i >= 0 {
		a.over, a.held = true, ""
		return strings.TrimSpace(text[:i])
	}
	n := len(strings.TrimRight(text[:len(text)-a.mayStop(text)], space))
	a.held = text[n:]
	text = text[:n]
	if !a.begun {
		text = strings.TrimLeft(text, space)
		a.begun = text != ""
	}
	return text
}

// Over is whether a stop came: nothing more is let through.
func (a *Answer) Over() bool { return a.over }

// echoed takes the prompt off; false if it cannot be told yet whether it comes.
func (a *Answer) echoed() bool {
	if rest, ok := strings.CutPrefix(a.held, a.echo); ok {
		a.echo, a.held = "", rest
	} else if strings.HasPrefix(a.echo, a.held) {
		return false
	}
	a.echo = ""
	return true
}

// stop is where the first stop is in text; −1: nowhere.
func (a *Answer) stop(text string) int {
	first := -1
	for _, s := range a.stops {
		if i := strings.Index(text, s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// mayStop is the length of the end of text that a stop may begin with.
func (a *Answer) mayStop(text string) (most int) {
	for _, s := range a.stops {
		for n := min(len(text), len(s)-1); n > most; n-- {
			if strings.HasSuffix(text, s[:n]) {
				most = n
			}
		}
	}
	return most
}

// End returns what was held back and is text after all.
func (a *Answer) End() string {
	if a.over {
		return ""
	}
	a.echo = ""
	text := a.Add("")
	if a.over {
		return text
	}
	text = strings.TrimRight(text+a.held, space)
	if a.held = ""; !a.begun {
		text = strings.TrimLeft(text, space)
	}
	return text
}
