package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

const (
	patience = 10 * time.Second // for the answer to one request
	loading  = time.Minute      // for an engine to open: a local one reads its models
)

// checked is what came of a request. Times are in milliseconds.
type checked struct {
	OK    bool    `json:"ok"`
	Open  float64 `json:"open_ms"`            // until the engine was ready
	First float64 `json:"first_ms,omitempty"` // from the request to the first of the answer
	Total float64 `json:"total_ms,omitempty"` // to its end
	Class string  `json:"class,omitempty"`    // of the error: auth, quota, bad request, unavailable, truncated; empty: none of these
	Error string  `json:"error,omitempty"`
	Mend  string  `json:"mend,omitempty"`
}

func (c *checked) print(out io.Writer) {
	if c.OK {
		fmt.Fprintf(out, "%22sasked: ready after %.0f ms, first answer after %.0f ms, all of it after %.0f ms\n", "", c.Open, c.First, c.Total)
		return
	}
	class := c.Class
	if class == "" {
		class = "error"
	}
	fmt.Fprintf(out, "%22sFAILED, %s: %s\n", "", class, c.Error)
	if c.Mend != "" {
		fmt.Fprintf(out, "%22s→ %s\n", "", c.Mend)
	}
}

// checkAll checks at once all that are ready. What it returns ends the checks and waits for their end.
func checkAll(ctx context.Context, all []*entry) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, e := range all {
		wg.Go(func() {
			defer close(e.done)
			if e.Ready {
				e.Check = check(ctx, e.one)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// check opens an engine and asks it.
func check(ctx context.Context, one serve.One) *checked {
	c := &checked{}
	err := c.try(ctx, one)
	if c.OK = err == nil; !c.OK {
		c.Class, c.Error, c.Mend = provider.ClassName(err), serve.Redact(err.Error()), one.Advice(err)
	}
	return c
}

func (c *checked) try(ctx context.Context, one serve.One) error {
	began := time.Now()
	own, cancel := context.WithTimeout(ctx, loading)
	defer cancel()
	parts, closeParts, err := one.Open(own, slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		return err
	}
	defer closeParts()
	c.Open = ms(time.Since(began))
	asked, cancelAsked := context.WithTimeout(ctx, patience)
	defer cancelAsked()
	began = time.Now()
	err = c.ask(asked, parts, func() {
		if c.First == 0 {
			c.First = ms(time.Since(began))
		}
	})
	c.Total = ms(time.Since(began))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w", patience, err)
	}
	return err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ask sends the one engine of p its request. came is called with everything that comes back.
func (c *checked) ask(ctx context.Context, p serve.Parts, came func()) error {
	switch {
	case p.Recognizer != nil:
		return askRecognizer(ctx, p.Recognizer, came)
	case p.Model != nil:
		return askModel(ctx, p.Model, came)
	case p.Voice != nil:
		return askVoice(ctx, p.Voice, came)
	}
	_, err := p.Detector.Open().Score(silence(0, media.ListenRate/2).Frame)
	came()
	return err
}

// silence is n samples of it.
func silence(at time.Duration, n int) stt.Audio {
	return stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: make([]int16, n)}, Voice: true} // voice: else nothing would be sent
}

// askRecognizer has it hear half a second. It is read to its end: a connection that fails may be told late.
func askRecognizer(ctx context.Context, r stt.Recognizer, came func()) error {
	var half []stt.Audio
	for at := time.Duration(0); at < 500*time.Millisecond; at += media.FrameDuration {
		half = append(half, silence(at, media.ListenRate/50))
	}
	half[len(half)-1].Flush = true
	settled := false
	for res, err := range r.Recognize(ctx, media.Of(half...)) {
		if err != nil {
			return err
		}
		came()
		settled = settled || res.Kind == stt.Final
	}
	if !settled {
		return fmt.Errorf("recognize silence: %w: no text came for it, not even an empty one", provider.ErrTruncated)
	}
	return nil
}

func askModel(ctx context.Context, m llm.Model, came func()) error {
	req := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Hi."}}, MaxTokens: 1}
	ended := false
	for d, err := range m.Generate(ctx, req) {
		if err != nil {
			return err
		}
		came()
		ended = ended || d.End != ""
	}
	if !ended {
		return fmt.Errorf("ask for a token: %w: no reason for the end", provider.ErrTruncated)
	}
	return nil
}

func askVoice(ctx context.Context, v tts.Voice, came func()) error {
	samples := 0
	for a, err := range v.Speak(ctx, media.Of("Hi.")) {
		if err != nil {
			return err
		}
		came()
		samples += len(a.PCM)
	}
	if samples == 0 {
		return fmt.Errorf("say %q: %w: no sound came", "Hi.", provider.ErrTruncated)
	}
	return nil
}
