package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/media"
	"parley/web"
)

// serving is a server, or a network before one, that runs in this process.
type serving struct {
	url  string
	stop func() error
}

// start runs "parley serve" on free loopback ports and waits for its page. It is stopped at the end of the
// test, if not before.
func start(t *testing.T, args ...string) serving {
	t.Helper()
	return begin(t, "listening on ", append([]string{"serve", "--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
}

// begin runs a verb and waits for a line that begins with words; what follows them is its address.
func begin(t *testing.T, words string, args ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, w)
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	s := serving{stop: sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(15 * time.Second):
			return errors.New("it does not end")
		}
	})}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewScanner(r)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), words); ok {
			s.url = url
			go io.Copy(io.Discard, r)
			return s
		}
	}
	t.Fatalf("%s said %q and ended: %v", args[0], said, <-ended)
	return s
}

// ask says something and waits until the agent has answered it.
func ask(ctx context.Context, c *caller.Caller, pcm []int16) (caller.Said, caller.Packet, error) {
	said, err := c.Say(ctx, pcm)
	if err != nil {
		return said, caller.Packet{}, err
	}
	first, err := c.Answer(ctx, said.Last)
	if err != nil {
		return said, first, fmt.Errorf("wait for an answer: %w", err)
	}
	return said, first, c.Finished(ctx)
}

// lastOf is the newest message of a type in which f is satisfied.
func lastOf[T any](c *caller.Caller, kind string, f func(T) bool) (T, bool) {
	var found T
	ok := false
	for _, m := range c.Messages(0) {
		var v T
		if m.Type == kind && json.Unmarshal(m.Raw, &v) == nil && f(v) {
			found, ok = v, true
		}
	}
	return found, ok
}

// heardSound keeps what a caller hears.
type heardSound struct {
	mu  sync.Mutex
	pcm []int16
}

func (h *heardSound) hear(at int64, pcm []int16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if end := int(at) + len(pcm); at >= 0 {
		if len(h.pcm) < end {
			h.pcm = append(h.pcm, make([]int16, end-len(h.pcm))...)
		}
		copy(h.pcm[at:], pcm)
	}
}

// between is the sound from one time of the call to another.
func (h *heardSound) between(from, to time.Duration) []int16 {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, j := int(from*caller.Rate/time.Second), int(to*caller.Rate/time.Second)
	return append([]int16(nil), h.pcm[min(i, len(h.pcm)):min(j, len(h.pcm))]...)
}

// A spoken tone answer: the whole path, with stub engines.
func TestSpokenToneAnswer(t *testing.T) {
	s := start(t, "--stt", "script:lines=What time is it?", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var sound heardSound
	err := caller.Run(ctx, s.url, caller.Options{Hear: sound.hear}, func(ctx context.Context, c *caller.Caller) error {
		said, first, err := ask(ctx, c, corpus.PinkNoise(1500*time.Millisecond, -20, 1))
		if err != nil {
			return err
		}
		if d := first.At - said.Last; d < 600*time.Millisecond || d > 6*time.Second {
			t.Errorf("answered after %v", d)
		}
		want := "You said: What time is it?"
		if got, _ := lastOf(c, "agent", func(a web.Said) bool { return a.Done }); got.Heard != want || got.Generated != want || got.Interrupted {
			t.Errorf("the page was told %+v", got)
		}
		if got, _ := lastOf(c, "user", func(u web.User) bool { return u.Final }); got.Text != "What time is it?" {
			t.Errorf("the page was told %+v", got)
		}
		last, _ := caller.LastAudible(c.Heard(0), first.At, c.Now())
		length := time.Duration(len(want)) * 65 * time.Millisecond
		if d := last.At - first.At; d < length-100*time.Millisecond || d > length+500*time.Millisecond {
			t.Errorf("the answer sounded for %v, want %v", d, length)
		}
		if p := pitch(sound.between(first.Place+200*time.Millisecond, first.Place+time.Second)); p < 435 || p > 445 {
			t.Errorf("the answer hums at %.1f Hz", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pitch is how often pcm crosses zero upwards, a second.
func pitch(pcm []int16) float64 {
	n := 0
	for i := 1; i < len(pcm); i++ {
		if pcm[i-1] < 0 && pcm[i] >= 0 {
			n++
		}
	}
	return float64(n) / media.Samples(len(pcm), caller.Rate).Seconds()
}

// Callers come, go and vanish; nothing of them stays.
func TestCallersLeaveNothing(t *testing.T) {
	s := start(t, "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--vanish", "2s")
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	call := func() {
		err := caller.Run(ctx, s.url, caller.Options{}, func(ctx context.Context, c *caller.Caller) error {
			_, err := c.Answer(ctx, 0) // the greeting
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	call() // what a first call makes for good
	before := resources(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(call)
	}
	wg.Wait()
	after := before
	for range 100 {
		if after = resources(t); after[0] <= before[0] && after[1] <= before[1] {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("goroutines and files: %v before, %v after\n%s", before, after, buf[:runtime.Stack(buf, true)])
}

func resources(t *testing.T) [2]int {
	t.Helper()
	runtime.GC()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return [2]int{runtime.NumGoroutine(), len(d)}
}

// longestGap is the longest silence between the audible packets of a stretch.
func longestGap(heard []caller.Packet, from, to time.Duration) time.Duration {
	var last, longest time.Duration
	for _, p := range heard {
		if p.At < from || p.At > to || p.Level <= caller.Audible {
			continue
		}
		if last != 0 {
			longest = max(longest, p.Place-last)
		}
		last = p.Place + p.Long
	}
	return longest
}
