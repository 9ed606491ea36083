package replay

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/caller"
	"parley/internal/caller/callertest"
	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
	"parley/media/record"
	"parley/media/resample"
)

// liveTones are where the caller of a recording made for a test is heard; the agent is heard 700 ms after the beginning of each.
var liveTones = []replay.Span{{From: time.Second, To: 1500 * milli}, {From: 2 * time.Second, To: 2200 * milli}, {From: 2400 * milli, To: 3 * time.Second}}

// livePath is a recording of liveTones in which the caller typed something.
func livePath(t *testing.T, id string) string {
	return liveRecording(t, id, "", agent.Event{Kind: agent.Took, Took: &agent.Taken{Kind: agent.Begun}},
		agent.Event{At: 100 * milli, Kind: agent.Took, Took: &agent.Taken{Kind: agent.Came, Input: &agent.Input{Kind: agent.Typed, Text: "hello"}}})
}

// The command that sets both recordings side by side names the old one by its folder, however it was named.
func TestLiveNamesTheRecording(t *testing.T) {
	path := livePath(t, "c1")
	for _, c := range []LiveCmd{{Bundle: "c1", Dir: filepath.Dir(path)}, {Bundle: path}} {
		c.Schedule, c.Trials, c.Patience = "absolute", 1, time.Second
		if p, err := c.open(); err != nil || p.path != path {
			t.Errorf("%s: %+v, %v", c.Bundle, p, err)
		}
	}
}

// liveSilence is one in whose log nothing is said.
func liveSilence(t *testing.T, id string) string {
	return liveRecording(t, id, "", agent.Event{Kind: agent.Took, Took: &agent.Taken{Kind: agent.Begun}})
}

func liveRecording(t *testing.T, id string, c media.Codec, log ...agent.Event) string {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w, err := record.New(dir, record.Manifest{ID: id, Start: begin, Codec: c}, record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var up, down media.Relay[media.Packet]
		taps := record.Taps{Up: up.Tap(10, media.DropNewest), Down: down.Tap(10, media.DropNewest)}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { err = w.Run(ctx, func() time.Duration { return time.Since(begin) }, taps) })
		for i, e := range log {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			w.Log(uint64(i+1), e.At, line)
		}
		sides := []struct {
			relay *media.Relay[media.Packet]
			pcm   []int16
			enc   codec.Encoder
		}{{&up, drawTones(t, c, 0), liveEncoder(t, c)}, {&down, drawTones(t, c, 700*milli), liveEncoder(t, c)}}
		size := codec.Rate(c, caller.Rate) / 50
		for i := range 200 {
			for _, s := range sides {
				var b [codec.MaxPayload]byte
				n, err := s.enc.Encode(s.pcm[i*size:(i+1)*size], b[:])
				if err != nil {
					t.Fatal(err)
				}
				s.relay.Send(media.Packet{At: time.Since(begin), Seq: uint16(i), Time: uint32(i * c.Clock() / 50), Level: -1, Payload: slices.Clone(b[:n])})
			}
			time.Sleep(media.FrameDuration)
		}
		cancel()
		run.Wait()
		if err != nil {
			t.Fatal(err)
		}
	})
	return filepath.Join(dir, id+".conv")
}

func liveEncoder(t *testing.T, c media.Codec) codec.Encoder {
	e, err := codec.NewEncoder(c, codec.Rate(c, caller.Rate), codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// drawTones are four seconds with liveTones, so much later.
func drawTones(t *testing.T, c media.Codec, later time.Duration) []int16 {
	pcm := make([]int16, 5*caller.Rate)
	for _, s := range liveTones {
		copy(pcm[(s.From+later)*caller.Rate/time.Second:], callertest.Tone(s.To-s.From))
	}
	if rate := codec.Rate(c, caller.Rate); rate != caller.Rate {
		r := resample.New(caller.Rate, rate)
		pcm = r.Flush(r.Process(pcm, nil))
	}
	return pcm
}

// Cues are cut where they lie, with margins that do not reach into others.
func TestLearn(t *testing.T) {
	for _, c := range []media.Codec{"", media.PCMU} {
		b, err := record.Open(liveRecording(t, "c1", c))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		cues := []replay.Cue{{Kind: replay.Write}}
		for _, s := range liveTones {
			cues = append(cues, replay.Cue{Kind: replay.Speak, Span: s})
		}
		lines, err := learn(b, cues)
		if err != nil {
			t.Fatal(err)
		}
		then, err := levels(b)
		if err != nil {
			t.Fatal(err)
		}
		if lines[0].pcm != nil {
			t.Error("what is typed has a sound")
		}
		for i, want := range []struct{ lead, tail time.Duration }{{150 * milli, 150 * milli}, {150 * milli, 100 * milli}, {100 * milli, 150 * milli}} {
			l, long := lines[i+1], liveTones[i].To-liveTones[i].From
			if d := media.Samples(len(l.pcm), caller.Rate) - want.lead - long - want.tail; l.lead != want.lead || d < -milli || d > milli {
				t.Errorf("%q, tone %d: lead %v, and it lasts %v", c, i, l.lead, media.Samples(len(l.pcm), caller.Rate))
			}
			at := func(d time.Duration) int { return int((l.lead + d) * caller.Rate / time.Second) }
			before, in, behind := wav.Level(l.pcm[:at(-30*milli)]), wav.Level(l.pcm[at(40*milli):at(long-40*milli)]), wav.Level(l.pcm[at(long+60*milli):])
			if before > -45 || math.Abs(in+20) > 2 || behind > -40 {
				t.Errorf("%q, tone %d: %.1f before, %.1f in, %.1f behind", c, i, before, in, behind)
			}
			said := then.said(l)
			if d := said.First - liveTones[i].From; d < -30*milli || d > 30*milli {
				t.Errorf("%q, tone %d is heard at %v", c, i, said.First)
			}
			if m := measure(then.agent, said, liveTones[i].To+600*milli, time.Second); i == 0 && (m.Response == nil || m.First != said.First-time.Second ||
				*m.Response < 140*milli || *m.Response > 240*milli) {
				t.Errorf("%q, tone %d is answered %+v", c, i, m)
			}
		}
	}
}

func TestLateAndFaded(t *testing.T) {
	l := line{pcm: callertest.Tone(300 * milli), lead: 100 * milli}
	for _, d := range []time.Duration{-milli, 0, 60 * milli, 300 * milli, time.Second} {
		pcm := l.from(d)
		if want := max(0, 300*milli-max(0, d)); media.Samples(len(pcm), caller.Rate) != want {
			t.Errorf("without %v it lasts %v", d, media.Samples(len(pcm), caller.Rate))
		}
		if n := len(pcm); n > 0 && (pcm[0] != 0 || pcm[n-1] != 0 || wav.Level(pcm[:80]) > -24 || wav.Level(pcm[n/2:n/2+320]) < -21) {
			t.Errorf("without %v it is not faded", d)
		}
	}
	if wav.Level(l.pcm[:160]) < -21 {
		t.Error("the recording's sound was changed")
	}
	quiet := timeline{caller: []caller.Packet{{At: 0, Level: -80}}}
	l.Kind, l.Span = replay.Speak, replay.Span{From: time.Second, To: 2 * time.Second}
	if s := quiet.said(l); s != (caller.Said{First: time.Second, Last: 2 * time.Second}) {
		t.Errorf("a voice that is not heard: %+v", s)
	}
}
