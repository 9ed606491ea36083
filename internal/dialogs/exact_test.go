package dialogs

import (
	"testing"
	"time"

	"parley/agent/replay"
	"parley/media/record"
)

// TestExact: run again from its record, every conversation is the same, three times over.
func TestExact(t *testing.T) {
	all := recorded(t)
	begun := time.Now()
	var spoken time.Duration
	for _, h := range all {
		hash := ""
		for range 3 {
			b, err := record.Open(h.got.Bundle)
			if err != nil {
				t.Fatal(err)
			}
			r, err := replay.Exact(b)
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			switch {
			case err != nil:
				t.Errorf("%s: %v", h.Name, err)
			case r.Difference != nil || r.Stopped != nil:
				t.Errorf("%s: stopped at %+v, difference %+v", h.Name, r.Stopped, r.Difference)
			case hash != "" && r.Hash != hash || r.Events != len(h.got.Events):
				t.Errorf("%s: hash %s after %s, %d of %d events", h.Name, r.Hash, hash, r.Events, len(h.got.Events))
			}
			hash = r.Hash
			spoken += h.got.Length
		}
	}
	took := time.Since(begun)
	t.Logf("%d conversations, three times: %v in %v, %.0f times real time", len(all), spoken.Round(time.Second), took.Round(time.Millisecond), float64(spoken)/float64(took))
}
