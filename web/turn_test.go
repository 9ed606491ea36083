package web

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent/turn"
)

func wish(turns, patience string) wishes {
	return wishes{Turn: json.RawMessage(turns), Patience: json.RawMessage(patience)}
}

// slow are waits that a server may have been given.
var slow = turn.End{Ahead: 90 * time.Millisecond, Short: 850 * time.Millisecond, Middle: 950 * time.Millisecond, Long: 1150 * time.Millisecond,
	Dangling: 1350 * time.Millisecond, Spelled: 1800 * time.Millisecond, Done: 0.9, Open: 0.3}

// What a caller wishes takes the place of the server's own, and the rest stays.
func TestWishes(t *testing.T) {
	own := turn.Config{End: slow}
	for _, c := range []struct {
		turns, patience string
		change          func(c *turn.Config)
	}{
		{``, ``, func(*turn.Config) {}},
		{`null`, `null`, func(*turn.Config) {}},
		{`{}`, `1`, func(*turn.Config) {}},
		{`{"end":{}}`, ``, func(*turn.Config) {}},
		{`{"end":{"short":"400ms"}}`, ``, func(c *turn.Config) { c.End.Short = 400 * time.Millisecond }},
		{`{"end":{"short":"400ms"},"silence":{"checkIn":"1m","giveUp":"1m30s"}}`, `3`, func(c *turn.Config) {
			c.End.Short, c.End.Middle, c.End.Long, c.End.Dangling, c.End.Spelled = 1200*time.Millisecond, 2850*time.Millisecond, 3450*time.Millisecond, 4050*time.Millisecond, 5400*time.Millisecond
			c.Silence.CheckIn, c.Silence.GiveUp = time.Minute, 90*time.Second
		}},
		{``, `0.5`, func(c *turn.Config) {
			c.End.Short, c.End.Middle, c.End.Long, c.End.Dangling, c.End.Spelled = 425*time.Millisecond, 475*time.Millisecond, 575*time.Millisecond, 675*time.Millisecond, 900*time.Millisecond
		}},
		{`{"end":{"ahead":"800ms"}}`, `0.6`, func(c *turn.Config) { // no wait is shorter than ahead
			c.End.Ahead, c.End.Short, c.End.Middle, c.End.Long = 800*time.Millisecond, 800*time.Millisecond, 800*time.Millisecond, 800*time.Millisecond
			c.End.Dangling, c.End.Spelled = 810*time.Millisecond, 1080*time.Millisecond
		}},
		{`{"voice":{"start":0.7,"stop":0.7},"interrupt":{"words":3},"end":{"done":0.8,"open":0.25}}`, ``, func(c *turn.Config) {
			c.Voice.Start, c.Voice.Stop, c.Interrupt.Words, c.End.Done, c.End.Open = 0.7, 0.7, 3, 0.8, 0.25
		}},
	} {
		want := own.WithDefaults()
		c.change(&want)
		s := Server{Turn: own}
		got, err := s.wanted(wish(c.turns, c.patience))
		if err != nil || got != want {
			t.Errorf("%s %s: %v\n%+v, want\n%+v", c.turns, c.patience, err, got, want)
		}
	}
}

// What cannot be is refused with a sentence that names the field and what is allowed.
func TestBadWishes(t *testing.T) {
	s := Server{Turn: turn.Config{End: slow}}
	for _, c := range []struct{ turns, patience, says string }{
		{`[]`, ``, `{"end": {"short": "400ms"}}`},
		{`"fast"`, ``, `{"end": {"short": "400ms"}}`},
		{`{"end":`, ``, `{"end": {"short": "400ms"}}`},
		{`{"end":5}`, ``, `{"end": {"short": "400ms"}}`},
		{`{"mood":{}}`, ``, `no turn."mood"; there are voice.start, `},
		{`{"":{}}`, ``, `no turn.""; there are`},
		{`{"end":{"shrt":"1s"}}`, ``, `no turn."end.shrt"; there are`},
		{`{"End":{"short":"1s"}}`, ``, `no turn."End"`},
		{`{"` + strings.Repeat("x", 5000) + `":{}}`, ``, `xxx; there are`},
		{`{"end":{"short":400}}`, ``, `turn.end.short is a text with a duration from 50ms to 10s`},
		{`{"end":{"short":"400"}}`, ``, `turn.end.short is`},
		{`{"end":{"short":null}}`, ``, `turn.end.short is`},
		{`{"end":{"short":"0s"}}`, ``, `turn.end.short is`},
		{`{"end":{"short":"-1s"}}`, ``, `turn.end.short is`},
		{`{"end":{"short":"10h"}}`, ``, `turn.end.short is`},
		{`{"end":{"short":"99999999999h"}}`, ``, `turn.end.short is`},
		{`{"end":{"short":"1s"}}`, ``, `ahead 90ms ≤ short 1s ≤ middle 950ms`},
		{`{"silence":{"giveUp":"-1s"}}`, ``, `turn.silence.giveUp is a text with a duration from 1s to 5m0s`},
		{`{"voice":{"start":0}}`, ``, `turn.voice.start is a probability`},
		{`{"voice":{"start":1}}`, ``, `turn.voice.start is a probability`},
		{`{"voice":{"start":0.9999999999}}`, ``, `turn.voice.start is a probability`},
		{`{"voice":{"start":"0.5"}}`, ``, `turn.voice.start is a probability`},
		{`{"voice":{"start":1e999}}`, ``, `turn.voice.start is a probability`},
		{`{"voice":{"start":0.3}}`, ``, `turn.voice.stop 0.35 ≤ turn.voice.start 0.3`},
		{`{"end":{"done":0.2}}`, ``, `turn.end.open 0.3 ≤ turn.end.done 0.2`},
		{`{"interrupt":{"words":0}}`, ``, `turn.interrupt.words is a whole number from 1 to 20`},
		{`{"interrupt":{"words":1.5}}`, ``, `turn.interrupt.words is`},
		{`{"interrupt":{"words":21}}`, ``, `turn.interrupt.words is`},
		{``, `0.49`, `patience is a number from 0.5 to 3`},
		{``, `3.01`, `patience is`},
		{``, `-1`, `patience is`},
		{``, `0`, `patience is`},
		{``, `NaN`, `patience is`},
		{``, `"2"`, `patience is`},
		{``, `{}`, `patience is`},
	} {
		_, err := s.wanted(wish(c.turns, c.patience))
		if !errors.Is(err, errTurn) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60s %s: %v, want %q", c.turns, c.patience, err, c.says)
		} else if len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: no sentence: %s", c.turns, err)
		}
	}
}

// A server that lets nobody choose refuses wishes, and them only.
func TestFixedTurn(t *testing.T) {
	s := Server{FixedTurn: true}
	for _, w := range []wishes{wish(`{}`, ``), wish(``, `1`)} {
		if _, err := s.wanted(w); !errors.Is(err, errFixed) {
			t.Errorf("%s: %v", w, err)
		}
	}
	if c, err := s.wanted(wish(`null`, ``)); err != nil || c != (turn.Config{}).WithDefaults() {
		t.Error(c, err)
	}
}

// Every threshold can be wished for, and what is told of a session can be sent as a wish.
func TestEveryThresholdIsASetting(t *testing.T) {
	own := turn.Config{}.WithDefaults()
	b, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for group, fields := range all {
		for name := range fields {
			want = append(want, group+"."+name)
		}
	}
	for _, s := range settings {
		got = append(got, s.name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("settings are\n%v, turn.Config has\n%v", got, want)
	}
	told, err := json.Marshal(spelled(Patient(own, 1.5)))
	if err != nil {
		t.Fatal(err)
	}
	s := Server{Turn: turn.Config{End: turn.End{Short: 10 * time.Millisecond}}}
	if again, err := s.wanted(wish(string(told), ``)); err != nil || again != Patient(own, 1.5) {
		t.Errorf("%s: %v\n%+v", told, err, again)
	}
	for _, set := range settings { // each is told where it belongs, and changes nothing else
		c := own
		if set.wait != nil {
			*set.wait(&c) += time.Millisecond
		} else if set.share != nil {
			*set.share(&c) /= 2
		} else if set.factor != nil {
			*set.factor(&c) *= 0.9
		} else {
			*set.count(&c)++
		}
		var differ []string
		was, is := spelled(own), spelled(c)
		for group, fields := range was {
			for name := range maps.Keys(fields) {
				if !reflect.DeepEqual(fields[name], is[group][name]) {
					differ = append(differ, group+"."+name)
				}
			}
		}
		if len(differ) != 1 || differ[0] != set.name {
			t.Errorf("%s changes %v", set.name, differ)
		}
	}
}

// A session has what its caller wished, by each way in, and tells it.
func TestTurnOfASession(t *testing.T) {
	h := open(t, 0)
	h.Turn = turn.Config{End: slow}
	converse := h.Converse
	begun := make(chan turn.Config, 8)
	h.Converse = func(ctx context.Context, s *Session) error {
		begun <- s.Turn
		return converse(ctx, s)
	}
	query := "?" + url.Values{"turn": {`{"end":{"keys":"3s"}}`}, "patience": {"2"}}.Encode()
	for _, c := range []struct {
		name, path, fields string
		short, keys        time.Duration
	}{
		{"no wish", "/offer", ``, 850 * time.Millisecond, 2 * time.Second},
		{"in the offer", "/offer", `,"turn":{"end":{"keys":"3s"}},"patience":2`, 1700 * time.Millisecond, 3 * time.Second},
		{"in the query", "/offer" + query, ``, 1700 * time.Millisecond, 3 * time.Second},
		{"the offer before the query", "/offer" + query, `,"patience":1`, 850 * time.Millisecond, 3 * time.Second},
		{"WHIP", "/whip" + query, "", 1700 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			call, sdp, err := h.caller.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(call.Close)
			quoted, _ := json.Marshal(sdp)
			kind, body := jsonType, `{"type":"offer","sdp":`+string(quoted)+c.fields+`}`
			if strings.HasPrefix(c.path, "/whip") {
				kind, body = sdpType, sdp
			}
			res, answer := h.do(t, "POST", c.path, body, "Content-Type", kind)
			if res.StatusCode/100 != 2 {
				t.Fatalf("%s: %s", res.Status, answer)
			}
			is := <-begun
			if is.End.Ahead != slow.Ahead || is.End.Short != c.short || is.End.Keys != c.keys {
				t.Errorf("%+v", is.End)
			}
			at := res.Header.Get("Location")
			if at == "" {
				var a answered
				if err := json.Unmarshal([]byte(answer), &a); err != nil {
					t.Fatal(err)
				}
				at = "/sessions/" + a.Session
			}
			_, body = h.do(t, "GET", at, "")
			var told struct {
				Turn struct {
					End struct{ Ahead, Short, Keys string }
				}
			}
			if err := json.Unmarshal([]byte(body), &told); err != nil {
				t.Fatal(err)
			}
			if e := told.Turn.End; e.Ahead != slow.Ahead.String() || e.Short != c.short.String() || e.Keys != c.keys.String() {
				t.Errorf("%s", body)
			}
		})
	}
	before := len(h.list(t))
	for _, path := range []string{"/offer?patience=9", "/whip?turn=%7B"} {
		kind, body := sdpType, "v=0"
		if strings.HasPrefix(path, "/offer") {
			kind, body = jsonType, `{"type":"offer","sdp":"v=0"}`
		}
		if res, said := h.do(t, "POST", path, body, "Content-Type", kind); res.StatusCode != http.StatusBadRequest || !strings.Contains(said, "turn-taking") {
			t.Errorf("%s: %s %s", path, res.Status, said)
		}
	}
	h.FixedTurn = true
	if res, said := h.do(t, "POST", "/offer", `{"type":"offer","sdp":"v=0","patience":2}`, "Content-Type", jsonType); res.StatusCode != http.StatusForbidden || !strings.Contains(said, "Patience to Normal") {
		t.Errorf("%s %s", res.Status, said)
	}
	if n := len(h.list(t)); n != before {
		t.Errorf("%d sessions, %d before what was refused", n, before)
	}
}

// FuzzWishes: whatever is wished, the outcome is in order and within bounds, or the refusal is of its class.
func FuzzWishes(f *testing.F) {
	for _, s := range []string{`{"end":{"short":"400ms"}}`, `{"voice":{"stop":0.1}}`, `{"interrupt":{"words":2}}`, `null`, `{"end":null}`, `{"end":{"dangling":"10s"}}`} {
		f.Add([]byte(s), []byte(`1.5`))
	}
	f.Add([]byte(`{`), []byte(`1e308`))
	f.Fuzz(func(t *testing.T, turns, patience []byte) {
		var s Server
		c, err := s.wanted(wishes{turns, patience})
		if err != nil {
			if !errors.Is(err, errTurn) {
				t.Errorf("unclassed error %v", err)
			}
			return
		}
		if err := inOrder(&c); err != nil {
			t.Error(err)
		}
		for _, set := range settings {
			if set.wait != nil && (*set.wait(&c) <= 0 || *set.wait(&c) > 5*time.Minute) {
				t.Errorf("%s is %v", set.name, *set.wait(&c))
			}
		}
	})
}
