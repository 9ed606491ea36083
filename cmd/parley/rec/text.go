package rec

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
)

// Clock is a moment as people read it on a player: 1:02:03.4.
func Clock(d time.Duration) string {
	d = d.Round(100 * time.Millisecond)
	h, m, s := d/time.Hour, d/time.Minute%60, (d % time.Minute).Seconds()
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%04.1f", h, m, s)
	}
	return fmt.Sprintf("%d:%04.1f", m, s)
}

// megabytes is a size as people read it.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// line is text in one line, without what a terminal would obey.
func line(text string) string { return Wrap(text, math.MaxInt)[0] }

// Wrap breaks text into lines of at most so many characters, at its spaces where there are any. There is one line at least. What a
// terminal would obey is left out: text comes from anywhere.
func Wrap(text string, most int) (lines []string) {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cc, r):
			return ' '
		case unicode.Is(unicode.Cf, r) && r != '\u200d': // turns a line around; but a joiner makes one sign of several
			return -1
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
