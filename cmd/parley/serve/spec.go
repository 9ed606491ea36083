package serve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// spec is the value of an engine's flag: NAME or NAME:KEY=VALUE,…
type spec struct {
	flag, name string
	values     map[string]string
	known      []string // keys that were asked for
	err        error    // the first value that could not be read
}

// parseSpec reads a flag's value. A comma in a value is written \, and a backslash \\.
func parseSpec(flag, value string) (*spec, error) {
	name, rest, _ := strings.Cut(value, ":")
	s := &spec{flag: flag, name: name, values: map[string]string{}}
	for _, pair := range splitEscaped(rest) {
		key, v, ok := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("--%s %s: %q is not key=value", flag, value, pair)
		}
		if _, twice := s.values[key]; twice {
			return nil, fmt.Errorf("--%s %s: %s is given twice", flag, value, key)
		}
		s.values[key] = v
	}
	return s, nil
}

func splitEscaped(s string) (parts []string) {
	if s == "" {
		return nil
	}
	var b strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ',':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return append(parts, b.String())
}

// text is the value of key, or def.
func (s *spec) text(key, def string) string {
	s.known = append(s.known, key)
	if v, ok := s.values[key]; ok {
		return v
	}
	return def
}

func (s *spec) number(key string, def int) int {
	v := s.text(key, "")
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		s.fail(key, v, "a whole number")
	}
	return n
}

func (s *spec) float(key string, def float64) float64 {
	v := s.text(key, "")
	if v == "" {
		return def
	}
	x, err := strconv.ParseFloat(v, 64)
	if err != nil {
		s.fail(key, v, "a number")
	}
	return x
}

func (s *spec) duration(key string, def time.Duration) time.Duration {
	v := s.text(key, "")
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		s.fail(key, v, "a duration such as 200ms")
	}
	return d
}

func (s *spec) flagged(key string, def bool) bool {
	v := s.text(key, "")
	if v == "" {
		return def
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		s.fail(key, v, "true or false")
	}
	return b
}

// lines is a list, its items separated by |.
func (s *spec) lines(key string) []string {
	v := s.text(key, "")
	if v == "" {
		return nil
	}
	return strings.Split(v, "|")
}

func (s *spec) fail(key, value, want string) {
	if s.err == nil {
		s.err = fmt.Errorf("--%s %s: %s=%s is not %s", s.flag, s.name, key, value, want)
	}
}

// done is the error of what could not be read and of what nobody asked for.
func (s *spec) done() error {
	if s.err != nil {
		return s.err
	}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if !slices.Contains(s.known, key) {
			known := "it has no options"
			if len(s.known) > 0 {
				known = "it knows " + strings.Join(s.known, ", ")
			}
			return fmt.Errorf("--%s %s has no option %s: %s", s.flag, s.name, key, known)
		}
	}
	return nil
}
