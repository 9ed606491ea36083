package rerun

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"parley/llm"
	"parley/media"
	"parley/media/codec"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
)

// What the callers of the chaos test say, and what they are answered: no word stands in two sentences, so each can be told on
// the line by a sound of its own.
var (
	asks    = []string{"What is red?", "What is green?", "What is blue?", "What is white?"}
	answers = invented()
)

const (
	sorryText  = "Regrettably everything broke, kindly repeat."
	pardonText = "Your sentence vanished in noise."
	perAnswer  = 3 // sentences
	perLetter  = 65 * ms
)

// The sentences' numbers: those of the answers, then what the agent says of its own.
const (
	sorryID  = perAnswer * 4
	pardonID = sorryID + 1
	otherID  = sorryID + 2
)

// How long an engine that is well takes.
const (
	thinksFirst, thinksNext = 250 * ms, 15 * ms
	speaksFirst             = 150 * ms
	hearsFinal              = 100 * ms
)

// invented are answers of sentences of three words.
func invented() (all [4][perAnswer]string) {
	syllable := func(n int) string { n %= 70; return string("bdfgklmnprstvz"[n/5]) + string("aeiou"[n%5]) }
	n := 0
	for i := range all {
		for k := range all[i] {
			var words []string
			for range 3 {
				words = append(words, syllable(n)+syllable(11*n+5)+strings.Repeat("l", n/70))
				n++
			}
			all[i][k] = strings.ToUpper(words[0][:1]) + strings.Join(words, " ")[1:] + "."
		}
	}
	return all
}

// sentence is the number of the one that a word stands in.
func sentence(word string) int {
	in := func(text string) bool {
		return slices.ContainsFunc(strings.Fields(text), func(w string) bool { return bare(w) == bare(word) })
	}
	for i, a := range answers {
		for k, s := range a {
			if in(s) {
				return perAnswer*i + k
			}
		}
	}
	switch {
	case in(sorryText):
		return sorryID
	case in(pardonText):
		return pardonID
	}
	return otherID
}

func bare(word string) string {
	return strings.ToLower(strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }))
}

// long is how long a text sounds.
func long(text string) time.Duration { return time.Duration(len(text)) * perLetter }

// mind is a model that answers what is asked last. Asked to go on with an answer it does, or says all of it again.
type mind struct{ again bool }

func (m mind) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		words := m.words(req)
		if n := req.MaxTokens; n > 0 && n < len(words) {
			words = words[:n]
		}
		pause := thinksFirst
		for _, w := range words {
			if err := rest(ctx, pause); err != nil {
				yield(llm.Delta{}, err)
				return
			}
			if pause = thinksNext; !yield(llm.Delta{Text: w + " "}, nil) {
				return
			}
		}
		yield(llm.Delta{End: llm.Stop}, nil)
	}
}

func (m mind) words(req llm.Request) []string {
	for i, msg := range slices.Backward(req.Messages) {
		k := askOf(msg.Text)
		if msg.Role != llm.User || k < 0 {
			continue
		}
		words := strings.Fields(strings.Join(answers[k][:], " "))
		if i+1 < len(req.Messages) && !m.again {
			words = words[len(strings.Fields(req.Messages[i+1].Text)):]
		}
		return words
	}
	return []string{"What?"}
}

// askOf is which of asks a text ends with; negative: none.
func askOf(text string) int {
	return slices.IndexFunc(asks, func(ask string) bool { return strings.HasSuffix(text, ask) })
}

// mouth is a voice with a tone for every sentence.
type mouth struct{ tells bool } // the words' times

func pitch(id int) float64 { return float64(300 + 150*id) }

func (m mouth) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		at := 0
		for phrase := range text(own) {
			if err := rest(ctx, speaksFirst); err != nil {
				yield(tts.Audio{}, err)
				return
			}
			for _, w := range strings.Fields(phrase) {
				a := hummed(w, at)
				at += len(a.PCM)
				if !m.tells {
					a.Words = nil
				}
				if !yield(a, nil) {
					return
				}
			}
		}
		if ctx.Err() != nil {
			yield(tts.Audio{}, context.Cause(ctx))
		}
	}
}

// hummed is a word and the space after it.
func hummed(word string, at int) tts.Audio {
	a := tts.Audio{Frame: media.Frame{At: media.Samples(at, media.SpeakRate), Rate: media.SpeakRate}}
	step := 2 * math.Pi * pitch(sentence(word)) / media.SpeakRate
	for i := range int(long(word+" ") * media.SpeakRate / time.Second) {
		a.PCM = append(a.PCM, int16(9000*math.Sin(step*float64(at+i))))
	}
	a.Words = []tts.Word{{Text: word, Start: a.At, End: a.At + long(word)}}
	return a
}

// ear is a recognizer that hears at each time what is asked then.
func ear(said func(at time.Duration) string) stt.Recognizer {
	inner := sttscript.New(sttscript.Options{Lines: []string{"?"}})
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for r, err := range inner.Recognize(ctx, in) {
				if r.Text != "" {
					r.Text = said(r.Start)
				}
				if r.Kind == stt.Final {
					err = rest(ctx, hearsFinal)
				}
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	})
}

// rest waits for d, or for the end of ctx, whose cause it returns.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// stretch is a sentence's sound on the line.
type stretch struct {
	id   int
	from time.Duration
	to   time.Duration
	long time.Duration // of sound
}

func (s stretch) String() string { return fmt.Sprintf("%d from %v, %v long", s.id, s.from, s.long) }

// listened is what the caller heard: which sentences, told by their tones. What is shorter than a word is left out.
func listened(r Result) (all []stretch, err error) {
	dec, err := codec.NewDecoder(media.Opus, hears)
	if err != nil {
		return nil, err
	}
	pcm := make([]int16, codec.MaxDuration*hears/time.Second)
	for _, p := range r.Sent {
		n, err := dec.Decode(p.Payload, pcm)
		if err != nil {
			return nil, err
		}
		id := sounding(pcm[:n])
		if id < 0 {
			continue
		}
		if k := len(all) - 1; k < 0 || all[k].id != id || p.At-all[k].to > seam {
			all = append(all, stretch{id: id, from: p.At})
		}
		s := &all[len(all)-1]
		s.to = p.At + media.FrameDuration
		s.long += media.FrameDuration
	}
	return slices.DeleteFunc(all, func(s stretch) bool { return s.long < 3*media.FrameDuration }), nil
}

// seam is the longest silence within a stretch.
const seam = 500 * ms

// hears is the rate at which the line is listened to.
const hears = 8000

// sounding is the sentence whose tone is in a frame, told by how often it crosses zero; negative: none.
func sounding(pcm []int16) int {
	const loud = 1000
	var first, last, n int
	sign := int16(0)
	for i, x := range pcm {
		switch {
		case x > loud && sign <= 0, x < -loud && sign >= 0:
			if sign != 0 {
				if n++; n == 1 {
					first = i
				}
				last = i
			}
			sign = 1
			if x < 0 {
				sign = -1
			}
		}
	}
	if n < 5 {
		return -1
	}
	hz := float64(n-1) / 2 * hears / float64(last-first)
	id := int(math.Round((hz - pitch(0)) / (pitch(1) - pitch(0))))
	return min(max(id, 0), otherID)
}
