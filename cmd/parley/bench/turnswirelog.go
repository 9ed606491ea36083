package bench

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/media/record"
)

// answered are the answers of several calls, by the server's names for these.
type answered struct {
	mu  sync.Mutex
	all map[string][]result
}

func (a *answered) add(session string, all []result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[string][]result{}
	}
	a.all[session] = append(a.all[session], all...)
}

// waits are the silences that the machine asked for, by call and turn, from the records of the calls.
func (r *answers) waits(dir string) (map[string]map[int]time.Duration, error) {
	all := map[string]map[int]time.Duration{}
	for id := range r.calls.all {
		name, err := record.Folder(id)
		if err != nil {
			return nil, fmt.Errorf("find the record of a call: %w", err)
		}
		c, err := readCall(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		all[id] = chosen(c.Profile.Turn, c.Events)
	}
	return all, nil
}

// chosen are the silences after which turns were taken as over, as the machine chose them: by the reason that it gives. The servers of this
// bench do not adapt them to a caller.
func chosen(c turn.Config, events []agent.Event) map[int]time.Duration {
	end := c.WithDefaults().End
	waits := map[int]time.Duration{}
	for _, e := range events {
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			if d.Kind != turn.Commit {
				continue
			}
			if w, ok := waitOf(end, d.Reason); ok {
				waits[d.Turn] = w
			}
		}
	}
	return waits
}

// waitOf is the silence that a reason stands for.
func waitOf(end turn.End, reason string) (time.Duration, bool) {
	switch reason {
	case "finished":
		return end.Short, true
	case "perhaps finished", "an order":
		return end.Middle, true
	case "probably unfinished":
		return end.Long, true
	case "unfinished words":
		return end.Dangling, true
	case "spelled":
		return end.Spelled, true
	}
	return 0, false
}
