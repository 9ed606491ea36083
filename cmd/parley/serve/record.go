package serve

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/media"
	"parley/media/record"
	"parley/media/rtc"
)

// tapeDepth is how many packets of a direction may wait for the recorder, which takes them at once.
const tapeDepth = 250

// deck records conversations into a folder. Nil records none.
type deck struct {
	dir    string
	packer *record.Packer
	log    *slog.Logger
}

// tape is the record of one conversation. A nil tape records nothing.
type tape struct {
	writer *record.Writer
	taps   record.Taps
}

// load begins the record of a call.
func (d *deck) load(id string, call *rtc.Call, p agent.Profile) (*tape, error) {
	if d == nil {
		return nil, nil
	}
	config, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	a := call.Audio()
	w, err := record.New(d.dir, record.Manifest{
		ID: id, Start: time.Now().Add(-call.Now()), Build: record.ThisBuild(), Codec: a.Codec, Events: a.Events,
		Clock: record.Clock{Source: "monotonic"}, Config: config,
	}, record.Options{Packer: d.packer, Logger: d.log})
	if err != nil {
		return nil, err
	}
	return &tape{writer: w, taps: record.Taps{
		Up: call.Up().Tap(tapeDepth, media.DropNewest), Down: call.Down().Tap(tapeDepth, media.DropNewest),
		Controls: call.Controls().Tap(tapeDepth, media.DropNewest),
	}}, nil
}

// run records until ctx ends, which is after the call's streams have.
func (t *tape) run(ctx context.Context, call *rtc.Call, log *slog.Logger) {
	if t == nil {
		return
	}
	if err := t.writer.Run(ctx, call.Now, t.taps); err != nil {
		log.Error("recording broken off", "err", err)
	}
}

// note keeps an event.
func (t *tape) note(e agent.Event) {
	if t == nil {
		return
	}
	if e.Step != nil && e.Step.In.Kind == turn.Muted {
		t.writer.Mute(e.At, e.Step.In.On)
	}
	if line, err := json.Marshal(e); err == nil { // none of these types can fail
		t.writer.Log(e.Seq, e.At, line)
	}
}
