package console

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/media/record"
	"parley/web/console/consoletest"
)

func (b *bench) take(id string) (*item, error) {
	return b.shelf.get(id, func() (*record.Bundle, error) { return b.opt.Archive.Open(id) })
}

// The shelf keeps to its size: it drops what was not used for longest, never what is in use, and leaves no file behind.
func TestShelf(t *testing.T) {
	b := newBench(t, func(o *Options) { o.CacheMost = 7 << 20 }) // two of 48 s
	for _, id := range []string{"a", "b", "c"} {
		consoletest.Talk(t, b.dir, id, 1)
	}
	consoletest.Talk(t, b.dir, "long", 3)
	use := func(id string) *item {
		it, err := b.take(id)
		if err != nil {
			t.Fatal(err)
		}
		for {
			_, _, ended, more, err := it.look(0)
			if ended && err == nil {
				return it
			}
			<-more
		}
	}
	first := use("a")
	second := use("b")
	if _, err := b.take("c"); !errors.Is(err, errFull) {
		t.Errorf("all is in use: %v", err)
	}
	if again, err := b.take("a"); again != first || err != nil {
		t.Errorf("it was made anew: %v", err)
	}
	b.shelf.put(first)
	b.shelf.put(second)
	b.idle(second, 0)
	b.idle(first, 1)
	third := use("c")
	if b.shelf.items["b"] != nil || b.shelf.items["a"] == nil {
		t.Error("the wrong one was dropped")
	}
	if _, err := b.take("long"); err == nil || errors.Is(err, errFull) {
		t.Errorf("longer than all room: %v", err)
	}
	b.shelf.put(first)
	b.shelf.put(third)
	if files, err := os.ReadDir(b.opt.Cache); err != nil || len(files) > 0 {
		t.Errorf("%d files with names: %v", len(files), err)
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "a.conv")); err != nil {
		t.Fatal(err)
	}
	b.failure("GET", "/recordings/a/sound", 404)
	if b.shelf.items["a"] != nil {
		t.Error("the sound of a deleted recording is kept")
	}
	if err := b.Prepare("b"); err != nil {
		t.Error(err)
	}
	if err := b.Prepare("none"); err == nil {
		t.Error("nothing was prepared")
	}
	b.Close()
	b.failure("GET", "/recordings/b/sound", 503)
	if b.shelf.size != 0 {
		t.Errorf("%d bytes are left", b.shelf.size)
	}
}

// idle waits until an item has only so many users.
func (b *bench) idle(it *item, users int) {
	b.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.shelf.mu.Lock()
		n := it.users
		b.shelf.mu.Unlock()
		if n == users {
			return
		}
	}
	b.Fatal("it is being made for ever")
}

// What was derived of a live call is derived anew when it is old, and of one that has ended once more.
func TestSuits(t *testing.T) {
	start := time.Now()
	b := &record.Bundle{Manifest: record.Manifest{Start: start}}
	for _, c := range []struct {
		name string
		it   item
		live bool
		want bool
	}{
		{"closed", item{start: start, took: 1}, false, true},
		{"another of the same name", item{start: start.Add(1), took: 1}, false, false},
		{"live, fresh", item{start: start, live: true, since: start, took: 1}, true, true},
		{"live, being made", item{start: start, live: true, since: start.Add(-time.Hour)}, true, true},
		{"live, old", item{start: start, live: true, since: start.Add(-time.Minute), took: time.Second}, true, false},
		{"live, dear", item{start: start, live: true, since: start.Add(-time.Minute), took: 10 * time.Second}, true, true},
		{"was live", item{start: start, live: true, since: start, took: 1}, false, false},
	} {
		if got := c.it.suits(b, c.live); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// An answer that was cut off counts as an interruption if something of it was heard, whatever cut it off.
func TestSum(t *testing.T) {
	cut := func(heard string, holds ...replay.Hold) replay.Turn {
		return replay.Turn{User: "Hi", Answer: agent.Said{Heard: heard, Interrupted: true}, Holds: holds}
	}
	c := replay.Conversation{Turns: []replay.Turn{cut("Well", replay.Hold{Outcome: "interrupt"}), cut("typed"), cut("", replay.Hold{Outcome: "interrupt"}), {Answer: agent.Said{Heard: "All"}}}}
	if f, _ := sum(&c); f.Turns != 4 || f.Interruptions != 2 || f.Holds != 2 {
		t.Errorf("%+v", f)
	}
}
