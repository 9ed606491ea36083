package rerun

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/agent"
	"parley/agent/replay/cassette"
	"parley/media"
	"parley/media/line"
)

const (
	uplinkDepth = 250 // packets of the caller that may wait for their decoder, as in a server
	inputDepth  = 16  // keys and changes of the path that may wait for the conversation, likewise
)

// payloads are the payload types of what is sent.
var payloads = map[media.Codec]uint8{"": 111, media.Opus: 111, media.G722: 9, media.PCMU: 0, media.PCMA: 8}

// speaker is the SSRC of what is sent.
const speaker = 0x7061726c

// holding is a conversation that is being held.
type holding struct {
	Stage
	meters   *meter
	tape     *tape
	arriving []media.Packet // Up, as the network let it through
	up, down media.Relay[media.Packet]
	tap      *media.Tap[media.Packet]
	uplink   *line.Up
	downlink *line.Down
	inputs   chan agent.Input
	out      *media.Playout
	path     path

	refused atomic.Int64 // inputs for which there was no room

	story
	given
}

// ErrSpins ends a conversation whose loop goes round without waiting: its log would grow for ever.
var ErrSpins = errors.New("the conversation's loop spins")

// A loop that has so many events within so long spins.
const (
	spinMost = 5000
	spinTime = time.Millisecond
)

// story is what happens. It belongs to the conversation's loop until that has ended.
type story struct {
	events []agent.Event
	end    context.CancelCauseFunc // of the conversation
}

func (s *story) add(e agent.Event) {
	s.events = append(s.events, e)
	if n := len(s.events) - spinMost; n >= 0 && e.At-s.events[n].At < spinTime {
		s.end(ErrSpins)
	}
}

// given is what was given to the caller. It belongs to the playout's goroutine until that has ended.
type given struct {
	sent   []media.Packet
	frames []Frame
	heard  Reception
}

func (s Stage) open() (*holding, error) {
	h := &holding{Stage: s, meters: &meter{now: s.from.now}, inputs: make(chan agent.Input, inputDepth)}
	h.arriving = s.Network.carry(s.Up)
	h.path = path{off: s.Network == nil, tell: h.tell, now: s.from.now}
	var err error
	h.uplink, err = line.NewUp(line.UpOptions{Rate: media.ListenRate, Codec: s.Codec, Events: s.Events, Tick: h.tick,
		Digit: func(_ time.Duration, key rune) { h.tell(agent.Input{Kind: agent.Key, Text: string(key)}) }})
	if err != nil {
		return nil, err
	}
	h.downlink, err = line.NewDown(line.DownOptions{Rate: media.SpeakRate, Codec: s.Codec, Send: h.send, Loss: h.loss})
	if err != nil {
		return nil, err
	}
	h.tap = h.up.Tap(uplinkDepth, media.DropOldest)
	h.out = media.NewPlayout(media.SpeakRate, h.write)
	h.tape, err = newTape(s, &h.up, &h.down)
	return h, err
}

// hold lives the conversation and returns why it ended.
func (h *holding) hold(ctx context.Context) error {
	defer h.tap.Close()
	var recording, coming sync.WaitGroup
	rolling, stop := context.WithCancel(context.WithoutCancel(ctx))
	recording.Go(func() { h.tape.run(rolling, h.from.now) })
	ctx, h.end = context.WithCancelCause(ctx)
	defer h.end(nil)
	here, gone := context.WithCancel(ctx)
	coming.Go(func() { h.arrive(here) })
	coming.Go(func() { h.act(here) })
	e := h.tape.record(h.Engines, h.from.now)
	s := agent.Session{
		Recognizer: h.meters.recognizer(e.Recognizer), Model: h.meters.model(e.Model), Voice: h.meters.voice(e.Voice),
		Detector: e.Detector, Finisher: e.Finisher,
		In:      media.Through(h.uplink.Frames(h.from.now, h.tap), h.path.follow),
		Out:     h.out,
		Input:   media.From(h.inputs),
		Profile: h.Profile,
		Trace:   h.trace,
		Heard:   h.tape.scores(h.from.now),
		Now:     h.from.now,
		Logger:  h.Logger,
	}
	end := s.Run(ctx)
	gone()
	coming.Wait()
	h.up.Close()
	h.down.Close()
	stop()
	recording.Wait()
	return end
}

// arrive has the caller's packets come at their times, and their stream end at its own.
func (h *holding) arrive(ctx context.Context) {
	for _, p := range h.arriving {
		if p.At >= h.Length || !h.until(ctx, p.At) {
			break
		}
		p.At = h.from.now()
		h.up.Send(p)
	}
	if h.until(ctx, h.Length) {
		h.up.Close()
	}
}

// act does what the caller does beside speaking.
func (h *holding) act(ctx context.Context) {
	inputs := slices.Clone(h.Inputs)
	slices.SortStableFunc(inputs, func(a, b Timed) int { return int(a.At - b.At) })
	for _, in := range inputs {
		if !h.until(ctx, in.At) {
			return
		}
		select {
		case h.inputs <- in.Input:
		case <-ctx.Done():
			return
		}
	}
}

// until waits for a moment of the session clock.
func (h *holding) until(ctx context.Context, at time.Duration) bool {
	wait := at - h.from.now()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell gives the conversation an input that nobody waits to give.
func (h *holding) tell(in agent.Input) bool {
	select {
	case h.inputs <- in:
		return true
	default:
		h.refused.Add(1)
		return false
	}
}

func (h *holding) tick(at time.Duration) { h.tape.tick(at) }

func (h *holding) trace(e agent.Event) {
	h.add(e)
	h.tape.note(e)
}

// write takes a frame of the playout.
func (h *holding) write(f media.Frame) {
	if h.Beat != nil {
		h.Beat()
	}
	h.frames = append(h.frames, Frame{At: h.from.now(), Sound: sound(f)})
	h.downlink.Write(f)
}

// sound is up to where a frame has any.
func sound(f media.Frame) time.Duration {
	for n := len(f.PCM); n > 0; n-- {
		if f.PCM[n-1] != 0 {
			return media.Samples(n, f.Rate)
		}
	}
	return 0
}

// send sends a packet to the caller.
func (h *holding) send(p media.Packet) {
	p.At, p.SSRC, p.PT = h.from.now(), speaker, payloads[h.Codec]
	h.sent = append(h.sent, p)
	h.heard.take(h.Network, p)
	h.down.Send(p)
}

// loss is what the caller reports.
func (h *holding) loss() float64 { return h.heard.Loss() }

func (h *holding) result(end error) Result {
	up := h.uplink.Stats()
	var misses []cassette.Miss
	if h.from.tape != nil {
		misses = h.from.tape.Misses()
	}
	return Result{
		Misses:  misses,
		Profile: h.Profile, Length: h.from.now(), End: end, Events: h.events,
		Sent: h.sent, Frames: h.frames, Heard: h.heard, Engines: h.meters.done(),
		Counts: Counts{
			Packets: len(h.Up), Lost: len(h.Up) - len(h.arriving), UplinkLost: up.Dropped, InputsLost: h.refused.Load(),
			RecordLost: h.tape.lost(), RecorderLost: h.tape.dropped(), Playout: h.out.Stats(),
		},
	}
}
