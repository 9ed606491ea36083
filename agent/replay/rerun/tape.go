package rerun

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/agent/vad"
	"parley/media"
	"parley/media/record"
)

// tapeDepth is how many packets of a direction may wait for the recorder, which takes them at once.
const tapeDepth = 250

// tape is the record of a conversation. A nil tape records nothing.
type tape struct {
	writer *record.Writer
	notes  *replay.Notes
	taps   record.Taps
	folder string
	mute   bool  // the voice's sound is not kept
	err    error // of Run
}

func newTape(s Stage, up, down *media.Relay[media.Packet]) (*tape, error) {
	if s.Dir == "" {
		return &tape{}, nil
	}
	config, err := json.Marshal(s.Profile)
	if err != nil {
		return nil, err
	}
	folder, err := record.Folder(s.ID)
	if err != nil {
		return nil, err
	}
	w, err := record.New(s.Dir, record.Manifest{
		ID: s.ID, Start: s.Start, Build: record.ThisBuild(), Codec: s.Codec, Events: s.Events,
		Clock: record.Clock{Source: "virtual"}, Config: config,
	}, record.Options{Blobs: !s.Mute, Logger: s.Logger})
	if err != nil {
		return nil, err
	}
	return &tape{writer: w, notes: &replay.Notes{Writer: w}, mute: s.Mute, folder: filepath.Join(s.Dir, folder), taps: record.Taps{
		Up: up.Tap(tapeDepth, media.DropNewest), Down: down.Tap(tapeDepth, media.DropNewest),
	}}, nil
}

// run records until ctx ends, which is after the streams have.
func (t *tape) run(ctx context.Context, now func() time.Duration) {
	if t.writer != nil {
		t.err = t.writer.Run(ctx, now, t.taps)
	}
}

// record is the engines with what they are asked and answer recorded.
func (t *tape) record(e Engines, now func() time.Duration) Engines {
	if t.writer == nil {
		return e
	}
	s := &cassette.Sink{Now: now, Blob: t.writer.Blob, Line: t.notes.Tape}
	if t.mute {
		s.Blob = nil
	}
	e.Recognizer, e.Model, e.Voice = s.Recognizer(e.Recognizer), s.Model(e.Model), s.Voice(e.Voice)
	return e
}

// note keeps an event.
func (t *tape) note(e agent.Event) {
	if t.writer != nil {
		t.notes.Event(e)
	}
}

// scores keeps what the voice detector heard.
func (t *tape) scores(now func() time.Duration) func([]vad.Score) {
	if t.writer == nil {
		return nil
	}
	return func(all []vad.Score) { t.notes.Scores(now(), all) }
}

func (t *tape) tick(at time.Duration) {
	if t.writer != nil {
		t.writer.Tick(at)
	}
}

func (t *tape) lost() uint64 {
	if t.writer == nil {
		return 0
	}
	return t.writer.Status().Lost
}

func (t *tape) dropped() uint64 {
	if t.writer == nil {
		return 0
	}
	return t.taps.Up.Dropped() + t.taps.Down.Dropped()
}

// verify looks at what was written.
func (t *tape) verify(r *Result) error {
	if t.writer == nil {
		return nil
	}
	b, err := record.Open(t.folder)
	if err != nil {
		return err
	}
	defer b.Close()
	report := b.Verify()
	r.Bundle, r.Record = t.folder, &report
	return nil
}
