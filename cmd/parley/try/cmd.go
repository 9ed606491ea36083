// Package try is the verb "try": it runs one engine by itself, as serve would open it, and prints what comes of it and
// when. Times count from the request, once the engine is ready.
//
// Speech to text hears a WAV file as a conversation would give it: at the speed of speech, with voice marked where the
// file is not much softer than its loudest part, and a flush wherever that pauses for a second, and at the end.
package try

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"parley/cmd/parley/serve"
	"parley/cmd/parley/verdict"
	"parley/internal/provider"
	"parley/stt"
)

// Cmd is the verb.
type Cmd struct {
	STT STTCmd `cmd:"" name:"stt" help:"Have speech to text hear a WAV file."`
	LLM LLMCmd `cmd:"" name:"llm" help:"Ask a language model something."`
	TTS TTSCmd `cmd:"" name:"tts" help:"Have text to speech say something."`
}

// Engine is which one is tried, and how it is opened.
type Engine struct {
	Engine string `arg:"" help:"As the flag of serve takes it: NAME or NAME:KEY=VALUE,…"`

	Models string `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models of the local engines are kept. Default: parley/models in the user's cache folder."`
	Fetch  bool   `default:"true" negatable:"" env:"-" help:"Fetch models that are missing."`
}

// trial is one engine that is tried, and where it is told of it.
type trial struct {
	one  serve.One
	out  io.Writer
	open func(ctx context.Context, one serve.One, out io.Writer) (serve.Parts, func(), error)
}

func (e Engine) trial(kind string, out io.Writer) trial {
	return trial{one: serve.One{Kind: kind, Value: e.Engine, Models: e.Models, Fetch: e.Fetch}, out: out, open: open}
}

func open(ctx context.Context, one serve.One, out io.Writer) (serve.Parts, func(), error) {
	return one.Open(ctx, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), out)
}

// run opens the engine and uses it. The error that it returns says what to do about it.
func (t trial) run(ctx context.Context, use func(ctx context.Context, p serve.Parts, c *clock) error) error {
	began := time.Now()
	parts, closeParts, err := t.open(ctx, t.one, t.out)
	if err == nil {
		defer closeParts()
		err = warm(ctx, parts)
	}
	if err == nil {
		fmt.Fprintf(t.out, "ready after %s\n", short(time.Since(began)))
		began = time.Now()
		err = use(ctx, parts, &clock{began: began})
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	class, advice := provider.ClassName(err), t.one.Advice(err)
	if advice == "" {
		return err
	}
	if class == "" {
		class = "error"
	}
	return verdict.Bad("%s after %s: %s\n→ %s", class, short(time.Since(began)), serve.Redact(err.Error()), advice)
}

// warmLimit is how long that may take: Amazon's library asks a metadata service that may not be there.
const warmLimit = 20 * time.Second

// warm connects an engine that answers its first call sooner then, as serve does.
func warm(ctx context.Context, p serve.Parts) error {
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	for _, engine := range []any{p.Recognizer, p.Voice} {
		if w, ok := engine.(stt.Warmer); ok {
			return w.Warm(ctx)
		}
	}
	return nil
}

// clock is when things came.
type clock struct {
	began       time.Time
	n           int           // how much came
	first, last time.Duration // since began
	gaps        []time.Duration
}

// tick notes that something came, and returns when.
func (c *clock) tick() time.Duration {
	now := time.Since(c.began)
	if c.n++; c.n == 1 {
		c.first = now
	} else {
		c.gaps = append(c.gaps, now-c.last)
	}
	c.last = now
	return now
}

// summary is the first and the gaps in words, without how long all of it took.
func (c *clock) summary(what string) string {
	if c.n == 0 {
		return "no " + what
	}
	s := fmt.Sprintf("first %s after %s", what, short(c.first))
	if n := len(c.gaps); n > 0 {
		s += fmt.Sprintf(", then %d with gaps of %s, %s at most", n, short(median(c.gaps)), short(most(c.gaps)))
	}
	return s
}

// short is a duration to a millisecond, or to a hundredth of a second when it is long.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// at begins a line with its time.
func at(d time.Duration) string { return fmt.Sprintf("%7.3f s  ", d.Seconds()) }

// printable is text on one line: what a provider sends is not trusted to leave the terminal alone.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
