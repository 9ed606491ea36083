// Package vad hears whether a person speaks, and whether a speaker has finished.
//
// Models are shared by all calls; what belongs to one call is in the [Stream] that a [Detector] opens.
// Scores are data: what they mean for the conversation is decided by package turn.
package vad

import (
	"time"

	"parley/media"
)

// Detector opens a voice detector for each call. Safe for concurrent use.
type Detector interface{ Open() Stream }

// DetectorFunc is a function as a Detector.
type DetectorFunc func() Stream

// Open calls f.
func (f DetectorFunc) Open() Stream { return f() }

// Stream scores the audio of one call. Not safe for concurrent use; it holds no resource that must be
// freed.
type Stream interface {
	// Score hears the next frame (mono, media.ListenRate, any number of samples) and returns a score for
	// every hop that is complete with it, oldest first. The slice is valid until the next call. After an
	// error the stream goes on with the next frame.
	Score(f media.Frame) ([]Score, error)
}

// Score is what was heard in one hop.
type Score struct {
	At    time.Duration // end of the hop on the stream's timeline
	Voice float32       // probability of speech, 0 to 1
	Level float32       // RMS of the hop, dBFS, at least −100
}

// Finisher tells from the sound of speech whether its speaker has finished. Safe for concurrent use.
type Finisher interface {
	// Finished hears the end of a turn (mono, media.ListenRate, its silence included, at most 8 s are
	// used) and returns the probability that the speaker has finished.
	Finished(pcm []int16) (float32, error)
}
