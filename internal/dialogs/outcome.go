package dialogs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/agent"
)

// Happened is what came of a conversation, told from its events in order.
func Happened(events []agent.Event) (all []Exchange) {
	turns := map[int]Exchange{}
	for _, e := range events {
		t := turns[e.Turn]
		switch {
		case e.Kind == agent.User && e.Final && e.Text != "":
			t.User = e.Text
		case e.Kind == agent.User && e.Final:
			t = Exchange{} // it was none, or has become part of the next
		case e.Kind == agent.Answer:
			t.Agent, t.Cut = e.Said.Heard, e.Said.Interrupted || !e.Said.Done
		}
		turns[e.Turn] = t
	}
	for _, n := range slices.Sorted(maps.Keys(turns)) {
		if t := turns[n]; t.User != "" || t.Agent != "" {
			all = append(all, t)
		}
	}
	return all
}

// Differences says in what the exchanges that happened are not what d wants; nothing: they are. Punctuation and case do
// not count. A line that was to be cut is one if it was, wherever; one of the agent's own that was cut before anything of
// it was heard is no exchange.
func (d Dialog) Differences(got []Exchange) (all []string) {
	want := d.Want
	for len(got) > 0 || len(want) > 0 {
		switch {
		case len(want) == 0:
			all = append(all, fmt.Sprintf("%v, want nothing", got[0]))
			got = got[1:]
			continue
		case len(got) > 0 && got[0].like(want[0]):
			got = got[1:]
		case want[0].User == "" && want[0].Cut:
		case len(got) == 0:
			all = append(all, fmt.Sprintf("nothing, want %v", want[0]))
		default:
			all = append(all, fmt.Sprintf("%v, want %v", got[0], want[0]))
			got = got[1:]
		}
		want = want[1:]
	}
	return all
}

func (e Exchange) like(want Exchange) bool {
	if plain(e.User) != plain(want.User) || e.Cut != want.Cut {
		return false
	}
	heard, all := plain(e.Agent), plain(want.Agent)
	return heard == all || want.Cut && strings.HasPrefix(all, heard)
}

// String is the exchange in one line.
func (e Exchange) String() string {
	s := fmt.Sprintf("%q – %q", e.User, e.Agent)
	if e.Cut {
		s += " (cut)"
	}
	return s
}
