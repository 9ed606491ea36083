package agent_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"parley/agent"
)

// A log from elsewhere may hold anything: running it gives events, never a panic, and each run the same.
func FuzzRepeat(f *testing.F) {
	f.Add([]byte(`[{"kind":"took","took":{"kind":"begun"}},{"kind":"step","step":{"now":1,"in":{"kind":"typed","text":"hello"}}},
		{"kind":"took","took":{"kind":"wrote","reply":1,"text":"Hi."}},{"kind":"took","took":{"kind":"ended","reply":1,"text":"lost"}}]`))
	f.Add([]byte(`[{"kind":"took","took":{"kind":"came"}},{"kind":"took"},{"kind":"step"},{"kind":"took","took":{"kind":"over"}}]`))
	f.Add([]byte(`[{"kind":"took","took":{"kind":"came","input":{"kind":"hangup"}}},{"kind":"took","cause":4,"took":{"kind":"cut","reply":-1}}]`))
	f.Add([]byte(`[{"kind":"took","took":{"kind":"spent"}},{"kind":"took","took":{"kind":"spent","reply":1,"used":{"stage":"llm","usd":1e308}}},
		{"kind":"took","took":{"kind":"spent","used":{"usd":1e308}}},{"kind":"took","took":{"kind":"failed","code":"stt"}},{"kind":"took","took":{"kind":"over"}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var log []agent.Event
		if json.Unmarshal(b, &log) != nil {
			return
		}
		told := func() (lines []string) {
			for i, events := range agent.Repeat(agent.Profile{}, log) {
				if i < 0 || i >= len(log) || len(events) == 0 {
					t.Fatalf("event %d of %d gives %d", i, len(log), len(events))
				}
				for _, e := range events {
					lines = append(lines, line(e))
				}
			}
			return lines
		}
		first, second := told(), told()
		if len(first) != len(second) {
			t.Fatalf("%d events, then %d", len(first), len(second))
		}
		for i := range first {
			if first[i] != second[i] {
				t.Fatalf("%s, then %s", first[i], second[i])
			}
		}
	})
}

// Leaving the loop ends it.
func TestRepeatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"Hello."}, at(6), span{at(1), at(2)})
		c.run(t)
		n := 0
		for range agent.Repeat(c.Profile, c.events) {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%d inputs", n)
		}
	})
}
