package dialogs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/agent/replay"
	"parley/agent/replay/fault"
	"parley/agent/replay/rerun"
	"parley/internal/netsim"
	"parley/media/record"
)

// key is a number that belongs to names.
func key(names ...string) uint64 {
	h := fnv.New64a()
	for _, n := range names {
		fmt.Fprintf(h, "%s\n", n)
	}
	return h.Sum64()
}

// trial is a dialog under something.
type trial struct {
	stage  rerun.Stage
	dialog Dialog
	under  string // name of a fault or of a network profile
}

// again is a dialog as parley replay fault holds it: from its record.
func again(t *testing.T, h held) rerun.Stage {
	t.Helper()
	b, err := record.Open(h.got.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, trouble, err := rerun.Recorded(b, h.stage.Engines.Voice)
	if err = errors.Join(trouble, err); err != nil {
		t.Fatal(err)
	}
	s.Dir = h.stage.Dir
	return s
}

// trials are every dialog with every fault, from its record, and over every bad network; with -short two faults and one network
// each, chosen by its name.
func trials(t *testing.T, all []held) (list []trial) {
	t.Helper()
	for _, h := range all {
		for _, name := range some(key(h.Name), 2, fault.Names()) {
			f, err := fault.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			f.Seed = key(h.Name, f.Name)
			s := again(t, h)
			s.ID = h.Name + "-" + f.Name
			s.Engines.Recognizer = f.Recognizer(s.Engines.Recognizer)
			s.Engines.Model = f.Model(s.Engines.Model)
			s.Engines.Voice = f.Voice(s.Engines.Voice)
			list = append(list, trial{s, h.Dialog, f.Name})
		}
		for _, p := range some(key(h.Name, "net"), 1, netsim.Profiles()[1:]) { // the first is a clean one
			s := h.stage
			s.ID, s.Network = h.Name+"-"+p.Name, &rerun.Network{Profile: p, Seed: key(h.Name)}
			list = append(list, trial{s, h.Dialog, p.Name})
		}
	}
	return list
}

// some are all of a list, or with -short n of it that a number chooses.
func some[T any](number uint64, n int, all []T) (list []T) {
	if !testing.Short() {
		return all
	}
	step := 1 + number/1000%uint64(len(all)-1)
	for i := range uint64(n) {
		list = append(list, all[(number+i*step)%uint64(len(all))])
	}
	return list
}

// TestTroubles holds every dialog with engines that fail and over bad networks: what must always be true is true, and from
// its record each is the same again.
func TestTroubles(t *testing.T) {
	all := recorded(t)
	list := trials(t, all)
	begun := time.Now()
	var mu sync.Mutex
	table := map[string]*row{}
	t.Run("all", func(t *testing.T) {
		for _, c := range list {
			t.Run(c.stage.ID, func(t *testing.T) {
				t.Parallel()
				started := time.Now()
				r := hold(t, c.stage)
				for _, v := range rerun.Check(r) {
					t.Error(v)
				}
				repeats(t, r.Bundle, len(r.Events))
				mu.Lock()
				defer mu.Unlock()
				if table[c.under] == nil {
					table[c.under] = &row{ends: map[string]int{}}
				}
				table[c.under].add(r, time.Since(started))
				if len(c.dialog.Differences(Happened(r.Events))) == 0 {
					table[c.under].good++
				}
			})
		}
	})
	t.Logf("%d dialogs in %d troubles: %v", len(all), len(list), time.Since(begun).Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%-16s %v", name, table[name])
	}
	if want := len(fault.Names()) + len(netsim.Profiles()) - 1; len(table) != want {
		t.Errorf("%d kinds of trouble were met, not %d", len(table), want)
	}
}

// repeats says whether a record gives its conversation again.
func repeats(t *testing.T, bundle string, events int) {
	t.Helper()
	b, err := record.Open(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := replay.Exact(b)
	if err != nil || r.Difference != nil || r.Stopped != nil || r.Events != events {
		t.Errorf("again: %d of %d events, stopped at %+v, difference %+v, %v", r.Events, events, r.Stopped, r.Difference, err)
	}
}

// row is what came of the dialogs under one trouble.
type row struct {
	runs, good, answers, cancels int
	took                         time.Duration
	ends                         map[string]int
}

func (r *row) add(res rerun.Result, took time.Duration) {
	r.runs++
	r.answers += res.Engines.Answers
	r.cancels += len(res.Engines.Cancels)
	r.took += took
	if res.End != nil {
		r.ends[res.End.Error()]++
	}
}

func (r *row) String() string {
	var ends []string
	for _, e := range slices.Sorted(maps.Keys(r.ends)) {
		ends = append(ends, fmt.Sprintf("%d× %s", r.ends[e], e))
	}
	return fmt.Sprintf("%3d dialogs, %2d as people want them; %3d answers begun, %3d works canceled, %5.1f s; %s", r.runs, r.good, r.answers, r.cancels, r.took.Seconds(), strings.Join(ends, ", "))
}
