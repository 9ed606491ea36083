package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/media"
	"parley/media/record"
	"parley/media/rtc"
)

// tapeDepth is how many packets of a direction may wait for the recorder, which takes them at once.
const tapeDepth = 250

// deck records conversations into an archive. Nil records none.
type deck struct {
	archive *archive.Archive
	speech  bool // the voices' own sound is kept
	packer  *record.Packer
	log     *slog.Logger

	mu   sync.Mutex
	live map[string]bool // ids of the conversations that are recorded now
}

// openDeck makes the folder that is recorded into; nil if nothing is to be recorded.
func (r Records) openDeck(log *slog.Logger) (*deck, error) {
	if r.Record == "" {
		return nil, nil
	}
	if err := os.MkdirAll(r.Record, 0o700); err != nil {
		return nil, fmt.Errorf("record into %s: %w", r.Record, err)
	}
	return &deck{archive: &archive.Archive{Dir: r.Record, Logger: log}, speech: r.RecordSpeech, packer: &record.Packer{}, log: log}, nil
}

// retain begins to delete what is not kept any more, until ctx ends or stop is called, which waits for that.
func (r Records) retain(ctx context.Context, d *deck) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		d.archive.Run(ctx, archive.Keep{Age: time.Duration(r.Keep), Bytes: int64(r.KeepMax)}, d.records)
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// load begins the record of a call. Tell gets what the caller must know of it.
func (d *deck) load(id string, call *rtc.Call, p agent.Profile, engines map[string]string, tell func(msg []byte)) (*tape, error) {
	if d == nil {
		return nil, nil
	}
	config, err := json.Marshal(p.WithDefaults()) // another build may have others
	if err != nil {
		return nil, err
	}
	a := call.Audio()
	w, err := record.New(d.archive.Dir, record.Manifest{
		ID: id, Start: call.Start(), Build: record.ThisBuild(), Codec: a.Codec, Events: a.Events,
		Clock: record.Clock{Source: "monotonic"}, Engines: engines, Config: config,
	}, record.Options{Blobs: d.speech, Packer: d.packer, Logger: d.log})
	if err != nil {
		return nil, err
	}
	t := d.tape(id, w, call.Now, tell)
	t.taps = record.Taps{
		Up: call.Up().Tap(tapeDepth, media.DropNewest), Down: call.Down().Tap(tapeDepth, media.DropNewest),
		Controls: call.Controls().Tap(tapeDepth, media.DropNewest),
	}
	return t, nil
}

// tape is one that writes with w.
func (d *deck) tape(id string, w *record.Writer, now func() time.Duration, tell func(msg []byte)) *tape {
	t := &tape{deck: d, id: id, writer: w, notes: &replay.Notes{Writer: w}, now: now, pauses: pauses{off: map[side]bool{}, tell: tell}}
	t.sink = &cassette.Sink{Now: now, Line: t.said}
	if d.speech {
		t.sink.Blob = t.blob
	}
	return t
}

func (d *deck) mark(id string, live bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live == nil {
		d.live = map[string]bool{}
	}
	if delete(d.live, id); live {
		d.live[id] = true
	}
}

// records says whether a conversation is being recorded.
func (d *deck) records(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[id]
}
