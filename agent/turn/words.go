package turn

import (
	"strings"
	"unicode"
)

// What people say to show that they listen, not to take the floor. English; said in full.
var backchannels = set("ah", "aha", "alright", "all right", "cool", "good", "great", "hm", "hmm", "huh", "i see", "i understand",
	"mhm", "mm", "mm hm", "mm hmm", "mmm", "mmhm", "nice", "of course", "oh", "oh okay", "ok", "okay", "okay okay", "right", "sure", "true",
	"uh", "uh huh", "uhuh", "um", "wow", "yea", "yeah", "yeah yeah", "yep", "yes", "yup", "got it", "makes sense", "interesting", "m", "h", "ha")

// What a recognizer makes of a breath or a cough.
var noises = set("", "you", "the", "a", "so", "thank you", "thanks", "bye", "hu", "huff", "oof", "ugh", "ahem", "cough", "khm", "o", "i", "pff", "kh", "k", "tsk")

// begun are the beginnings of these, where they have several words.
var begun = beginnings(backchannels, noises)

func beginnings(sets ...map[string]bool) map[string]bool {
	m := map[string]bool{}
	for _, s := range sets {
		for phrase := range s {
			for i, r := range phrase {
				if r == ' ' {
					m[phrase[:i]] = true
				}
			}
		}
	}
	return m
}

var stops = set("stop", "stop it", "stop please", "please stop", "stop talking", "be quiet", "quiet", "shut up", "silence", "enough", "that's enough",
	"stop stop", "okay stop", "no stop")

var goodbyes = set("goodbye", "good bye", "bye", "bye bye", "okay bye", "ok bye", "see you", "see you later", "talk to you later",
	"hang up", "end the call", "please hang up", "that's all thank you goodbye", "thank you goodbye", "thanks bye", "thank you bye", "okay goodbye", "ok goodbye")

// Words after which nobody has finished.
var trailing = set("a", "an", "and", "are", "as", "at", "because", "but", "by", "can", "could", "for", "from", "if", "in", "into", "is", "like", "my", "of", "on",
	"or", "our", "so", "than", "that", "the", "their", "then", "to", "uh", "um", "was", "well", "were", "when", "where", "which", "who", "with", "would", "your", "er", "hmm")

// Numbers and letters may be followed by more.
var spelled = set("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "dash", "dot", "hundred", "thousand")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// plain is s in lower case, words separated by one space, without punctuation.
func plain(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	}), " ")
}

// command is the order that the whole text is, if it is one: "stop", "wait", "goodbye" or "".
func command(text string) string {
	switch p := plain(text); {
	case stops[p]:
		return "stop"
	case goodbyes[p]:
		return "goodbye"
	case asksForTime(p):
		return "wait"
	}
	return ""
}

// figures tells a number that is written so: a group of a longer one, perhaps.
func figures(word string) bool {
	return word != "" && strings.Trim(word, "0123456789") == ""
}

// manner is how a text reads.
type manner uint8

const (
	open   manner = iota // something must follow: "I would like to"
	vague                // more may follow: a number, a letter, no mark at its end
	closed               // it ends as sentences do
)

func read(text string) manner {
	p := plain(text)
	last := p[strings.LastIndexByte(p, ' ')+1:]
	t := strings.TrimRight(text, " ")
	switch {
	case p == "" || strings.HasSuffix(t, ",") || strings.HasSuffix(t, "-") || strings.HasSuffix(t, "...") || strings.HasSuffix(t, "…"):
		return open
	case trailing[last] && !strings.HasSuffix(t, "?"):
		return open
	case (spelled[last] || figures(last) || len([]rune(last)) == 1) && !strings.HasSuffix(t, "?"):
		return vague
	case strings.HasSuffix(t, ".") || strings.HasSuffix(t, "!") || strings.HasSuffix(t, "?"):
		return closed
	}
	return vague
}
