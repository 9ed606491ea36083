package rerun

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"parley/agent"
	"parley/agent/replay/cassette"
	"parley/agent/vad"
	"parley/llm"
	"parley/media"
	"parley/media/record"
	"parley/stt"
	"parley/tts"
)

// Stage is a conversation to be held. Fill the fields and call Run; a Stage may run any number of times, one at a time, but one that is
// Recorded once: its engines play on from where they are.
type Stage struct {
	ID      string         // of the record: letters, digits, '-' and '_'
	Start   time.Time      // wall time at zero of the session clock, for the record; zero: when Run is called
	Codec   media.Codec    // of both directions; empty is Opus
	Events  uint8          // payload type of telephone-event among Up; zero: there is none
	Up      []media.Packet // what the caller sends; each comes at its At, in the order of the slice where those are equal
	Inputs  []Timed        // what the caller does beside speaking
	Engines Engines
	Profile agent.Profile
	Length  time.Duration // after which the caller's audio ends, and with it the conversation if it still lasts
	Network *Network      // between the caller and the stage; nil: none
	Dir     string        // a record is written into a folder below it; empty: none
	Mute    bool          // the record does not keep the sound of the voice engine, only what was sent
	Beat    func()        // called every 20 ms of the session clock: it goes on. nil: nobody
	Logger  *slog.Logger  // nil: discard

	from *source // nil: nothing recorded
}

// Timed is what comes beside the audio, and when on the session clock.
type Timed struct {
	At time.Duration
	agent.Input
}

// Engines are what a conversation needs.
type Engines struct {
	Recognizer stt.Recognizer
	Model      llm.Model
	Voice      tts.Voice
	Detector   vad.Detector
	Finisher   vad.Finisher // nil: none
}

// Result is what came of a conversation. All times are on its session clock.
type Result struct {
	Profile agent.Profile
	Length  time.Duration  // how long it lasted
	End     error          // why it ended
	Events  []agent.Event  // in order
	Sent    []media.Packet // what was sent to the caller
	Frames  []Frame        // what the playout gave to the line, each 20 ms
	Heard   Reception      // what of it the caller received
	Counts  Counts
	Engines Meters
	Misses  []cassette.Miss // what recorded engines were asked beyond the recording
	Bundle  string          // the folder of its record; empty: none was asked for
	Record  *record.Report  // what Verify says of it; nil: none was asked for
}

// Frame is when a frame was given to the line, and up to where in it there was sound: 0 is silence.
type Frame struct {
	At    time.Duration `json:"at"`
	Sound time.Duration `json:"sound"`
}

// Counts are what the queues of a conversation held and lost.
type Counts struct {
	Packets      int                `json:"packets"`    // that the caller sent
	Lost         int                `json:"lost"`       // of these by the network
	UplinkLost   uint64             `json:"uplinkLost"` // that came and for which the uplink was too slow
	InputsLost   int64              `json:"inputsLost"` // keys and changes of the path for which there was no room
	RecordLost   uint64             `json:"recordLost"` // entries that the record does not have
	Playout      media.PlayoutStats `json:"playout"`
	RecorderLost uint64             `json:"recorderLost"` // packets for which the recorder was too slow
}

// source is what a recorded conversation's engines play from.
type source struct {
	clock                    // which they must know before Run
	tape  *cassette.Cassette // nil: nothing
}

// clock is a session clock that may be asked before it runs.
type clock struct{ start time.Time }

func (c *clock) now() time.Duration {
	if c.start.IsZero() {
		return 0
	}
	return time.Since(c.start)
}

// Run holds the conversation until the caller's audio has ended, somebody hung up or said goodbye, or ctx is done, and joins everything
// it started. Why the conversation ended is in the Result; an error says that it could not be held, or not be recorded.
func (s Stage) Run(ctx context.Context) (Result, error) {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.from == nil {
		s.from = &source{}
	}
	if s.Start.IsZero() {
		s.Start = time.Now()
	}
	h, err := s.open()
	if err != nil {
		return Result{}, fmt.Errorf("hold conversation %s again: %w", s.ID, err)
	}
	s.from.start = time.Now()
	end := h.hold(ctx)
	r := h.result(end)
	if h.tape.err != nil {
		return r, fmt.Errorf("hold conversation %s again: %w", s.ID, h.tape.err)
	}
	if err := h.tape.verify(&r); err != nil {
		return r, fmt.Errorf("hold conversation %s again: %w", s.ID, err)
	}
	return r, nil
}
