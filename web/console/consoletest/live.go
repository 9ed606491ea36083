package consoletest

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"parley/media"
	"parley/media/record"
)

// Live is a conversation that is being recorded: another one once more, as far as it is let go on.
type Live struct {
	t        testing.TB
	from     *record.Bundle
	w        *record.Writer
	up, down media.Relay[media.Packet]
	at       atomic.Int64 // ns
	next     [2]func() (record.Entry, error, bool)
	rest     [2]*record.Entry
	end      func()
}

// Record begins to record what is in the bundle at path once more, below dir. It ends with the test, or with End.
func Record(t testing.TB, path, dir, id string) *Live {
	t.Helper()
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m := b.Manifest
	m.ID, m.Start = id, time.Now()
	w, err := record.New(dir, m, record.Options{Buffer: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l := &Live{t: t, from: b, w: w}
	taps := record.Taps{Up: l.up.Tap(1<<14, media.DropNewest), Down: l.down.Tap(1<<14, media.DropNewest)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func() time.Duration { return time.Duration(l.at.Load()) }, taps) }()
	var stops [2]func()
	for i, all := range []iter.Seq2[record.Entry, error]{b.Packets(), b.Log()} {
		l.next[i], stops[i] = iter.Pull2(all)
	}
	ended := false
	l.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		for _, stop := range stops {
			stop()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(l.end)
	return l
}

// Until lets it go on to a second.
func (l *Live) Until(at time.Duration) {
	l.t.Helper()
	l.at.Store(int64(at))
	for i := range l.next {
		for {
			e := l.rest[i]
			l.rest[i] = nil
			if e == nil {
				v, err, ok := l.next[i]()
				if err != nil {
					l.t.Fatal(err)
				}
				if !ok {
					break
				}
				e = &v
			}
			if e.Now > at {
				l.rest[i] = e
				break
			}
			l.put(*e)
		}
	}
}

func (l *Live) put(e record.Entry) {
	switch e.Kind {
	case record.Up:
		l.up.Send(e.Packet)
	case record.Down:
		l.down.Send(e.Packet)
	case record.Mute:
		l.w.Mute(e.Now, e.On)
	case record.Line:
		l.w.Log(e.Seq, e.Now, e.Raw)
	}
}

// End ends it as a call does that is over.
func (l *Live) End() { l.end() }
