package dialogs

import (
	"context"
	"iter"
	"strings"
	"time"
	"unicode"

	"parley/llm"
)

// How the model writes; see takes.
const (
	firstWord = 250*time.Millisecond + 83*time.Microsecond
	nextWord  = 30*time.Millisecond + 7*time.Microsecond
	pardon    = "Pardon?"
)

// Model gives the recipe's answer to what the caller said last: to a turn that ends with the words of one in the recipe, or
// is the beginning of one. To anything else it says "Pardon?". The first word takes it 250 ms, each other 30 ms.
func (d Dialog) Model() llm.Model { return d.model(firstWord, nextWord) }

func (d Dialog) model(first, next time.Duration) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) { write(ctx, d.answer(req), req.MaxTokens, first, next, yield) }
	})
}

func (d Dialog) answer(req llm.Request) string {
	said := ""
	for _, m := range req.Messages {
		if m.Role == llm.User {
			said = plain(m.Text)
		}
	}
	for i := len(d.Want) - 1; i >= 0 && said != ""; i-- {
		if e := d.Want[i]; e.User != "" && e.Agent != "" && strings.HasSuffix(" "+said, " "+plain(e.User)) {
			return e.Agent
		}
	}
	for _, e := range d.Want {
		if e.User != "" && e.Agent != "" && said != "" && strings.HasPrefix(plain(e.User)+" ", said+" ") {
			return e.Agent
		}
	}
	return pardon
}

func write(ctx context.Context, answer string, most int, first, next time.Duration, yield func(llm.Delta, error) bool) {
	words, end := strings.Fields(answer), llm.Stop
	if most > 0 && len(words) > most {
		words, end = words[:most], llm.Length
	}
	pause, space := first, ""
	for _, w := range words {
		if !wait(ctx, pause) {
			yield(llm.Delta{}, context.Cause(ctx))
			return
		}
		if !yield(llm.Delta{Text: space + w}, nil) {
			return
		}
		pause, space = next, " "
	}
	if ctx.Err() != nil {
		yield(llm.Delta{}, context.Cause(ctx))
		return
	}
	if yield(llm.Delta{Usage: &llm.Usage{Completion: len(words)}}, nil) {
		yield(llm.Delta{End: end}, nil)
	}
}

// plain is s in lower case, words only.
func plain(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '#' && r != '*'
	}), " ")
}
