package bench

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"parley/media"
	"parley/media/resample"
	"parley/tts"
)

// Of what length the recorded words are.
const (
	wordShort = 220 * time.Millisecond
	wordLong  = 900 * time.Millisecond
	wordsMany = 20 // with fewer one could be told from its neighbors by luck
)

// vocabulary is single words that were recorded one by one, all by one speaker: the length of each is known to the sample.
type vocabulary struct {
	words []string           // in lower case, the same order each time
	pcm   map[string][]int16 // at media.SpeakRate
	long  map[string]time.Duration
}

// loadVocabulary reads the words. Each process that does so has the same.
func loadVocabulary() (*vocabulary, error) {
	all, err := speech(wordShort, wordLong)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{pcm: map[string][]int16{}, long: map[string]time.Duration{}}
	for _, u := range all {
		w := plainWord(u.Text)
		if len(w) < 3 || strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) }) || v.pcm[w] != nil || u.Speaker != "Allison" {
			continue
		}
		r := resample.New(u.Rate, media.SpeakRate)
		v.pcm[w] = r.Flush(r.Process(u.PCM, nil))
		v.long[w] = media.Samples(len(v.pcm[w]), media.SpeakRate)
		v.words = append(v.words, w)
	}
	if len(v.words) < wordsMany {
		return nil, fmt.Errorf("there are %d recordings of single words, %d are needed", len(v.words), wordsMany)
	}
	return v, nil
}

// plainWord is a word as it is looked up: in lower case, without marks.
func plainWord(w string) string {
	return strings.ToLower(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) }))
}

// answer is n words in sentences, another one for each seed. No word stands twice in any ten, so that nothing goes round.
func (v *vocabulary) answer(n int, seed uint64) string {
	rnd := rand.New(rand.NewPCG(seed, 11))
	var b strings.Builder
	var order []int
	left := 0 // words of the sentence
	for i := range n {
		if i%len(v.words) == 0 {
			order = rnd.Perm(len(v.words))
		}
		w := v.words[order[i%len(v.words)]]
		if left == 0 {
			left = 5 + rnd.IntN(9)
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		b.WriteString(w)
		if left--; left == 0 || i == n-1 {
			b.WriteByte('.')
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

// ends are where the words of a text end, from the beginning of its sound, and where each has its middle.
func (v *vocabulary) ends(text string) (ends, middles []time.Duration) {
	var at time.Duration
	for w := range strings.FieldsSeq(text) {
		d := v.long[plainWord(w)]
		middles = append(middles, at+d/2)
		at += d
		ends = append(ends, at)
	}
	return ends, middles
}

// Voice says a text with these recordings, one straight after the other and as fast as it is read. Told, it says where each word is.
func (v *vocabulary) voice(told bool) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			s := sayer{v: v, told: told, yield: yield}
			for phrase := range text(own) {
				if !s.phrase(ctx, phrase) {
					return
				}
			}
			if ctx.Err() != nil {
				yield(tts.Audio{}, context.Cause(ctx))
			}
		}
	})
}

// sayer is the state of one call to a voice.
type sayer struct {
	v     *vocabulary
	told  bool
	yield func(tts.Audio, error) bool
	n     int // samples so far
}

// phrase says one; false when the loop is over.
func (s *sayer) phrase(ctx context.Context, text string) bool {
	const piece = media.SpeakRate / 5
	for w := range strings.FieldsSeq(text) {
		pcm, ok := s.v.pcm[plainWord(w)]
		if !ok {
			s.yield(tts.Audio{}, fmt.Errorf("say %q: there is no recording of it", w))
			return false
		}
		var words []tts.Word
		if s.told {
			words = []tts.Word{{Text: w, Start: media.Samples(s.n, media.SpeakRate), End: media.Samples(s.n+len(pcm), media.SpeakRate)}}
		}
		for len(pcm) > 0 {
			if ctx.Err() != nil {
				s.yield(tts.Audio{}, context.Cause(ctx))
				return false
			}
			some := pcm[:min(piece, len(pcm))]
			pcm = pcm[len(some):]
			f := media.Frame{At: media.Samples(s.n, media.SpeakRate), Rate: media.SpeakRate, PCM: some}
			s.n += len(some)
			if !s.yield(tts.Audio{Frame: f, Words: words}, nil) {
				return false
			}
			words = nil
		}
	}
	return true
}
