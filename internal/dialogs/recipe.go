package dialogs

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed recipe.txt
var recipe string

// play is a dialog as the recipe has it.
type play struct {
	name, about string
	under       float64       // dBFS of the noise; −Inf: none
	checkIn     time.Duration // zero: the agent's own
	end         time.Duration
	lines       []line
}

// line is one line of a play. Which fields count depends on its verb.
type line struct {
	at    int // its number in the recipe
	verb  string
	cut   bool // greeting, answer
	when  when
	gain  float64 // dB; of a noise, dBFS
	long  time.Duration
	parts []part
	text  string // a key too
}

// when is a moment: so long after the end of what was before (+), the beginning of the agent's line (in) or that of the track (at).
type when struct {
	from string
	long time.Duration
}

// part is a recording and the pause before it.
type part struct {
	pause time.Duration
	name  string
}

const (
	pauseDefault = 60 * time.Millisecond
	endDefault   = 1500 * time.Millisecond
	longest      = 30 * time.Second // of anything in a recipe
)

// parse reads a recipe. Its errors name the line.
func parse(text string) ([]play, error) {
	var all []play
	n := 0
	for s := range strings.Lines(text) {
		n++
		s = strings.TrimSpace(s)
		if s == "" || s[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(s, " ")
		if verb == "dialog" {
			all = append(all, play{name: rest, under: math.Inf(-1), end: endDefault})
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("line %d: %q stands before the first dialog", n, s)
		}
		if err := all[len(all)-1].read(n, verb, strings.TrimSpace(rest)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return all, sound(all)
}

// sound tells what no single line can.
func sound(all []play) error {
	known := map[string]bool{}
	for _, p := range all {
		if p.name == "" || strings.Trim(p.name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("the name %q of a dialog is not of small letters, digits and dashes", p.name)
		}
		if known[p.name] {
			return fmt.Errorf("there are two dialogs %s", p.name)
		}
		if known[p.name] = true; len(p.lines) == 0 || p.lines[0].verb != "greeting" {
			return fmt.Errorf("dialog %s does not begin with a greeting", p.name)
		}
	}
	return nil
}

// read takes one line of the play.
func (p *play) read(n int, verb, rest string) (err error) {
	l := line{at: n, text: rest}
	l.verb, l.cut = strings.CutSuffix(verb, "!")
	switch l.verb {
	case "about":
		p.about = rest
		return nil
	case "under":
		p.under, err = decibels(rest)
		return err
	case "end":
		p.end, err = long(strings.TrimPrefix(rest, "+"))
		return err
	case "check-in":
		if rest != "" {
			p.checkIn, err = long(rest)
			return err
		}
	case "silent":
	case "greeting", "answer":
		if rest == "" {
			return fmt.Errorf("the agent's words are missing")
		}
	default:
		if l, err = timed(l); err != nil {
			return err
		}
	}
	p.lines = append(p.lines, l)
	return nil
}

// timed reads the lines that have a moment.
func timed(l line) (line, error) {
	rest, ok := verbs[l.verb]
	if !ok {
		return l, fmt.Errorf("nobody knows what %q is", l.verb)
	}
	head, text, _ := strings.Cut(l.text, ":")
	l.text = strings.TrimSpace(text)
	fields, err := l.moment(strings.Fields(head))
	if err != nil {
		return l, err
	}
	return l, rest(&l, fields)
}

// verbs read what stands behind the moment and before the colon.
var verbs = map[string]func(l *line, fields []string) error{
	"say":         (*line).words,
	"backchannel": (*line).words,
	"mm-hm":       (*line).recordings,
	"cough":       (*line).recordings,
	"noise":       (*line).noise,
	"key":         (*line).key,
	"type":        (*line).typed,
	"mute":        (*line).nothing,
	"unmute":      (*line).nothing,
}

func (l *line) words(fields []string) error {
	if err := l.recordings(fields); err != nil {
		return err
	}
	if l.text == "" || len(l.parts) == 0 {
		return fmt.Errorf("%s needs recordings, a colon and what they say", l.verb)
	}
	return nil
}

func (l *line) noise(fields []string) (err error) {
	if len(fields) != 2 {
		return fmt.Errorf("noise needs how long it lasts and its level")
	}
	if l.long, err = long(fields[0]); err == nil {
		l.gain, err = decibels(fields[1])
	}
	return err
}

func (l *line) key(fields []string) error {
	if len(fields) != 1 || len(fields[0]) != 1 || !strings.Contains("0123456789*#ABCD", fields[0]) {
		return fmt.Errorf("key needs one of 0–9 * # A–D")
	}
	l.text = fields[0]
	return nil
}

func (l *line) typed(fields []string) error {
	if l.text == "" {
		return fmt.Errorf("type needs a colon and the text")
	}
	return l.nothing(fields)
}

func (l *line) nothing(fields []string) error {
	if len(fields) > 0 {
		return fmt.Errorf("%q means nothing here", fields[0])
	}
	return nil
}

// moment takes WHEN from the front of fields.
func (l *line) moment(fields []string) (rest []string, err error) {
	if len(fields) > 0 {
		if after, ok := strings.CutPrefix(fields[0], "+"); ok {
			l.when.from = "+"
			l.when.long, err = long(after)
			return fields[1:], err
		}
	}
	if len(fields) < 2 || fields[0] != "in" && fields[0] != "at" {
		return nil, fmt.Errorf("%s needs a moment: +LONG, in LONG or at LONG", l.verb)
	}
	l.when.from = fields[0]
	l.when.long, err = long(fields[1])
	return fields[2:], err
}

// recordings takes [GAIN] PARTS.
func (l *line) recordings(fields []string) (err error) {
	pause := time.Duration(0)
	for i, f := range fields {
		switch {
		case i == 0 && strings.HasSuffix(f, "dB"):
			if l.gain, err = decibels(f); err != nil {
				return err
			}
		case f[0] >= '0' && f[0] <= '9':
			if pause, err = long(f); err != nil {
				return err
			}
		default:
			if len(l.parts) > 0 && pause == 0 {
				pause = pauseDefault
			}
			l.parts = append(l.parts, part{pause, f})
			pause = 0
		}
	}
	return nil
}

// long reads a length of time.
func long(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > longest {
		return 0, fmt.Errorf("%q is no length of time from 0s to %v", s, longest)
	}
	return d, nil
}

// decibels reads a level or a gain, which is below zero.
func decibels(s string) (float64, error) {
	n, ok := strings.CutSuffix(s, "dB")
	v, err := strconv.ParseFloat(n, 64)
	if err != nil || !ok || !(v < 0 && v > -100) {
		return 0, fmt.Errorf("%q is no level from -99dB to -1dB", s)
	}
	return v, nil
}
