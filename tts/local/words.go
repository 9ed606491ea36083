package local

import (
	"strings"
	"time"
	"unicode/utf8"

	"parley/tts"
)

// pause is what a clause mark weighs beside phonemes when times are estimated.
const pause = 3

// wordTimes estimates when each word of a chunk is said: the chunk lasts from start to end, and each word
// gets a share in proportion to its phonemes, or to its letters where the phonemes are not separated in
// the same way ("of the" is one word to a phonetician, "42" is two).
func wordTimes(chunk []clause, ipa []string, start, end time.Duration) []tts.Word {
	var words []tts.Word
	var weights []float64 // of the word, and of the pause after it
	var pauses []float64
	var total float64
	for i, c := range chunk {
		ws := weigh(strings.Fields(c.text), strings.Fields(ipa[i]))
		for j, w := range strings.Fields(c.text) {
			words = append(words, tts.Word{Text: w})
			weights, pauses = append(weights, ws[j]), append(pauses, 0)
			total += ws[j]
		}
		if i == len(chunk)-1 {
			break
		}
		pauses[len(pauses)-1] = pause
		total += pause
	}
	var sum float64
	at := func() time.Duration { return start + time.Duration(sum/total*float64(end-start)) }
	for i := range words {
		words[i].Start = at()
		sum += weights[i]
		words[i].End = at()
		sum += pauses[i]
	}
	return words
}

// weigh gives each word of a clause its number of phonemes.
func weigh(words, ipa []string) []float64 {
	out := make([]float64, len(words))
	if len(words) == len(ipa) {
		for i, p := range ipa {
			out[i] = float64(utf8.RuneCountInString(p))
		}
		return out
	}
	phonemes, letters := 0, 0
	for _, p := range ipa {
		phonemes += utf8.RuneCountInString(p)
	}
	for _, w := range words {
		letters += utf8.RuneCountInString(w)
	}
	for i, w := range words {
		out[i] = float64(utf8.RuneCountInString(w)) * float64(max(phonemes, 1)) / float64(letters)
	}
	return out
}
