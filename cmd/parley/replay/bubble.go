package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/cmd/parley/verdict"
)

// Virtual time comes from testing/synctest, whose bubbles belong to tests. So the verb runs itself again as a child, and there
// as the one test of a package that does not exist. Nothing else of the program knows of this.

const (
	bubbleEnv   = "PARLEY_REPLAY_BUBBLE"                                           // of the child: what to do there
	bubbleStill = time.Minute                                                      // without a beat, in real time, after which something blocks
	bubbleLeak  = "main bubble goroutine has exited but blocked goroutines remain" // what synctest panics with
)

// bubbled has a child do what job says; its output goes to out. Job is the child's in JSON.
func bubbled(ctx context.Context, job any, args []string, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return verdict.Unknown(fmt.Errorf("find this program: %w", err))
	}
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	var errs bytes.Buffer
	child := exec.CommandContext(ctx, self, args...)
	child.Env = append(os.Environ(), bubbleEnv+"="+string(text))
	child.Stdout, child.Stderr = out, io.MultiWriter(os.Stderr, &errs)
	err = child.Run()
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return verdict.Unknown(context.Cause(ctx))
	case !errors.As(err, &exit):
		return verdict.Unknown(fmt.Errorf("run conversations in virtual time: %w", err))
	case strings.Contains(errs.String(), bubbleLeak):
		return verdict.Bad("I5: goroutines outlive the conversation; they are shown above")
	case exit.ExitCode() == 1:
		return verdict.Bad("invariants do not hold")
	}
	return verdict.Unknown(errors.New("the conversations could not be held again"))
}

// bubbleJob is what this process is to do as a child; false: it is none.
func bubbleJob(job any) (is bool, err error) {
	text, is := os.LookupEnv(bubbleEnv)
	if !is {
		return false, nil
	}
	return true, json.Unmarshal([]byte(text), job)
}

// inBubbles runs do, which has functions run in bubbles, and ends the process with the code that it returns. Of the
// watchdog: a beat says that virtual time goes on, and a minute without one while a bubble lasts ends the process too.
func inBubbles(w *watchdog, do func(bubble func(func())) (code int)) {
	os.Args = os.Args[:1] // package testing reads flags
	go w.guard()
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Conversation", F: func(t *testing.T) {
		os.Exit(do(func(f func()) {
			w.on.Store(true)
			defer w.on.Store(false)
			synctest.Test(t, func(*testing.T) { f() })
		}))
	}}}, nil, nil)
}

// watchdog finds out that a bubble's time stands still: a goroutine of it waits for what is not in the bubble.
type watchdog struct {
	beats atomic.Int64
	on    atomic.Bool // a bubble lasts
	still time.Duration
	bark  func(blocked string)
}

func newWatchdog() *watchdog {
	return &watchdog{still: bubbleStill, bark: func(blocked string) {
		fmt.Fprintf(os.Stderr, "parley: the conversation has stood still for %v; these goroutines hold it up:\n\n%s\n", bubbleStill, blocked)
		os.Exit(2)
	}}
}

func (w *watchdog) beat() { w.beats.Add(1) }

// guard looks after the bubbles for the life of the process.
func (w *watchdog) guard() {
	tick := time.NewTicker(w.still / 4)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for range tick.C {
		if n := w.beats.Load(); n != last || !w.on.Load() {
			last, since = n, time.Now()
			continue
		}
		if time.Since(since) >= w.still {
			w.bark(holders(stacks()))
			return
		}
	}
}

// stacks are those of all goroutines.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= 64<<20 {
			return string(buf[:n])
		}
	}
}

// holders are the goroutines of a bubble that do not wait for it alone: virtual time goes on when there are none.
func holders(stacks string) string {
	var out []string
	for g := range strings.SplitSeq(stacks, "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "synctest bubble") && !strings.Contains(head, "(durable)") && !strings.Contains(head, "synctest.Run") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}
