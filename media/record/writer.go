package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"parley/media"
)

const (
	period    = 500 * time.Millisecond // from one writing to the next; every other is synced
	stallTime = 3 * time.Second        // a disk that takes longer for one writing is stalled
	closeTime = 5 * time.Second        // the last writing may take
)

// ErrStalled says that the disk did not take the end of a record in time. What it took before is there.
var ErrStalled = errors.New("the disk did not take the end of the record in time")

// Options say how a Writer works. The zero value is useful.
type Options struct {
	Buffer time.Duration // how much may wait for the disk; 0: 30 s
	// Blobs says whether Blob keeps anything.
	Blobs bool
	// Packer is shared by the Writers of a process. Nil: one of its own.
	Packer *Packer
	Logger *slog.Logger // nil: discard. A disk in trouble is told of once, and once when it is well again
}

// Taps are where a Writer takes from. Any may be nil. Give them depth for a second or more: the Writer takes at once and
// holds by itself what the disk is too slow for.
type Taps struct {
	Up, Down *media.Tap[media.Packet]
	Controls *media.Tap[media.Control]
}

// Status is how a Writer fares.
type Status struct {
	Trouble string // why nothing is being kept now, for people; empty when all is well
	Paused  bool   // by Pause
	Lost    uint64 // entries that were not kept, and which Gap entries tell of
	Bytes   int64  // of the bundle, without blobs
	Blobs   int64  // bytes of blobs, as stored
}

// Writer records one conversation. Its methods never wait for the disk and may be called from any goroutine, before Run
// too; after Run they do nothing.
type Writer struct {
	dir      string
	opt      Options
	media    queue
	log      queue
	files    [2]*file // of Run's goroutine, as the next two
	manifest []byte
	made     bool // the folder is there

	intake intake

	mu      sync.Mutex // of what of the queues is of pauses, and of what follows
	pending []blob
	waiting int // bytes of pending
	busy    time.Time
	trouble string

	bytes, blobs atomic.Int64
}

// blob is one that waits for the disk.
type blob struct {
	now     time.Duration
	name    string
	content []byte
}

// New makes the Writer of a bundle in a folder below dir. It does not touch the disk: Run makes the folders and files. The error
// is that of an id that cannot name a folder or of a Config that is not JSON.
func New(dir string, m Manifest, o Options) (*Writer, error) {
	name, err := Folder(m.ID)
	if err != nil {
		return nil, err
	}
	m.Schema, m.Clock.Rate = Schema, m.Codec.Clock()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe recording %s: %w", m.ID, err)
	}
	if o.Buffer <= 0 {
		o.Buffer = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Packer == nil {
		o.Packer = &Packer{}
	}
	w := &Writer{dir: filepath.Join(dir, name), opt: o, manifest: append(text, '\n')}
	w.media.most, w.log.most = o.Buffer, o.Buffer
	return w, nil
}

// Run records what the taps give and the other methods were given, until ctx ends. It begins with the bundle's folder, which
// must not be there yet (fs.ErrExist), the manifest and empty files; a disk that does not take them is tried again, as it is
// later. At the end it writes what waits, and that the record is closed; that takes at most five seconds: from a disk that
// hangs it returns with ErrStalled and leaves one goroutine behind, which ends when the disk answers. Now is the session
// clock. Call it once.
func (w *Writer) Run(ctx context.Context, now func() time.Duration, t Taps) error {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.keep(stop, now) }()
	w.intake.open(t)
	w.watch(ctx)
	w.take()
	w.intake.close()
	close(stop)
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return fmt.Errorf("close recording %s: %w", filepath.Base(w.dir), ErrStalled)
	}
}

// put takes an entry unless the record is paused, or was when it happened.
func (w *Writer) put(q *queue, e *Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !q.paused && e.Now >= q.resumed {
		q.put(e)
	}
}

// Log keeps a line of the conversation's ordered log. Line is copied; what is in it is the caller's business, one JSON
// object by agreement, at most 1 MiB.
func (w *Writer) Log(seq uint64, now time.Duration, line []byte) {
	w.put(&w.log, &Entry{Kind: Line, Seq: seq, Now: now, Raw: line})
}

// Score keeps what a detector found at a place of its stream's timeline. Seq is that of the log.
func (w *Writer) Score(seq uint64, now time.Duration, name string, at time.Duration, value float32) {
	w.put(&w.log, &Entry{Kind: Score, Seq: seq, Now: now, Name: name, At: at, Value: value})
}

// Tape keeps a line of what an engine was asked or answered, one JSON object by agreement, at most 1 MiB. Line is copied.
// Seq counts these lines from 1.
func (w *Writer) Tape(seq uint64, now time.Duration, line []byte) {
	w.put(&w.log, &Entry{Kind: Tape, Seq: seq, Now: now, Raw: line})
}

// Tick notes that frames were made of the caller's packets at a moment at which none came.
func (w *Writer) Tick(now time.Duration) { w.put(&w.media, &Entry{Kind: Tick, Now: now}) }

// Mute notes that the caller's microphone was turned off (on is true) or on.
func (w *Writer) Mute(now time.Duration, on bool) {
	w.put(&w.media, &Entry{Kind: Mute, Now: now, On: on})
}

// Pause keeps nothing any more but the fact, until Resume.
func (w *Writer) Pause(now time.Duration, reason string) {
	w.pause(now, reason, &w.media, &w.log)
}

// PauseLog keeps no lines, scores, tapes and blobs any more but the fact, until Resume.
func (w *Writer) PauseLog(now time.Duration, reason string) { w.pause(now, reason, &w.log) }

// ResumePackets ends a Pause for what crosses the wire from now on: packets, reports, mutes and ticks. Lines, scores, tapes and blobs,
// which may tell of what was said before, stay away until Resume.
func (w *Writer) ResumePackets(now time.Duration) { w.resume(now, &w.media) }

// Resume ends a Pause.
func (w *Writer) Resume(now time.Duration) { w.resume(now, &w.media, &w.log) }

func (w *Writer) pause(now time.Duration, reason string, queues ...*queue) {
	w.take() // what came before
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range queues {
		if !q.paused {
			q.put(&Entry{Kind: Pause, Now: now, Name: reason})
			q.paused = true
		}
	}
}

func (w *Writer) resume(now time.Duration, queues ...*queue) {
	w.take() // what came in the pause
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range queues {
		if q.paused {
			q.paused, q.resumed = false, now
			q.put(&Entry{Kind: Resume, Now: now})
		}
	}
}

// Blob keeps content beside the log and returns its name there, its SHA-256 in hexadecimal; the same content is kept once.
// Content must not be changed afterwards. It is not kept (ok is false) without Options.Blobs, in a pause, or when 16 MiB
// wait for the disk already.
func (w *Writer) Blob(now time.Duration, content []byte) (name string, ok bool) {
	sum := sha256.Sum256(content)
	name = hex.EncodeToString(sum[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.opt.Blobs || w.log.paused || now < w.log.resumed {
		return name, false
	}
	if w.waiting+len(content) > blobsMost {
		w.log.drop(&Entry{Kind: Blob, Now: now}, whyFull)
		return name, false
	}
	w.pending = append(w.pending, blob{now, name, content})
	w.waiting += len(content)
	return name, true
}

// Status returns the counters.
func (w *Writer) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Trouble: w.trouble, Paused: w.media.paused || w.log.paused, Bytes: w.bytes.Load(), Blobs: w.blobs.Load()}
	s.Lost = w.media.dropped() + w.log.dropped()
	if s.Trouble == "" && !w.busy.IsZero() && time.Since(w.busy) > stallTime {
		s.Trouble = fmt.Sprintf("the disk has not answered for %v", time.Since(w.busy).Truncate(time.Second))
	}
	return s
}

// watch takes what comes, and logs when the disk gets into trouble and out of it, until ctx ends.
func (w *Writer) watch(ctx context.Context) {
	tick := time.NewTicker(intakePeriod)
	defer tick.Stop()
	bad := false
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		w.take()
		if n%int(time.Second/intakePeriod) != 0 {
			continue
		}
		s := w.Status()
		switch {
		case s.Trouble != "" && !bad:
			w.opt.Logger.Error("the recording waits for the disk; the call goes on", "trouble", s.Trouble, "recording", filepath.Base(w.dir))
		case s.Trouble == "" && bad:
			w.opt.Logger.Info("the recording goes on", "lost", s.Lost, "recording", filepath.Base(w.dir))
		}
		bad = s.Trouble != ""
	}
}
