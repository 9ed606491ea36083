package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/agent/turn"
)

// wishes are what a caller's offer says of turn-taking, as it came; empty: nothing.
type wishes struct {
	Turn     json.RawMessage `json:"turn"`     // some of the thresholds, by group and name
	Patience json.RawMessage `json:"patience"` // a factor
}

// asked are the wishes in a request's query, which is all that WHIP has room for.
func asked(query url.Values) wishes {
	return wishes{Turn: json.RawMessage(query.Get("turn")), Patience: json.RawMessage(query.Get("patience"))}
}

func none(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// Why a caller's wishes are refused.
var (
	errTurn  = errors.New("these turn-taking settings cannot be used")
	errFixed = errors.New("this server chooses turn-taking itself: set Patience to Normal on the page, or send neither turn nor patience")
)

// wanted is the server's turn-taking with a caller's wishes.
func (s *Server) wanted(w wishes) (turn.Config, error) {
	c := s.Turn.WithDefaults()
	if none(w.Turn) && none(w.Patience) {
		return c, nil
	}
	if s.FixedTurn {
		return c, errFixed
	}
	if err := merge(&c, w.Turn); err != nil {
		return c, err
	}
	factor := 1.0
	if !none(w.Patience) {
		if err := json.Unmarshal(w.Patience, &factor); err != nil || factor < LeastPatience || factor > MostPatience {
			return c, fmt.Errorf("%w: patience is a number from %v to %v", errTurn, LeastPatience, MostPatience)
		}
	}
	return Patient(c, factor), nil
}

// The bounds of a factor for Patient.
const (
	LeastPatience = 0.5
	MostPatience  = 3.0
)

// Patient is c, its zero fields filled in, with the waits at the end of a turn (Short, Middle, Long, Dangling and Spelled) longer by a
// factor, which has to lie from LeastPatience to MostPatience. A wait that becomes shorter than Ahead is as long as that.
func Patient(c turn.Config, factor float64) turn.Config {
	c = c.WithDefaults()
	for _, wait := range []*time.Duration{&c.End.Short, &c.End.Middle, &c.End.Long, &c.End.Dangling, &c.End.Spelled} {
		*wait = max(min(*wait, c.End.Ahead), time.Duration(float64(*wait)*factor).Round(time.Millisecond))
	}
	return c
}

// setting is one threshold: its name, and its place, which is exactly one of wait, share, factor and count.
type setting struct {
	name      string // of its group and its own
	wait      func(c *turn.Config) *time.Duration
	low, high time.Duration                 // what a caller may wish for a wait
	share     func(c *turn.Config) *float32 // a probability
	factor    func(c *turn.Config) *float64 // LeastPatience to MostPatience
	count     func(c *turn.Config) *int     // 1 to mostWords
}

const mostWords = 20

// settings are all thresholds there are. Callers may not have a silence last for ever: their line is wanted by others.
var settings = []setting{
	{name: "voice.start", share: func(c *turn.Config) *float32 { return &c.Voice.Start }},
	{name: "voice.stop", share: func(c *turn.Config) *float32 { return &c.Voice.Stop }},
	{name: "voice.onset", wait: func(c *turn.Config) *time.Duration { return &c.Voice.Onset }, low: 10 * time.Millisecond, high: time.Second},
	{name: "end.ahead", wait: func(c *turn.Config) *time.Duration { return &c.End.Ahead }, low: 20 * time.Millisecond, high: 10 * time.Second},
	{name: "end.short", wait: func(c *turn.Config) *time.Duration { return &c.End.Short }, low: 50 * time.Millisecond, high: 10 * time.Second},
	{name: "end.middle", wait: func(c *turn.Config) *time.Duration { return &c.End.Middle }, low: 50 * time.Millisecond, high: 10 * time.Second},
	{name: "end.long", wait: func(c *turn.Config) *time.Duration { return &c.End.Long }, low: 50 * time.Millisecond, high: 10 * time.Second},
	{name: "end.dangling", wait: func(c *turn.Config) *time.Duration { return &c.End.Dangling }, low: 50 * time.Millisecond, high: 10 * time.Second},
	{name: "end.spelled", wait: func(c *turn.Config) *time.Duration { return &c.End.Spelled }, low: 50 * time.Millisecond, high: 10 * time.Second},
	{name: "end.text", wait: func(c *turn.Config) *time.Duration { return &c.End.Text }, low: 100 * time.Millisecond, high: 10 * time.Second},
	{name: "end.keys", wait: func(c *turn.Config) *time.Duration { return &c.End.Keys }, low: 100 * time.Millisecond, high: 30 * time.Second},
	{name: "end.done", share: func(c *turn.Config) *float32 { return &c.End.Done }},
	{name: "end.open", share: func(c *turn.Config) *float32 { return &c.End.Open }},
	{name: "pace.least", factor: func(c *turn.Config) *float64 { return &c.Pace.Least }},
	{name: "pace.most", factor: func(c *turn.Config) *float64 { return &c.Pace.Most }},
	{name: "interrupt.ask", wait: func(c *turn.Config) *time.Duration { return &c.Interrupt.Ask }, low: 50 * time.Millisecond, high: 5 * time.Second},
	{name: "interrupt.words", count: func(c *turn.Config) *int { return &c.Interrupt.Words }},
	{name: "interrupt.text", wait: func(c *turn.Config) *time.Duration { return &c.Interrupt.Text }, low: 50 * time.Millisecond, high: 5 * time.Second},
	{name: "interrupt.rewind", wait: func(c *turn.Config) *time.Duration { return &c.Interrupt.Rewind }, low: time.Millisecond, high: 3 * time.Second},
	{name: "silence.checkIn", wait: func(c *turn.Config) *time.Duration { return &c.Silence.CheckIn }, low: time.Second, high: 5 * time.Minute},
	{name: "silence.giveUp", wait: func(c *turn.Config) *time.Duration { return &c.Silence.GiveUp }, low: time.Second, high: 5 * time.Minute},
	{name: "silence.asked", wait: func(c *turn.Config) *time.Duration { return &c.Silence.Asked }, low: time.Second, high: 5 * time.Minute},
	{name: "silence.answer", wait: func(c *turn.Config) *time.Duration { return &c.Silence.Answer }, low: time.Second, high: time.Minute},
}

// merge puts what a caller wishes into c. It says which field is wrong, and what is allowed.
func merge(c *turn.Config, raw json.RawMessage) error {
	if none(raw) {
		return nil
	}
	var groups map[string]map[string]json.RawMessage
	if err := json.Unmarshal(raw, &groups); err != nil {
		return fmt.Errorf(`%w: turn is a JSON object of groups, as {"end": {"short": "400ms"}}`, errTurn)
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		if !slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.name, group+".") }) {
			return unknown(group)
		}
		for _, name := range slices.Sorted(maps.Keys(groups[group])) {
			i := slices.IndexFunc(settings, func(s setting) bool { return s.name == group+"."+name })
			if i < 0 {
				return unknown(group + "." + name)
			}
			if err := settings[i].set(c, groups[group][name]); err != nil {
				return err
			}
		}
	}
	return inOrder(c)
}

func unknown(name string) error {
	var all []string
	for _, s := range settings {
		all = append(all, s.name)
	}
	return fmt.Errorf("%w: there is no turn.%.40s; there are %s", errTurn, strconv.QuoteToGraphic(name), strings.Join(all, ", "))
}

// set takes the value of a field.
func (s setting) set(c *turn.Config, raw json.RawMessage) error {
	switch {
	case s.wait != nil:
		return s.setWait(c, raw)
	case s.share != nil:
		var p float32
		if err := json.Unmarshal(raw, &p); err != nil || !(0 < p && p < 1) {
			return fmt.Errorf("%w: turn.%s is a probability: a number above 0 and below 1", errTurn, s.name)
		}
		*s.share(c) = p
	case s.factor != nil:
		var f float64
		if err := json.Unmarshal(raw, &f); err != nil || f < LeastPatience || f > MostPatience {
			return fmt.Errorf("%w: turn.%s is a number from %v to %v", errTurn, s.name, LeastPatience, MostPatience)
		}
		*s.factor(c) = f
	default:
		var n int
		if err := json.Unmarshal(raw, &n); err != nil || n < 1 || n > mostWords {
			return fmt.Errorf("%w: turn.%s is a whole number from 1 to %d", errTurn, s.name, mostWords)
		}
		*s.count(c) = n
	}
	return nil
}

func (s setting) setWait(c *turn.Config, raw json.RawMessage) error {
	var text string
	err := json.Unmarshal(raw, &text)
	d, bad := time.ParseDuration(text)
	if err != nil || bad != nil || d < s.low || d > s.high {
		return fmt.Errorf(`%w: turn.%s is a text with a duration from %v to %v, as "400ms" or "1.5s"`, errTurn, s.name, s.low, s.high)
	}
	*s.wait(c) = d
	return nil
}

// inOrder says which thresholds contradict each other.
func inOrder(c *turn.Config) error {
	e, v := c.End, c.Voice
	switch {
	case e.Ahead > e.Short || e.Short > e.Middle || e.Middle > e.Long || e.Long > e.Dangling:
		return fmt.Errorf("%w: with the server's own the waits of turn.end must grow: ahead %v ≤ short %v ≤ middle %v ≤ long %v ≤ dangling %v",
			errTurn, e.Ahead, e.Short, e.Middle, e.Long, e.Dangling)
	case e.Open > e.Done:
		return fmt.Errorf("%w: with the server's own these must grow: turn.end.open %v ≤ turn.end.done %v", errTurn, e.Open, e.Done)
	case c.Pace.Least > c.Pace.Most:
		return fmt.Errorf("%w: with the server's own these must grow: turn.pace.least %v ≤ turn.pace.most %v", errTurn, c.Pace.Least, c.Pace.Most)
	case v.Stop > v.Start:
		return fmt.Errorf("%w: with the server's own these must grow: turn.voice.stop %v ≤ turn.voice.start %v", errTurn, v.Stop, v.Start)
	}
	return nil
}

// spelled is c as callers write it: by group and name, waits as texts.
func spelled(c turn.Config) map[string]map[string]json.RawMessage {
	all := map[string]map[string]json.RawMessage{}
	for _, s := range settings {
		var value string
		switch {
		case s.wait != nil:
			value = strconv.Quote(s.wait(&c).String())
		case s.share != nil:
			value = strconv.FormatFloat(float64(*s.share(&c)), 'g', -1, 32)
		case s.factor != nil:
			value = strconv.FormatFloat(*s.factor(&c), 'g', -1, 64)
		default:
			value = strconv.Itoa(*s.count(&c))
		}
		group, name, _ := strings.Cut(s.name, ".")
		if all[group] == nil {
			all[group] = map[string]json.RawMessage{}
		}
		all[group][name] = json.RawMessage(value)
	}
	return all
}
