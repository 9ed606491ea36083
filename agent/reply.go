package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"parley/agent/turn"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/media/resample"
	"parley/tts"
)

// reply is the making of one answer. Its fields but failed belong to the loop.
type reply struct {
	n, turn int
	fixed   string // said without a model
	cancel  context.CancelCauseFunc
	commit  chan struct{} // closed when its turn is over and it may sound

	mu     sync.Mutex
	failed error // of the model
}

// begin starts to make an answer in a goroutine of its own.
func (l *loop) begin(call context.Context, a act) {
	r := &reply{n: a.reply, turn: a.turn, fixed: a.asked.Text, commit: make(chan struct{})}
	l.replies[r.n] = r
	req := llm.Request{System: l.profile.Prompt, Messages: a.asked.Messages, MaxTokens: l.profile.MaxTokens}
	var ctx context.Context
	ctx, r.cancel = context.WithCancelCause(l.noting(call, call, r.n))
	l.wg.Go(func() {
		sent, code, err := l.speak(ctx, r, req)
		r.cancel(nil)
		end := arrival{took: &Taken{Kind: Ended, Reply: r.n, Long: sent}}
		if err != nil && call.Err() == nil {
			end = failure(Ended, code, err)
			end.took.Reply, end.took.Long = r.n, sent
		}
		l.send(call, end)
	})
}

// speak makes the sound of a reply up to its first phrase, waits for the commit, and plays it. It is one
// expression under one context: Play(after(commit, note(Speak(phrases(Generate))))). Code says whose err it is.
func (l *loop) speak(ctx context.Context, r *reply, req llm.Request) (sent time.Duration, code string, err error) {
	silent := true
	next, stop := iter.Pull2(l.sound(ctx, r, l.phrases(r, req), &silent))
	defer stop()
	first, failed, ok := next()
	select {
	case <-r.commit:
	case <-ctx.Done():
		return 0, "tts", context.Cause(ctx)
	}
	if ok {
		sent, err = l.Out.Play(ctx, func(yield func(media.Frame, error) bool) {
			l.stage.enter(r) // the playout is ours now
			for ; ok && yield(first, failed); first, failed, ok = next() {
			}
		})
		l.stage.leave(r)
	}
	if ctx.Err() != nil {
		return sent, "tts", err
	}
	if model := r.failure(); model != nil {
		return sent, "llm", errors.Join(model, err)
	}
	if !ok && err == nil && silent {
		return sent, "llm", fmt.Errorf("answer the caller: the answer is empty: %w", provider.ErrTruncated)
	}
	return sent, "tts", err
}

func (r *reply) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

func (r *reply) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// phrases is the model's text, cut so that each piece can be spoken.
func (l *loop) phrases(r *reply, req llm.Request) media.Source[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			give := func(p string) bool {
				l.send(ctx, arrival{took: &Taken{Kind: Phrased, Reply: r.n, Text: p}})
				return yield(p)
			}
			cut := cutter{model: r.fixed == ""}
			for text, err := range l.text(ctx, r, req) {
				if err != nil {
					r.fail(fmt.Errorf("generate an answer: %w", err))
					break
				}
				if wrote := clean(text); wrote != "" {
					l.send(ctx, arrival{took: &Taken{Kind: Wrote, Reply: r.n, Text: wrote}})
				}
				for _, p := range cut.add(text) {
					if !give(p) {
						return
					}
				}
				if over, err := cut.over(); over {
					if err != nil {
						r.fail(fmt.Errorf("generate an answer: %w: %w", err, provider.ErrTruncated))
					}
					break
				}
			}
			if p := cut.rest(); p != "" && ctx.Err() == nil {
				give(p)
			}
		}
	}
}

// text is what the model writes, or what is said without one.
func (l *loop) text(ctx context.Context, r *reply, req llm.Request) iter.Seq2[string, error] {
	if r.fixed != "" {
		return func(yield func(string, error) bool) { yield(r.fixed, nil) }
	}
	return func(yield func(string, error) bool) {
		for d, err := range l.Model.Generate(ctx, req) {
			if (err != nil || d.Text != "") && !yield(d.Text, err) {
				return
			}
		}
	}
}

// sound is the voice's audio at the playout's rate. silent is cleared when there is any.
func (l *loop) sound(ctx context.Context, r *reply, text media.Source[string], silent *bool) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		to := l.Out.Rate()
		var conv *resample.Resampler
		var out []int16
		from := 0
		note := noting{reply: r.n, send: func(a arrival) { l.send(ctx, a) }}
		defer note.flush()
		for a, err := range l.Voice.Speak(ctx, text) {
			if err == nil {
				err = resample.Check(a.Rate, to)
			}
			if err != nil {
				note.flush()
				yield(media.Frame{}, fmt.Errorf("speak: %w", err))
				return
			}
			*silent = *silent && a.Duration() == 0
			note.add(a)
			out = out[:0]
			if a.Rate != from {
				if conv != nil {
					out = conv.Flush(out)
				}
				conv, from = resample.New(a.Rate, to), a.Rate
			}
			if out = conv.Process(a.PCM, out); len(out) > 0 && !yield(media.Frame{Rate: to, PCM: out}, nil) {
				return
			}
		}
		note.flush()
		if conv != nil {
			yield(media.Frame{Rate: to, PCM: conv.Flush(out[:0])}, nil)
		}
	}
}

// noting tells the core of a voice's sound: at once of the first, then in pieces of a tenth of a second.
type noting struct {
	reply int
	send  func(arrival)
	long  time.Duration
	words []tts.Word
	told  bool
}

func (n *noting) add(a tts.Audio) {
	n.long += a.Duration()
	n.words = append(n.words, a.Words...)
	if !n.told || n.long >= 100*time.Millisecond {
		n.flush()
	}
}

func (n *noting) flush() {
	if n.long == 0 && len(n.words) == 0 {
		return
	}
	n.send(arrival{took: &Taken{Kind: Sounded, Reply: n.reply, Long: n.long, Words: n.words}})
	n.told, n.long, n.words = true, 0, nil
}

// stage knows which reply has the playout.
type stage struct {
	mu     sync.Mutex
	reply  *reply
	frames int
}

func (s *stage) enter(r *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply, s.frames = r, 0
}

func (s *stage) leave(r *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply == r {
		s.reply = nil
	}
}

// watch runs in the playout's goroutine after every frame of speech. The first tells the loop that the
// answer sounds, every fifth that more of it was heard.
func (l *loop) watch(sent time.Duration) {
	l.stage.mu.Lock()
	defer l.stage.mu.Unlock()
	r := l.stage.reply
	if r == nil {
		return
	}
	a := arrival{took: &Taken{Kind: Heard, Reply: r.n, Long: sent}}
	if l.stage.frames == 0 {
		a = arrival{step: turn.Input{Kind: turn.Began, Turn: r.turn}}
	} else if l.stage.frames%5 != 0 {
		l.stage.frames++
		return
	}
	select {
	case l.arrivals <- a:
		l.stage.frames++
	default: // the loop is behind: told with the next frame
	}
}
