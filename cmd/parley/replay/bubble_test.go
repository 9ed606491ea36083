package replay

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/cmd/parley/verdict"
)

// A goroutine of a bubble that waits for something outside of it is found, those that wait within are not told.
func TestWatchdogNamesWhoBlocks(t *testing.T) {
	outside, barked := make(chan struct{}), make(chan string, 1)
	w := &watchdog{still: 200 * time.Millisecond, bark: func(blocked string) {
		barked <- blocked
		close(outside)
	}}
	done := make(chan struct{})
	go func() { defer close(done); w.guard() }()
	w.on.Store(true)
	synctest.Test(t, func(t *testing.T) {
		go waitsForTheWorld(outside)
		time.Sleep(time.Hour)
	})
	w.on.Store(false)
	<-done
	if got := <-barked; !strings.Contains(got, "waitsForTheWorld(") || strings.Contains(got, "time.Sleep") {
		t.Errorf("it barked at\n%s", got)
	}
}

func waitsForTheWorld(world chan struct{}) { <-world }

func TestHolders(t *testing.T) {
	const all = `goroutine 1 [chan receive]:
main.main()

goroutine 7 [sleep (durable), synctest bubble 1]:
a()

goroutine 8 [sync.Mutex.Lock, 1 minutes, synctest bubble 1]:
b()

goroutine 9 [select, synctest bubble 1]:
c()`
	if got := holders(all); !strings.HasPrefix(got, "goroutine 8") || !strings.HasSuffix(got, "c()") || strings.Contains(got, "a()") || strings.Contains(got, "main") {
		t.Errorf("got\n%s", got)
	}
}

func TestBubbled(t *testing.T) {
	for job, want := range map[string]error{
		"leak": verdict.Bad("I5: goroutines outlive the conversation; they are shown above"),
		"bad":  verdict.Bad("invariants do not hold"),
		"?":    verdict.Unknown(errors.New("the conversations could not be held again")),
	} {
		if err := bubbled(t.Context(), job, nil, io.Discard); err != want {
			t.Errorf("%s: %v", job, err)
		}
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.ErrUnsupported)
	if err := bubbled(ctx, "bad", nil, io.Discard); err != verdict.Unknown(errors.ErrUnsupported) {
		t.Errorf("canceled: %v", err)
	}
}
