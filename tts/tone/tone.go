// Package tone is a voice that hums: a stub for tests and for load. Its speech is as long as the text
// is, and every word's time is exact.
package tone

import (
	"context"
	"iter"
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/media"
	"parley/tts"
)

const (
	perRune = 65 * media.SpeakRate / 1000  // samples a character
	chunk   = 200 * media.SpeakRate / 1000 // samples a frame, at most
	period  = 600                          // samples: 11 periods of 440 Hz
)

// Voice hums 440 Hz at −12 dBFS (RMS), 65 ms for every character, spaces included, at
// [media.SpeakRate], as fast as it is read. The zero value is ready.
type Voice struct{}

// Speak hums every phrase in frames of at most 200 ms. A word is told with its first frame and lasts to
// its last character; the spaces after it are hummed but not part of it. The tone goes on without a step
// from frame to frame and phrase to phrase.
func (Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		h := hum{buf: make([]int16, chunk)}
		for phrase := range text(own) {
			for _, w := range words(phrase) {
				if !h.say(ctx, w, yield) {
					return
				}
			}
			if ctx.Err() != nil {
				break
			}
		}
		if ctx.Err() != nil {
			yield(tts.Audio{}, context.Cause(ctx))
		}
	}
}

// hum is the state of one call to Speak.
type hum struct {
	n   int // samples so far
	buf []int16
}

// say yields the frames of w; false when the loop is over.
func (h *hum) say(ctx context.Context, w word, yield func(tts.Audio, error) bool) bool {
	var told []tts.Word
	if w.letters > 0 {
		told = []tts.Word{{Text: w.text, Start: at(h.n), End: at(h.n + w.letters*perRune)}}
	}
	for left := (w.letters + w.spaces) * perRune; left > 0; {
		if ctx.Err() != nil {
			yield(tts.Audio{}, context.Cause(ctx))
			return false
		}
		pcm := h.buf[:min(left, chunk)]
		for i := range pcm {
			pcm[i] = sine[(h.n+i)%period]
		}
		f := media.Frame{At: at(h.n), Rate: media.SpeakRate, PCM: pcm}
		h.n += len(pcm)
		left -= len(pcm)
		if !yield(tts.Audio{Frame: f, Words: told}, nil) {
			return false
		}
		told = nil
	}
	return true
}

func at(n int) time.Duration { return media.Samples(n, media.SpeakRate) }

// word is a run of letters and the spaces after it; no letters at the start of a phrase with spaces.
type word struct {
	text            string
	letters, spaces int
}

func words(s string) (out []word) {
	for len(s) > 0 {
		var w word
		n := 0
		for n < len(s) {
			r, size := utf8.DecodeRuneInString(s[n:])
			space := unicode.IsSpace(r)
			if !space && w.spaces > 0 {
				break
			}
			n += size
			if space {
				w.spaces++
				continue
			}
			w.letters++
			w.text = s[:n]
		}
		out = append(out, w)
		s = s[n:]
	}
	return out
}

var sine = func() (table [period]int16) {
	peak := math.MaxInt16 * math.Sqrt2 * math.Pow(10, -12.0/20)
	for i := range table {
		table[i] = int16(math.Round(peak * math.Sin(2*math.Pi*11*float64(i)/period)))
	}
	return table
}()
