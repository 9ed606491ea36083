// Package cache is a voice that remembers what is said again and again, such as a greeting.
//
// A phrase that stands in one of Options.Texts is repeated: on its first use it is spoken by a call of its own to the voice
// inside and kept, sound and words; after that it is played from memory, without the voice, also while the voice is down.
// All phrases between two repeated ones are one call to the voice inside, so that it may speak them as one.
//
// What is said by memory uses nothing: whoever counts the characters that a voice is given does so inside of the cache.
package cache

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"parley/internal/provider/chain"
	"parley/media"
	"parley/tts"
)

// Options say what is remembered.
type Options struct {
	Voice     tts.Voice
	Texts     []string // that are said again and again
	MostBytes int      // of samples that are kept; when they are full nothing more is. 0: 16 MB
}

const mostBytes = 16 << 20

// Voice is the voice inside with a memory. Safe for concurrent use: callers who need the same phrase at once may each have
// it made.
type Voice struct {
	o     Options
	texts []string // plain

	mu   sync.Mutex
	kept map[string][]tts.Audio // by the plain phrase; what is in it is never changed
	used int                    // bytes of samples in kept
}

// New returns a Voice that remembers nothing yet.
func New(o Options) *Voice {
	if o.MostBytes == 0 {
		o.MostBytes = mostBytes
	}
	v := &Voice{o: o, kept: map[string][]tts.Audio{}}
	for _, t := range o.Texts {
		v.texts = append(v.texts, plain(t))
	}
	return v
}

// plain is a text with single spaces.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// Warm warms the voice inside, if it can be.
func (v *Voice) Warm(ctx context.Context) error {
	if w, ok := v.o.Voice.(interface{ Warm(context.Context) error }); ok {
		return w.Warm(ctx)
	}
	return nil
}

// Fill has the phrases that are repeated spoken, if they are not known yet: those that the texts will be cut into. The
// error is that of each that failed.
func (v *Voice) Fill(ctx context.Context, phrases []string) error {
	var failed []error
	for _, p := range phrases {
		key, ok := v.repeated(p)
		if _, known := v.known(key); !ok || known {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(append(failed, context.Cause(ctx))...)
		}
		t := take{room: v.room()}
		for a, err := range v.o.Voice.Speak(ctx, media.Of(p)) {
			t.add(a, err)
		}
		failed = append(failed, t.err)
		v.keep(key, t)
	}
	return errors.Join(failed...)
}

// repeated is by what a phrase is remembered, if it is one that is repeated: whole words of one of the texts.
func (v *Voice) repeated(phrase string) (key string, ok bool) {
	key = plain(phrase)
	if !strings.ContainsFunc(key, inWord) {
		return "", false
	}
	for _, t := range v.texts {
		for from := 0; ; {
			i := strings.Index(t[from:], key)
			if i < 0 {
				break
			}
			before, _ := utf8.DecodeLastRuneInString(t[:from+i])
			first, size := utf8.DecodeRuneInString(key)
			last, _ := utf8.DecodeLastRuneInString(key)
			after, _ := utf8.DecodeRuneInString(t[from+i+len(key):])
			if !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after)) {
				return key, true
			}
			from += i + size
		}
	}
	return "", false
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func (v *Voice) known(key string) ([]tts.Audio, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	frames, ok := v.kept[key]
	return frames, ok
}

// room is how many bytes may still be kept.
func (v *Voice) room() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.o.MostBytes - v.used
}

// keep remembers a phrase, if the take of it is good and there is room.
func (v *Voice) keep(key string, t take) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.kept[key]; known || t.err != nil || t.bytes == 0 || t.bytes > v.o.MostBytes-v.used {
		return
	}
	v.kept[key] = t.frames
	v.used += t.bytes
}

// take is a phrase as it is being spoken.
type take struct {
	frames []tts.Audio
	bytes  int
	room   int
	err    error
}

// add copies a frame while there is room.
func (t *take) add(a tts.Audio, err error) {
	if err != nil {
		t.err = err
		return
	}
	if t.bytes += 2 * len(a.PCM); t.bytes > t.room {
		t.frames = nil // too long to be kept
		return
	}
	a.PCM, a.Words = append([]int16(nil), a.PCM...), append([]tts.Word(nil), a.Words...)
	t.frames = append(t.frames, a)
}

// Speak follows the contract of package tts.
func (v *Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		s := &speech{Voice: v, yield: yield}
		var reader sync.WaitGroup
		defer func() { // also when the consumer panics
			cancel()
			reader.Wait()
		}()
		reader.Go(func() { s.text.Read(own, text) })
		err := s.speak(own)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil && !s.left {
			yield(tts.Audio{}, err)
		}
	}
}

// speech is one call to Speak.
type speech struct {
	*Voice
	yield func(tts.Audio, error) bool
	left  bool // the consumer has left the loop
	text  chain.Text
	next  int  // the number of the phrase that is to be said
	over  bool // the voice inside was told that there are no more for it
	line  line
	pcm   []int16
}
