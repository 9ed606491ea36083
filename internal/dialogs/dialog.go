package dialogs

import (
	"fmt"
	"time"

	"parley/agent"
	"parley/agent/replay/rerun"
	"parley/internal/corpus"
	"parley/stt"
)

// Dialog is a short conversation, composed. Its times are those of the track: [Lead] later they are the session's.
type Dialog struct {
	Name, About string
	PCM         []int16       // the caller's track as it is sent, mono, media.ListenRate
	Heard       []Utterance   // what is on it, in the order of the recipe
	Inputs      []rerun.Timed // what comes beside it; these on the session clock
	Profile     agent.Profile
	Want        []Exchange // what a person would expect
	Under       float64    // level of the noise under it, dBFS; −Inf: none
}

// Utterance is a recording on the caller's track.
type Utterance struct {
	Kind       Kind
	Source     string // name of the recording
	Speaker    string
	Text       string        // what it says, with its punctuation
	Words      []stt.Word    // not measured: they share the recording's time by their letters
	Start, End time.Duration // of the recording, which begins and ends where its sound does
	Gain       float64       // dB
	Muted      bool          // said while the microphone was off: the track has silence there
	Into       time.Duration // so long after the agent's line was expected to begin; negative: not placed so
}

// Kind says what an Utterance is.
type Kind string

// The kinds of an Utterance.
const (
	Speech      Kind = "speech"
	Backchannel Kind = "backchannel" // speech or a hum that wants no turn
	Cough       Kind = "cough"
	Noise       Kind = "noise"
)

// Exchange is what one said and the other answered.
type Exchange struct {
	User  string // what the caller said, typed or pressed; empty: the agent spoke of its own
	Agent string // what the agent said
	Cut   bool   // and was not heard to its end
}

// Where the composer takes the agent's lines to be.
const (
	Lead  = 43 * time.Millisecond   // the track's beginning on the session clock: the arrival of its first packet
	Pace  = 65 * time.Millisecond   // a character of the agent's speech, as package tts/tone speaks
	Reply = 1050 * time.Millisecond // from the end of the caller's turn to the answer

	begin    = 100 * time.Millisecond  // of the greeting
	written  = 350 * time.Millisecond  // from a typed line or the last key to the answer
	dialing  = 2000 * time.Millisecond // that long a number without # stays open
	shortest = 8 * time.Second         // of a track
	resumed  = 900 * time.Millisecond  // that much later ends an answer that paused for a sound, beside the sound's length
)

// All composes the recipe's dialogs. The error is [corpus.ErrMissing] if a package is not installed.
func All() ([]Dialog, error) {
	plays, err := parse(recipe)
	if err != nil {
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	var names []string
	for _, p := range plays {
		for _, l := range p.lines {
			for _, part := range l.parts {
				names = append(names, part.name)
			}
		}
	}
	voices, err := corpus.Named(names...)
	if err != nil {
		return nil, fmt.Errorf("load the recipe's recordings: %w", err)
	}
	var all []Dialog
	for _, p := range plays {
		d, err := compose(p, voices)
		if err != nil {
			return nil, fmt.Errorf("compose dialog %s: %w", p.name, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Length is how long the track is.
func (d Dialog) Length() time.Duration { return at(len(d.PCM)) }
