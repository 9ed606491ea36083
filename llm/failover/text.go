package failover

import (
	"context"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/llm"
)

// goOn asks a model to take over an answer.
const goOn = "Your answer broke off there. Go on with the very next word. Repeat nothing of it, and say nothing about this."

// onward is req for a model that takes over after another one wrote said.
func onward(req llm.Request, said string) llm.Request {
	if said == "" {
		return req
	}
	req.Messages = append(slices.Clip(req.Messages), llm.Message{Role: llm.Agent, Text: strings.TrimSpace(said)}, llm.Message{Role: llm.User, Text: goOn})
	return req
}

// counted is what a model answers, and tells in the end what that used. lost says whether nobody heard it.
func counted(ctx context.Context, name string, m llm.Model, req llm.Request, lost func() bool) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		var told *llm.Usage
		wrote, began := 0, false
		defer func() {
			u := provider.Usage{Guessed: told == nil}
			switch {
			case told != nil:
				u.Prompt, u.Cached, u.Completion = told.Prompt, told.Cached, told.Completion
			case !began:
				return // nothing came: it is not known to have been begun
			default:
				u.Prompt, u.Completion = tokens(length(req)), tokens(wrote)
			}
			u.Lost = lost()
			provider.Tell(ctx, provider.Note{Stage: "llm", Provider: name, Used: &u})
		}()
		for d, err := range m.Generate(ctx, req) {
			if d.Usage != nil {
				u := *d.Usage
				told = &u
			}
			began = began || err == nil
			wrote += utf8.RuneCountInString(d.Text)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// tokens is about how many make so many characters.
func tokens(characters int) int { return (characters + 3) / 4 }

// length is how many characters a request has.
func length(req llm.Request) int {
	n := utf8.RuneCountInString(req.System)
	for _, m := range req.Messages {
		n += utf8.RuneCountInString(m.Text)
		for _, c := range m.Calls {
			n += len(c.Name) + len(c.Arguments)
		}
	}
	return n
}

// whole is stream in whole words: the beginning of a word waits for its end, so that what another model must go on from
// never ends within one. After said the words of it that stream repeats are left out: its last ones, or all of it.
func whole(said string, stream iter.Seq2[llm.Delta, error]) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		w := words{said: said, begun: said == ""}
		for d, err := range stream {
			if err != nil {
				yield(d, err) // the word that was begun is lost
				return
			}
			text := ""
			if d.Text != "" {
				text, d.Text = w.add(d.Text), ""
			} else {
				text = w.rest()
			}
			if text != "" && !yield(llm.Delta{Text: text}, nil) {
				return
			}
			if d != (llm.Delta{}) && !yield(d, nil) {
				return
			}
		}
	}
}

// words holds back what is not a whole word, and at the beginning of a sequel what may repeat what was said.
type words struct {
	said  string
	begun bool // text has been given, or there is nothing that could be repeated
	held  string
}

// overlap is of how many words at most the repetition of an end is looked for.
const overlap = 8

func (w *words) add(text string) string {
	w.held += text
	cut := len(strings.TrimRightFunc(w.held, inWord))
	if n := len(strings.Fields(w.held[:cut])); !w.begun && (n < overlap || repeats(w.said, w.held[:cut]) == n) {
		return ""
	}
	text, w.held = w.held[:cut], w.held[cut:]
	if w.begun {
		return text
	}
	return w.sequel(text)
}

// unspaced are scripts that put no spaces between words: each character stands for itself.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// inWord says whether the next character may belong to the same word as r.
func inWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)) && !unicode.In(r, unspaced...)
}

func (w *words) rest() string {
	text := w.held
	w.held = ""
	if w.begun || text == "" {
		return text
	}
	return w.sequel(text)
}

// sequel is text as it goes on after what was said.
func (w *words) sequel(text string) string {
	w.begun = true
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	for range repeated(w.said, text) {
		text = strings.TrimLeftFunc(strings.TrimLeftFunc(text, func(r rune) bool { return !unicode.IsSpace(r) }), unicode.IsSpace)
	}
	last, _ := utf8.DecodeLastRuneInString(w.said)
	if first, _ := utf8.DecodeRuneInString(text); text != "" && !unicode.IsSpace(last) && !unicode.IsPunct(first) {
		text = " " + text
	}
	return text
}

// repeated is how many words at the beginning of text say again what was said: all of it, or its end.
func repeated(said, text string) int {
	old, now := plain(said), plain(text)
	if len(old) > 0 && repeats(said, text) == len(old) {
		return len(old)
	}
	for n := min(overlap, len(old), len(now)); n > 0; n-- {
		if slices.Equal(old[len(old)-n:], now[:n]) && (n > 1 || len(now[0]) > 3) {
			return n
		}
	}
	return 0
}

// repeats is how many words text begins with in the same way as said.
func repeats(said, text string) (n int) {
	old, now := plain(said), plain(text)
	for n < min(len(old), len(now)) && old[n] == now[n] {
		n++
	}
	return n
}

// plain is the words of a text in lower case and without marks.
func plain(text string) []string {
	all := strings.Fields(text)
	for i, w := range all {
		all[i] = strings.ToLower(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
	}
	return all
}
