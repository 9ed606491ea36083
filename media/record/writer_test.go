package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
)

// call is a conversation in a bubble, and its recorder.
type call struct {
	t        *testing.T
	w        *Writer
	up, down media.Relay[media.Packet]
	controls media.Relay[media.Control]
	begin    time.Time
	n        int
	logged   bytes.Buffer
	end      func() error
}

func newCall(t *testing.T, worse func(w *Writer)) *call {
	c := &call{t: t, begin: time.Now()}
	w := created(t, t.TempDir(), Manifest{ID: "c1", Start: c.begin}, Options{Blobs: true, Logger: slog.New(slog.NewTextHandler(&c.logged, nil))})
	c.w = w
	if worse != nil {
		worse(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	taps := Taps{c.up.Tap(50, media.DropNewest), c.down.Tap(50, media.DropNewest), c.controls.Tap(50, media.DropNewest)}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, c.now, taps) }()
	c.end = func() error { cancel(); return <-done }
	return c
}

func (c *call) now() time.Duration { return time.Since(c.begin) }

// talk lasts n times 20 ms. What it does must never take time.
func (c *call) talk(n int) {
	for range n {
		at := c.now()
		p := media.Packet{At: at, Seq: uint16(c.n), Time: uint32(960 * c.n), SSRC: 1, PT: 111, Marker: c.n%50 == 0, Level: -1, Payload: []byte{0xf8, 0xff, 0xfe}}
		c.up.Send(p)
		p.SSRC, p.Level = 2, 30
		c.down.Send(p)
		if c.n%50 == 0 {
			c.controls.Send(media.Control{At: at, Up: c.n%100 == 0, Raw: []byte{0x80, 200, 0, byte(c.n)}})
		}
		c.w.Log(uint64(c.n), at, []byte(fmt.Sprintf(`{"seq":%d,"now":%d,"in":{"kind":"score","at":%d,"voice":0.%d}}`, c.n, at, at, c.n*7919%100000)))
		c.w.Score(uint64(c.n), at, "vad", at-10*ms, float32(c.n)/7)
		c.n++
		if c.now() != at {
			c.t.Errorf("the call was held up for %v", c.now()-at)
		}
		time.Sleep(20 * ms)
	}
}

func TestRecordAndRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(t, nil)
		c.talk(100)
		name, ok := c.w.Blob(c.now(), []byte(strings.Repeat("a response ", 100)))
		again, _ := c.w.Blob(c.now(), []byte(strings.Repeat("a response ", 100)))
		if !ok || name != again {
			t.Errorf("blobs %s, %s", name, again)
		}
		b := open(t, c.w.dir)
		if s := b.State(); s != Live {
			t.Errorf("while it is written it is %s", s)
		}
		if _, err := Recover(c.w.dir); !errors.Is(err, ErrLive) {
			t.Errorf("recovering it meanwhile: %v", err)
		}
		c.talk(2900)
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		r := verified(t, c.w.dir)
		if r.State != Closed || r.Duration != time.Minute || r.Up.Packets != 3000 || r.Down.Packets != 3000 || r.Controls != 60 ||
			r.Log != (LogCount{3000, 3000, 2}) || r.Gaps != 0 || r.Bytes != c.w.Status().Bytes && r.Blobs != c.w.Status().Blobs {
			t.Errorf("%+v, %+v", r, c.w.Status())
		}
		n := [kinds]int{}
		for e, err := range b.Packets() {
			if err != nil {
				t.Fatal(err)
			}
			i := n[e.Kind]
			n[e.Kind]++
			if e.Kind != Up && e.Kind != Down {
				continue
			}
			want := media.Packet{At: time.Duration(i) * 20 * ms, Seq: uint16(i), Time: uint32(960 * i), SSRC: uint32(e.Kind), PT: 111, Marker: i%50 == 0, Level: -1, Payload: []byte{0xf8, 0xff, 0xfe}}
			if e.Kind == Down {
				want.Level = 30
			}
			if !reflect.DeepEqual(e.Packet, want) || e.Seq != uint64(i) {
				t.Fatalf("%d: %+v", i, e)
			}
		}
		for e, err := range b.Log() {
			if err != nil {
				t.Fatal(err)
			}
			i := n[e.Kind]
			n[e.Kind]++
			if e.Kind == Score && (e.At != e.Now-10*ms || e.Value != float32(i)/7 || e.Name != "vad" || e.Seq != uint64(i)) {
				t.Fatalf("%+v", e)
			}
			if e.Kind == Line && (e.Seq != uint64(i) || !json.Valid(e.Raw)) {
				t.Fatalf("%+v", e)
			}
		}
		if n[RTCPUp] != 30 || n[RTCPDown] != 30 || n[Line] != 3000 || n[End] != 2 {
			t.Errorf("counted %v", n)
		}
		content, err := b.Blob(name)
		if err != nil || string(content) != strings.Repeat("a response ", 100) {
			t.Errorf("%q, %v", content, err)
		}
		c.w.Log(9, 9, nil) // too late: nothing happens
	})
}

// A disk that is full for a while, or longer than what waits for it may be: the call goes on, the reason is told, and then
// what could be kept is there and a gap tells of the rest.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		full time.Duration
		lost bool
	}{{20 * time.Second, false}, {50 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			var full atomic.Bool
			k := newCall(t, func(w *Writer) {
				write := w.files[0].dev.write
				w.files[0].dev.write = func(b []byte) (int, error) {
					if full.Load() {
						n, _ := write(b[:len(b)/2])
						return n, syscall.ENOSPC
					}
					return write(b)
				}
			})
			k.talk(500)
			full.Store(true)
			k.talk(int(c.full / (20 * ms)))
			if s := k.w.Status(); !strings.Contains(s.Trouble, "no space left") || c.lost != (s.Lost > 0) {
				t.Errorf("%+v", s)
			}
			full.Store(false)
			k.talk(500)
			if s := k.w.Status(); s.Trouble != "" {
				t.Errorf("%+v", s)
			}
			if err := k.end(); err != nil {
				t.Fatal(err)
			}
			r := verified(t, k.w.dir)
			if n := uint64(r.Up.Packets) + r.Gaps/2; c.lost != (r.Gaps > 0) || n < uint64(k.n) || n > uint64(k.n)+200 {
				t.Errorf("%d packets sent, %d here, %d in gaps", k.n, r.Up.Packets, r.Gaps)
			}
			if lost := r.Up.Classes[NotCaptured]; c.lost && (lost < 15*time.Second || lost > 25*time.Second) || !c.lost && lost > ms {
				t.Errorf("classes %v", r.Up.Classes)
			}
			if s := k.logged.String(); strings.Count(s, "waits for the disk") != 1 || strings.Count(s, "the recording goes on") != 1 {
				t.Errorf("logged %s", s)
			}
		})
	}
}

// A disk that hangs holds nobody up, and the end neither.
func TestStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var stalled atomic.Bool
		c := newCall(t, func(w *Writer) {
			sync := w.files[0].dev.sync
			w.files[0].dev.sync = func() error {
				if stalled.Load() {
					<-hang
				}
				return sync()
			}
		})
		c.talk(500)
		stalled.Store(true)
		c.talk(3000)
		if s := c.w.Status(); !strings.Contains(s.Trouble, "has not answered") || s.Lost == 0 {
			t.Errorf("%+v", s)
		}
		at := c.now()
		if err := c.end(); !errors.Is(err, ErrStalled) || c.now()-at > closeTime {
			t.Errorf("ended after %v: %v", c.now()-at, err)
		}
		close(hang) // and its goroutine ends
	})
}

func TestBrokenDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		c := newCall(t, func(w *Writer) {
			w.files[1].dev.sync = func() error {
				if broken.Load() {
					return syscall.EIO
				}
				return nil
			}
			w.files[0].dev.cut = func(int64) error { return syscall.EIO }
			w.files[0].dev.write = func(b []byte) (int, error) {
				if broken.Load() {
					return 1, nil
				}
				return len(b), nil
			}
		})
		c.talk(100)
		broken.Store(true)
		c.talk(100)
		if s := c.w.Status(); !strings.Contains(s.Trouble, "sync log") || !strings.Contains(s.Trouble, "cut packets") {
			t.Errorf("%+v", s)
		}
		if err := c.end(); err == nil {
			t.Error("it ended well")
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(t, nil)
		c.talk(100)
		c.w.Pause(c.now(), "the caller asked")
		c.w.Pause(c.now(), "again")
		c.talk(100)
		if _, ok := c.w.Blob(c.now(), []byte("secret")); ok || !c.w.Status().Paused {
			t.Error("a blob was kept in a pause")
		}
		c.w.Resume(c.now())
		c.w.Resume(c.now())
		c.w.Mute(c.now(), true)
		c.talk(100)
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		r := verified(t, c.w.dir)
		if r.Paused != 1 || r.Up.Packets != 200 || r.Log.Lines != 200 || r.Gaps != 0 ||
			r.Up.Classes != (Classes{Received: 2 * time.Second, NotCaptured: 2 * time.Second, Muted: 2 * time.Second}) ||
			r.Down.Classes != (Classes{Received: 4 * time.Second, NotCaptured: 2 * time.Second}) {
			t.Errorf("%+v", r)
		}
	})
}

// What a tap has lost is told of.
func TestTapOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(t, nil)
		c.talk(10)
		for i := range 200 { // at once: the pump does not run
			c.up.Send(media.Packet{At: c.now(), Seq: uint16(i), Payload: []byte{0xf8, 0xff, 0xfe}})
		}
		c.talk(10)
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, c.w.dir); r.Gaps == 0 || uint64(r.Up.Packets)+r.Gaps != 220 {
			t.Errorf("%d packets, %d in gaps", r.Up.Packets, r.Gaps)
		}
	})
}

func TestBounds(t *testing.T) {
	w := created(t, t.TempDir(), Manifest{ID: "c1"}, Options{Blobs: true})
	w.Log(1, 0, make([]byte, lineMost+1))
	for i := range 10 {
		w.Log(uint64(i+2), 0, make([]byte, lineMost))
		if _, ok := w.Blob(0, make([]byte, 5<<20+i)); ok != (i < 3) {
			t.Errorf("blob %d: %v", i, ok)
		}
	}
	if n := len(w.log.raw); n > bufferMost+1000 || w.Status().Lost != 1+7+7 {
		t.Errorf("%d bytes wait, %+v", n, w.Status())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return 0 }, Taps{}); err != nil {
		t.Fatal(err)
	}
	r := open(t, w.dir).Verify()
	if r.Gaps != 15 || r.Log != (LogCount{Lines: 3, Blobs: 3}) {
		t.Errorf("%+v", r)
	}
}

func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "records")
	for _, id := range []string{"", "..", "a/b", ".hidden", strings.Repeat("x", 65), "a b", "ä"} {
		if _, err := New(dir, Manifest{ID: id}, Options{}); err == nil {
			t.Errorf("an id of %q", id)
		}
	}
	if _, err := New(dir, Manifest{ID: "c1", Config: json.RawMessage("{")}, Options{}); err == nil {
		t.Error("a broken configuration")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 2 {
		w, err := New(dir, Manifest{ID: "c1", Build: ThisBuild(), Config: json.RawMessage(`{"a":1}`)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := w.Blob(0, []byte("x")); ok || len(name) != 64 {
			t.Error("a blob was kept without leave")
		}
		if err := w.Run(ended, func() time.Duration { return 0 }, Taps{}); errors.Is(err, fs.ErrExist) != (i == 1) || i == 0 && err != nil {
			t.Errorf("run %d: %v", i, err)
		}
	}
	r := verified(t, filepath.Join(dir, "c1.conv"))
	b := open(t, filepath.Join(dir, "c1.conv"))
	if r.ID != "c1" || b.Build.Go == "" || b.Clock.Rate != 48000 || b.Schema != Schema || b.Config == nil {
		t.Errorf("%+v", b.Manifest)
	}
	info, err := os.Stat(filepath.Join(dir, "c1.conv"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A place that cannot be written to when the call begins, and can a little later: nothing is lost.
func TestPlaceComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w, err := New(filepath.Join(dir, "records"), Manifest{ID: "c1"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "records"), "a file where the folder should be")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		begin := time.Now()
		go func() { done <- w.Run(ctx, func() time.Duration { return time.Since(begin) }, Taps{}) }()
		for i := range 20 {
			time.Sleep(time.Second)
			w.Log(uint64(i), time.Since(begin), []byte("{}"))
			if s := w.Status(); i < 10 && !strings.Contains(s.Trouble, "not a directory") || i > 10 && s.Trouble != "" {
				t.Errorf("after %d s: %+v", i, s)
			}
			if i == 9 {
				if err := os.Remove(filepath.Join(dir, "records")); err != nil {
					t.Fatal(err)
				}
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if r := verified(t, w.dir); r.Log.Lines != 20 || r.Gaps != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// Taking a packet costs the recorder's goroutine little and allocates nothing once the buffers have grown.
func BenchmarkPut(b *testing.B) {
	q := queue{most: time.Hour}
	p := Entry{Kind: Up, Packet: media.Packet{SSRC: 5, Payload: make([]byte, 80)}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%50 == 0 {
			q.take(q.raw, false)
		}
		p.Now, p.Seq, p.Packet.Seq, p.Packet.Time = time.Duration(i)*20*ms, uint64(i), uint16(i), uint32(i*960)
		q.put(&p)
	}
}

// The packets go on before the log does, and neither takes what happened in the pause but comes later.
func TestPauseOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(t, nil)
		line := func(seq uint64) { c.w.Log(seq, c.now(), []byte(`{}`)) }
		packet := func(at time.Duration) {
			c.up.Send(media.Packet{At: at, Payload: []byte{0xf8, 0xff, 0xfe}})
			synctest.Wait()
		}
		line(1)
		packet(c.now())
		time.Sleep(time.Second)
		c.w.Pause(c.now(), "a test")
		line(2)
		time.Sleep(time.Second)
		packet(c.now())
		c.w.ResumePackets(c.now())
		c.w.ResumePackets(c.now())
		packet(c.now() - ms)
		packet(c.now())
		line(3)
		if _, ok := c.w.Blob(c.now(), []byte("x")); ok || !c.w.Status().Paused {
			t.Error("a blob is kept before the log goes on")
		}
		time.Sleep(time.Second)
		c.w.Resume(c.now())
		line(4)
		c.w.PauseLog(c.now()+1, "another test")
		line(5)
		time.Sleep(time.Second)
		packet(c.now())
		c.w.Resume(c.now())
		line(6)
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		r := verified(t, c.w.dir)
		if r.Up.Packets != 3 || r.Log.Lines != 3 || r.Paused != 1 {
			t.Errorf("%+v", r)
		}
		var kinds []Kind
		for e := range open(t, c.w.dir).Log() {
			kinds = append(kinds, e.Kind)
		}
		if want := []Kind{Line, Pause, Resume, Line, Pause, Resume, Line, End}; !slices.Equal(kinds, want) {
			t.Errorf("the log has %v, not %v", kinds, want)
		}
	})
}
