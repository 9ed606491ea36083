package provider

import (
	"context"
	"time"
)

// Note is what happens inside a stage and is not in its results: what it used, and that another provider took over.
type Note struct {
	Stage    string // "stt", "llm" or "tts"
	Provider string // its name, as in the flag
	Used     *Usage // what a request to it used; nil: none is told of
	Failed   error  // why it was left for another; nil: it was not
	Next     string // the other; empty: there was none. With Failed and Used nil: the preferred one, which is asked again
}

// Usage is what one request to a provider used. Which fields count depends on the stage.
type Usage struct {
	Prompt, Cached, Completion int           // tokens; Cached is a part of Prompt
	Characters                 int           // given to a voice
	Audio                      time.Duration // given to a recognizer
	Guessed                    bool          // the provider did not tell the tokens: a quarter of the characters
	Lost                       bool          // nobody heard the outcome: another start was sooner
}

// noted is the key of a context.
type noted struct{}

// Noting has take given the notes of all stages under the context that it returns, in the manner of net/http/httptrace;
// who takes those of ctx still gets them, too. take is called by the stages' goroutines, several at once.
func Noting(ctx context.Context, take func(Note)) context.Context {
	if outer, ok := ctx.Value(noted{}).(func(Note)); ok {
		inner := take
		take = func(n Note) {
			inner(n)
			outer(n)
		}
	}
	return context.WithValue(ctx, noted{}, take)
}

// Tell gives a note to whoever takes the notes of ctx.
func Tell(ctx context.Context, n Note) {
	if take, ok := ctx.Value(noted{}).(func(Note)); ok {
		take(n)
	}
}
