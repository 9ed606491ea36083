package rec

import (
	"strings"
	"time"
)

// Clock is a moment as people read it on a player: 1:02:03.4.
func Clock(d time.Duration) string { return clock(d) }

// Wrap breaks text into lines of at most so many characters, at its spaces where there are any. There is one line at least. What a
// terminal would obey is left out: text comes from anywhere.
func Wrap(text string, most int) (lines []string) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	var line []rune
	for _, word := range strings.Fields(text) {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) > most {
			lines, line = append(lines, string(line)), nil
		}
		for len(w) > most {
			lines, w = append(lines, string(w[:most])), w[most:]
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, w...)
	}
	return append(lines, string(line))
}
