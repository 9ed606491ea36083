package cassette

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/internal/provider"
)

// Policy says what an engine does that is asked what the recorded one was not.
type Policy uint8

// The policies.
const (
	Strict  Policy = iota // it fails with a *Miss
	Nearest               // it takes what is nearest, which Misses tells of
)

// Error says what was asked and how it differs.
func (m *Miss) Error() string {
	return fmt.Sprintf("play the recorded %s: %v: call %d was not recorded so: %s", m.Engine, provider.ErrBadRequest, m.Call, m.Why)
}

// Unwrap is provider.ErrBadRequest.
func (m *Miss) Unwrap() error { return provider.ErrBadRequest }

// difference is the first field in which a request is not as another was recorded; empty if there is none.
func difference(asked, was *request) string {
	if d := text("system", asked.System, was.System); d != "" {
		return d
	}
	for i := range max(len(asked.Messages), len(was.Messages)) {
		name := fmt.Sprintf("messages[%d]", i)
		switch {
		case i >= len(was.Messages):
			return fmt.Sprintf("%s: asked %s %q, recorded none", name, asked.Messages[i].Role, clip(asked.Messages[i].Text, 80))
		case i >= len(asked.Messages):
			return fmt.Sprintf("%s: asked none, recorded %s %q", name, was.Messages[i].Role, clip(was.Messages[i].Text, 80))
		}
		if d := asked.Messages[i].difference(name, was.Messages[i]); d != "" {
			return d
		}
	}
	for i := range max(len(asked.Tools), len(was.Tools)) {
		a, w := at(asked.Tools, i), at(was.Tools, i)
		if d := first(fmt.Sprintf("tools[%d].", i), field{"name", a.Name, w.Name}, field{"description", a.Description, w.Description},
			field{"parameters", a.Parameters, w.Parameters}); d != "" {
			return d
		}
	}
	if asked.Max != was.Max {
		return fmt.Sprintf("max: asked %d, recorded %d", asked.Max, was.Max)
	}
	return ""
}

func (m message) difference(name string, was message) string {
	if d := first(name+".", field{"role", string(m.Role), string(was.Role)}, field{"text", m.Text, was.Text},
		field{"callID", m.CallID, was.CallID}); d != "" {
		return d
	}
	for i := range max(len(m.Calls), len(was.Calls)) {
		a, w := at(m.Calls, i), at(was.Calls, i)
		if d := first(fmt.Sprintf("%s.calls[%d].", name, i), field{"name", a.Name, w.Name}, field{"arguments", a.Arguments, w.Arguments},
			field{"id", a.ID, w.ID}); d != "" {
			return d
		}
	}
	return ""
}

type field struct{ name, asked, was string }

func first(prefix string, fields ...field) string {
	for _, f := range fields {
		if d := text(prefix+f.name, f.asked, f.was); d != "" {
			return d
		}
	}
	return ""
}

// at is s[i], or nothing.
func at[T any](s []T, i int) (v T) {
	if i < len(s) {
		v = s[i]
	}
	return v
}

// text compares two texts but for white space, and shows both from shortly before where they part.
func text(name, asked, was string) string {
	asked, was = spaced(asked), spaced(was)
	if asked == was {
		return ""
	}
	n := 0
	for n < min(len(asked), len(was)) && asked[n] == was[n] {
		n++
	}
	from := max(0, n-20)
	for from > 0 && !utf8.RuneStart(asked[from]) {
		from--
	}
	dots := ""
	if from > 0 {
		dots = "…"
	}
	return fmt.Sprintf("%s: asked %q, recorded %q", name, dots+clip(asked[from:], 80), dots+clip(was[from:], 80))
}

// key is a text as it is compared under Nearest: letters and digits in lower case, one space between words.
func key(s string) string {
	return spaced(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.L, unicode.N, unicode.M):
			return unicode.ToLower(r)
		case r == '\'' || r == '’':
			return -1
		}
		return ' '
	}, s))
}
