package agent

import (
	"strings"
	"unicode"
)

// clean is a text of an engine as people and other engines may be given it: what is no UTF-8, and the control and
// formatting characters that could move a cursor or turn a line around, are left out; a line break becomes a space.
func clean(s string) string {
	ok := func(r rune) bool {
		return r != unicode.ReplacementChar && !unicode.Is(unicode.C, r) || r == zeroWidthJoiner
	}
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !ok(r):
			return -1
		}
		return r
	}, s)
}

// zeroWidthJoiner makes one sign of several, in emoji and in some scripts.
const zeroWidthJoiner = '\u200d'
