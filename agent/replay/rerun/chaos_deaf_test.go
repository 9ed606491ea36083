package rerun

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/agent"
)

// When no recognizer is left for good that is said before the conversation ends.
func TestDeaf(t *testing.T) {
	from := newCallers(t, "ssss", "stst")
	for _, tr := range troubles {
		for turn, way := range []string{"ssss", "stst"} {
			d := disaster{way: way, all: []affliction{{trouble: tr, kind: "stt", both: true, from: turn, to: 9}}}
			if !d.all[0].deafens() {
				continue
			}
			t.Run(tr.name+" "+way, func(t *testing.T) {
				t.Parallel()
				e := d.hold(t, from)
				spoken := turn + strings.Index(way[turn:], "s")
				n := len(e.line)
				if n == 0 || e.line[n-1].id != otherID || e.line[n-1].long < 2*time.Second {
					t.Errorf("the last that is heard is not that nobody can hear: %v", e.line)
				}
				if e.End == nil || errors.Is(e.End, agent.ErrAudioEnd) || e.Length > turnAt(spoken)+12*time.Second {
					t.Errorf("it ended after %v for %v", e.Length, e.End)
				}
				if k := e.troubles("stt"); len(k) == 0 || !strings.Contains(k[len(k)-1], "ends") {
					t.Errorf("told was %q", k)
				}
				for _, v := range Check(e.Result) {
					t.Error(v)
				}
			})
		}
	}
}
