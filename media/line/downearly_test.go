package line

import (
	"context"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/media/record"
)

// talker is a Playout on a Down, and what was sent: packets, each with the moment, and the moments at which speech was there.
type talker struct {
	out     *media.Playout
	now     func() time.Duration
	mu      sync.Mutex
	packets []media.Packet
	asked   []time.Duration
}

// newTalker makes a talker in a bubble. Its session clock is that of the playout's frames.
func newTalker(t *testing.T, c media.Codec, early bool, send func(media.Packet)) *talker {
	begin := time.Now().Add(10 * ms)
	k := &talker{now: func() time.Duration { return time.Since(begin) }}
	down, err := NewDown(DownOptions{Rate: media.SpeakRate, Codec: c, Send: func(p media.Packet) {
		p.At = k.now()
		k.mu.Lock()
		k.packets = append(k.packets, p)
		k.mu.Unlock()
		send(p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	k.out = media.NewPlayout(media.SpeakRate, down.Write)
	if early {
		k.out.Early(down.Free)
	}
	return k
}

// talk speaks n times, at moments that know nothing of the grid or, in batches, shortly after its points, and from 100 ms to 1.5 s
// after what was said before.
func (k *talker) talk(t *testing.T, n int, batches bool) {
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = k.out.Run(ctx) })
	r := rand.New(rand.NewPCG(3, 4))
	for range n {
		at := k.now() + 100*ms + time.Duration(r.Int64N(int64(1400*ms)))
		if batches {
			at = at.Truncate(10*ms) + ms + at%(2*ms)
		}
		time.Sleep(at - k.now())
		k.asked = append(k.asked, k.now())
		if _, err := k.out.Play(ctx, loudly(3+r.IntN(8))); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(2 * time.Second)
	cancel()
	run.Wait()
}

func loudly(frames int) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		for i := range frames {
			if !yield(media.Frame{Rate: media.SpeakRate, PCM: speech(i, media.SpeakRate)}, nil) {
				return
			}
		}
	}
}

// place is where a packet lies on the playout's timeline. The first packet of a call lies at the first tick.
func (k *talker) place(p media.Packet, c media.Codec) time.Duration {
	return media.FrameDuration + time.Duration(int32(p.Time-k.packets[0].Time))*time.Second/time.Duration(c.Clock())
}

// Packets of speech that begins early neither overlap others nor lie where they were not sent; pauses stay as they are.
func TestSpurtsBeginEarly(t *testing.T) {
	for _, c := range []struct {
		name           string
		codec          media.Codec
		early, batches bool
		p50, p99       time.Duration
	}{
		{"opus, at a tick", media.Opus, false, false, 11 * ms, 20 * ms},
		{"opus", media.Opus, true, false, 2 * ms, 20 * ms},
		{"opus, batches, at a tick", media.Opus, false, true, 18 * ms, 19 * ms},
		{"opus, batches", media.Opus, true, true, 0, 19 * ms},
		{"pcmu", media.PCMU, true, false, 11 * ms, 20 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newTalker(t, c.codec, c.early, func(media.Packet) {})
				k.talk(t, 300, c.batches)
				waits := k.check(t, c.codec)
				sum := time.Duration(0)
				for _, w := range waits {
					sum += w
				}
				p50, p99 := waits[len(waits)/2], waits[len(waits)*99/100]
				t.Logf("mean %v, p50 %v, p99 %v", sum/time.Duration(len(waits)), p50, p99)
				if p50 > c.p50 || p99 > c.p99 {
					t.Error("that is too long")
				}
			})
		})
	}
}

// check looks at all packets and gives how long speech waited for its first, in order.
func (k *talker) check(t *testing.T, c media.Codec) (waits []time.Duration) {
	t.Helper()
	asked := k.asked
	for i, p := range k.packets {
		at := k.place(p, c)
		first := p.Level < noSound && (i == 0 || k.packets[i-1].Level == noSound)
		if late := p.At - at; late < 0 || late > 5*ms || late > 0 && !first {
			t.Fatalf("packet %d of %v was sent at %v", i, at, p.At)
		}
		if first {
			waits = append(waits, p.At-asked[len(waits)])
		}
		if p.Marker != first {
			t.Errorf("packet %d: marker %v", i, p.Marker)
		}
		if i == 0 {
			continue
		}
		step := at - k.place(k.packets[i-1], c)
		if p.Seq != k.packets[i-1].Seq+1 || step < media.FrameDuration || step > 400*ms || c != media.Opus && step != media.FrameDuration {
			t.Fatalf("packet %d is %d numbers and %v after the one before", i, p.Seq-k.packets[i-1].Seq, step)
		}
	}
	if len(waits) != len(asked) {
		t.Fatalf("%d spurts of %d", len(waits), len(asked))
	}
	slices.Sort(waits)
	return waits
}

// A listener of this package and a recorder take speech that begins early for what it is: nothing is made up, and every spurt lies
// where it was sent.
func TestEarlySpurtsAreHeardAndRecorded(t *testing.T) {
	dir := t.TempDir()
	var k *talker
	var up *Up
	synctest.Test(t, func(t *testing.T) {
		w, err := record.New(dir, record.Manifest{ID: "early", Start: time.Now()}, record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var wire, unused media.Relay[media.Packet]
		heard := wire.Tap(64, media.DropNewest)
		taps := record.Taps{Up: unused.Tap(1, media.DropNewest), Down: wire.Tap(1000, media.DropNewest)}
		if up, err = NewUp(UpOptions{Rate: media.ListenRate}); err != nil {
			t.Fatal(err)
		}
		k = newTalker(t, media.Opus, true, wire.Send)
		rolling, stop := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() {
			if err := w.Run(rolling, k.now, taps); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			for range up.Frames(k.now, heard)(context.Background()) {
			}
		})
		k.talk(t, 60, false)
		wire.Close()
		unused.Close()
		time.Sleep(time.Second)
		stop()
		all.Wait()
	})
	if s := up.Stats(); s.Patched+s.Lost+s.Late+s.Restarts+s.Undecodable > 0 || s.Behind.Abs() > 5*ms {
		t.Errorf("%+v", s)
	}
	var want []time.Duration
	for _, p := range k.packets {
		if p.Marker {
			want = append(want, k.place(p, media.Opus))
		}
	}
	got := onsets(t, filepath.Join(dir, "early.conv"))
	if len(got) != len(want) {
		t.Fatalf("%d spurts in the record, %d sent", len(got), len(want))
	}
	for i, at := range got { // the encoder and the first rise of the tone take some milliseconds
		if off := at - want[i]; off < 0 || off > 8*ms {
			t.Errorf("spurt %d lies %v after its place", i, off)
		}
	}
}

// onsets are where sound begins in the record after silence.
func onsets(t *testing.T, path string) (all []time.Duration) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	last := -time.Second
	for p, err := range b.Track(record.Down, media.SpeakRate) {
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range p.PCM {
			if v > 4000 || v < -4000 {
				at := p.At + media.Samples(i, p.Rate)
				if at-last > 50*ms {
					all = append(all, at)
				}
				last = at
			}
		}
	}
	return all
}
