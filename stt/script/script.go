// Package script is a recognizer that hears what it was told to hear: a stub for tests and for load. It
// listens to the voice detector only, so its transcripts begin and end where real ones would.
package script

import (
	"context"
	"iter"
	"strings"
	"time"

	"parley/media"
	"parley/stt"
)

const (
	join    = 1200 * time.Millisecond // voice this soon after a flush belongs to the flushed utterance
	more    = 300 * time.Millisecond  // voice after a flush that adds a line to the utterance; less is a noise
	partial = 600 * time.Millisecond  // voice heard, pre-roll included, before the partial text is known
)

// Options are the settings of a Recognizer.
type Options struct {
	Lines []string // what is heard, a line an utterance, from the first again after the last; none: "Hello."
}

// Recognizer hears the lines of its script. Every call begins with the first line.
type Recognizer struct{ lines []string }

// New returns a Recognizer.
func New(o Options) *Recognizer {
	if len(o.Lines) == 0 {
		return &Recognizer{lines: []string{"Hello."}}
	}
	return &Recognizer{lines: append([]string(nil), o.Lines...)}
}

// Recognize gives an Onset at the first voiced frame of an utterance, a Partial of half its words after
// 600 ms of voice, and at each flush a Final. Voice within 1.2 s of a flush goes on with the same
// utterance: same Start, and 300 ms of it add the next line. A flush with no utterance gets an empty Final.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		s := script{lines: r.lines}
		for a := range in(own) {
			for _, res := range s.hear(a) {
				if !yield(res, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				break
			}
		}
		if ctx.Err() != nil {
			yield(stt.Result{}, context.Cause(ctx))
		} else if s.owed {
			yield(s.final(stt.Audio{Frame: media.Frame{At: s.at}}), nil)
		}
	}
}

// script is one call's place in the lines.
type script struct {
	lines   []string
	next    int
	open    bool          // an utterance has begun
	owed    bool          // it has voice that no Final covers
	line    string        // its text
	start   time.Duration // its first voiced frame
	voiced  time.Duration // its voice so far
	told    bool          // its Partial was given
	flushed time.Duration // the first flush after its last voice
	since   time.Duration // voice since the last flush
	again   bool          // it was flushed before
	spoke   time.Duration // end of its last voiced frame
	at      time.Duration // end of the last frame
}

func (s *script) hear(a stt.Audio) (out []stt.Result) {
	if s.open && (!s.owed && a.At-s.flushed > join || a.Voice && a.At-s.spoke > join) {
		s.open = false
	}
	s.at = a.At + a.Duration()
	if a.Voice {
		out = s.voice(a)
	}
	if a.Flush {
		out = append(out, s.final(a))
	}
	return out
}

func (s *script) voice(a stt.Audio) (out []stt.Result) {
	if !s.open {
		*s = script{lines: s.lines, next: s.next + 1, open: true, line: s.lines[s.next%len(s.lines)], start: a.At, spoke: s.at, at: s.at}
		out = append(out, stt.Result{Kind: stt.Onset, Start: s.start, End: s.start})
	}
	s.owed, s.spoke = true, s.at
	s.voiced += a.Duration()
	if s.since += a.Duration(); s.again && s.since >= more {
		s.again = false
		s.line += " " + s.lines[s.next%len(s.lines)]
		s.next++
	}
	if s.voiced < partial || s.told {
		return out
	}
	s.told = true
	words := strings.Fields(s.line)
	half := strings.Join(words[:(len(words)+1)/2], " ")
	return append(out, stt.Result{Kind: stt.Partial, Text: half, Start: s.start, End: s.at})
}

func (s *script) final(a stt.Audio) stt.Result {
	if !s.open {
		return stt.Result{Kind: stt.Final, Start: a.At, End: s.at}
	}
	if s.owed {
		s.owed, s.flushed = false, s.at
	}
	s.again, s.since = true, 0
	return stt.Result{Kind: stt.Final, Text: s.line, Start: s.start, End: s.at}
}
