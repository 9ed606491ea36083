package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/media"
)

// recordForEver records packets and lines as fast as every 2 ms and tells after each until where.
func recordForEver(ctx context.Context, dir string) error {
	w, err := New(dir, Manifest{ID: "killed", Start: time.Now()}, Options{Blobs: true})
	if err != nil {
		return err
	}
	var up, down media.Relay[media.Packet]
	taps := Taps{Up: up.Tap(100, media.DropNewest), Down: down.Tap(100, media.DropNewest)}
	begin := time.Now()
	now := func() time.Duration { return time.Since(begin) }
	var run sync.WaitGroup
	run.Go(func() { err = w.Run(ctx, now, taps) })
	for i := 0; ctx.Err() == nil; i++ {
		t := now()
		up.Send(media.Packet{At: t, Seq: uint16(i), Time: uint32(i * 96), SSRC: 1, Payload: []byte{0xf8, 0xff, byte(i)}})
		down.Send(media.Packet{At: t, Seq: uint16(i), Time: uint32(i * 96), SSRC: 2, Payload: []byte{0xf8, 0xff, byte(i)}})
		w.Log(uint64(i), t, []byte(`{"n":`+strconv.Itoa(i)+`}`))
		if i%50 == 0 {
			w.Blob(t, []byte(strconv.Itoa(i)))
		}
		fmt.Println(i, int64(t))
		time.Sleep(2 * ms)
	}
	run.Wait()
	return err
}

// kills is how many times TestKill kills; KILLS says otherwise.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("KILLS"))
	if err != nil {
		return 50
	}
	t.Logf("killing %d times", n)
	return n
}

// A process that is killed at any moment leaves a record that lacks at most its last second, and nothing of what was before.
func TestKill(t *testing.T) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 10)
	var mu sync.Mutex
	var most time.Duration
	for i := range kills(t) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			after := time.Duration(rand.N(int64(1800 * ms)))
			lost, err := killed(t.TempDir(), after)
			if err != nil {
				t.Errorf("kill %d, after %v: %v", i, after, err)
			}
			mu.Lock()
			defer mu.Unlock()
			most = max(most, lost)
		})
	}
	wg.Wait()
	t.Logf("at most %v were lost", most)
	if most > time.Second {
		t.Errorf("%v were lost", most)
	}
}

// killed lets a process record, kills it, and returns how much of what it told of is missing.
func killed(dir string, after time.Duration) (lost time.Duration, err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECORD_UNTIL_KILLED="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(out)
	began := lines.Scan()
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var n int
	var told int64
	for began {
		if _, err := fmt.Sscan(lines.Text(), &n, &told); err != nil {
			break // cut in the middle
		}
		began = lines.Scan()
	}
	_ = cmd.Wait() // it was killed
	path := filepath.Join(dir, "killed.conv")
	kept, err := checkPrefix(path)
	if kept > 0 && err == nil {
		err = recovered(path)
	}
	return time.Duration(told) - kept, err
}

// checkPrefix reads what is there: it must have no hole. It returns until where.
func checkPrefix(path string) (kept time.Duration, err error) {
	b, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNone) {
		return 0, nil // killed before there was anything
	}
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if s := b.State(); s != Killed {
		return 0, fmt.Errorf("it is %s", s)
	}
	var next [Line + 1]uint64
	kept = 1 << 62
	for _, name := range []string{packetsFile, logFile} {
		last := time.Duration(0)
		for e, err := range b.entries(name) {
			var d *Damage
			if errors.As(err, &d) && (strings.Contains(d.Reason, "ends within") || d.Offset == 0) || errors.Is(err, fs.ErrNotExist) {
				continue // of the tail, or of what there is not yet
			}
			if err != nil {
				return 0, err
			}
			if e.Kind == Blob || e.Kind == End {
				continue
			}
			if e.Seq != next[e.Kind] {
				return 0, fmt.Errorf("%v %d follows %d", e.Kind, e.Seq, next[e.Kind])
			}
			next[e.Kind]++
			last = e.Now
		}
		kept = min(kept, last)
	}
	return kept, nil
}

// recovered recovers a killed bundle, which then has no problem any more.
func recovered(path string) error {
	if _, err := Recover(path); err != nil {
		return err
	}
	b, err := Open(path)
	if err != nil {
		return err
	}
	defer b.Close()
	for limit := time.Now().Add(5 * time.Second); b.State() == Live && time.Now().Before(limit); {
		time.Sleep(ms) // a process that is being started, between fork and exec, shares the lock that Recover has just given back
	}
	r := b.Verify()
	if r.State != Rescued {
		return fmt.Errorf("after recovery it is %s", r.State)
	}
	if len(r.Problems) > 0 {
		return errors.New(strings.Join(r.Problems, "; "))
	}
	return nil
}

// What lies on the disk when power is lost is the file up to what was synced, or any part of what came after.
func TestCutAtEveryOffset(t *testing.T) {
	in := spoken(t, 150)
	var lines []Entry
	for i := range 100 {
		lines = append(lines, Entry{Kind: Line, Now: time.Duration(i) * 30 * ms, Seq: uint64(i), Raw: []byte(fmt.Sprintf(`{"n":%d}`, i))})
	}
	path := build(t, Manifest{}, 3*time.Second, sorted(as(Up, in), lines)...)
	for _, name := range []string{packetsFile, logFile} {
		whole, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		var ends []int64 // of the chunk that each entry lies in
		read(name, strings.NewReader(string(whole)), int64(len(whole)), func(c *chunk, _ Entry, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, c.next)
			return true
		})
		for cut := range whole {
			n, complaints := 0, 0
			read(name, strings.NewReader(string(whole[:cut])), int64(cut), func(_ *chunk, _ Entry, err error) bool {
				if err != nil {
					complaints++
				} else {
					n++
				}
				return true
			})
			want, torn := 0, cut != len(header(name))
			for _, end := range ends {
				if int64(cut) >= end {
					want++
					torn = int64(cut) > end
				}
			}
			if n != want || torn != (complaints > 0) {
				t.Fatalf("%s cut at %d of %d: %d entries, want %d; %d complaints", name, cut, len(whole), n, want, complaints)
			}
		}
		for cut := 0; cut < len(whole); cut += 97 {
			again := clone(t, path)
			if err := os.Truncate(filepath.Join(again, name), int64(cut)); err != nil {
				t.Fatal(err)
			}
			if err := recovered(again); err != nil {
				t.Fatalf("%s cut at %d: %v", name, cut, err)
			}
		}
	}
}

// A process that was killed before there was anything.
func TestKilledAtBirth(t *testing.T) {
	path := build(t, Manifest{}, time.Second)
	for _, name := range []string{logFile, packetsFile} {
		if err := os.Remove(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		again := clone(t, path)
		if err := recovered(again); err != nil {
			t.Error(err)
		}
		if cut, err := Recover(again); cut != 0 || err != nil { // again: nothing happens
			t.Errorf("%d bytes, %v", cut, err)
		}
	}
	if err := os.Remove(filepath.Join(path, manifestFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(path); !errors.Is(err, ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
}

// A byte that is wrong costs one chunk, and the complaint says where.
func TestEveryByteWrong(t *testing.T) {
	path := build(t, Manifest{}, 3*time.Second, as(Up, spoken(t, 150))...)
	whole, err := os.ReadFile(filepath.Join(path, packetsFile))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 3 {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x55
		n, at := 0, int64(-1)
		read(packetsFile, strings.NewReader(string(bad)), int64(len(bad)), func(_ *chunk, _ Entry, err error) bool {
			var d *Damage
			if errors.As(err, &d) && at < 0 {
				at = d.Offset
			}
			if err == nil {
				n++
			}
			return true
		})
		if n < 120 || at < 0 || at > int64(i) {
			t.Fatalf("byte %d: %d entries are left, complaint at %d", i, n, at)
		}
	}
}
