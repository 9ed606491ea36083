// Package tts is the contract between a conversation and a voice. The rules of a stream function are in
// package stt; package ttstest enforces them.
package tts

import (
	"context"
	"iter"
	"time"

	"parley/media"
)

// Voice speaks text. Safe for concurrent use.
type Voice interface {
	// Speak speaks every string of text as a phrase: its audio comes without waiting for the next
	// string. Frames may be of any length; each carries its rate, which changes only where another voice
	// takes over.
	Speak(ctx context.Context, text media.Source[string]) iter.Seq2[Audio, error]
}

// VoiceFunc is a function as a Voice.
type VoiceFunc func(ctx context.Context, text media.Source[string]) iter.Seq2[Audio, error]

// Speak calls f.
func (f VoiceFunc) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[Audio, error] {
	return f(ctx, text)
}

// Audio is a frame of speech. At counts from the beginning of the call to Speak.
type Audio struct {
	media.Frame
	Words []Word // what these samples say, if known
}

// Word is one word and its place on the speech's timeline, counted from the beginning of the call to
// Speak.
type Word struct {
	Text       string
	Start, End time.Duration
}
