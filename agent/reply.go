package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"parley/agent/turn"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/media/resample"
	"parley/tts"
)

// reply is one answer on its way. Its own fields belong to the loop.
type reply struct {
	turn        int
	text        string // what it answers
	fixed       string // said without a model
	cancel      context.CancelCauseFunc
	commit      chan struct{} // closed when its turn is over and it may sound
	interrupted bool
	discarded   bool
	began       bool
	asked       Latency       // only Commit and Text are set, at the commit
	voice       time.Duration // when the caller was last heard before it
	shown       string        // heard text that was last told

	made
}

// made is what there is of a reply. It is shared by the reply's goroutine, the playout's and the loop.
type made struct {
	mu        sync.Mutex
	generated strings.Builder
	phrases   []string // given to the voice
	words     []tts.Word
	audio     time.Duration // how much sound the voice has made of them
	times     Latency       // Token, Phrase and Audio on the session clock
	sentSoFar time.Duration
	modelErr  error
}

// outcome is what became of a reply.
type outcome struct {
	reply *reply
	sent  time.Duration
	code  string // whose err it is
	err   error
}

// speak makes the sound of a reply up to its first phrase, waits for the commit, and plays it. It is one
// expression under one context: Play(after(commit, note(Speak(phrases(Generate))))).
func (l *loop) speak(ctx context.Context, r *reply, req llm.Request) outcome {
	o := outcome{reply: r, code: "tts"}
	next, stop := iter.Pull2(l.sound(ctx, r, l.phrases(r, req)))
	defer stop()
	first, err, ok := next()
	select {
	case <-r.commit:
	case <-ctx.Done():
		o.err = context.Cause(ctx)
		return o
	}
	if ok {
		o.sent, o.err = l.Out.Play(ctx, func(yield func(media.Frame, error) bool) {
			l.stage.enter(r) // the playout is ours now
			for ; ok && yield(first, err); first, err, ok = next() {
			}
		})
		l.stage.leave(r)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.modelErr != nil && ctx.Err() == nil {
		o.code, o.err = "llm", errors.Join(r.modelErr, o.err)
	}
	if !ok && o.err == nil && r.audio == 0 && ctx.Err() == nil {
		o.code, o.err = "llm", fmt.Errorf("answer the caller: the answer is empty: %w", provider.ErrTruncated)
	}
	return o
}

// phrases is the model's text, cut so that each piece can be spoken.
func (l *loop) phrases(r *reply, req llm.Request) media.Source[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			give := func(p string) bool {
				r.phrase(p, l.Now())
				return yield(p)
			}
			var cut cutter
			for text, err := range l.text(ctx, r, req) {
				if err != nil {
					r.fail(fmt.Errorf("generate an answer: %w", err))
					break
				}
				r.token(text, l.Now())
				for _, p := range cut.add(text) {
					if !give(p) {
						return
					}
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
			if err != nil || d.Text != "" {
				if !yield(d.Text, err) {
					return
				}
			}
		}
	}
}

// sound is the voice's audio at the playout's rate.
func (l *loop) sound(ctx context.Context, r *reply, text media.Source[string]) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		to := l.Out.Rate()
		var conv *resample.Resampler
		var out []int16
		from := 0
		for a, err := range l.Voice.Speak(ctx, text) {
			if err == nil {
				err = resample.Check(a.Rate, to)
			}
			if err != nil {
				yield(media.Frame{}, fmt.Errorf("speak: %w", err))
				return
			}
			r.sounded(a, l.Now())
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
		if conv != nil {
			yield(media.Frame{Rate: to, PCM: conv.Flush(out[:0])}, nil)
		}
	}
}

func (r *made) token(text string, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times.Token == 0 {
		r.times.Token = now
	}
	r.generated.WriteString(text)
}

func (r *made) phrase(p string, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times.Phrase == 0 {
		r.times.Phrase = now
	}
	r.phrases = append(r.phrases, p)
}

func (r *made) sounded(a tts.Audio, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times.Audio == 0 {
		r.times.Audio = now
	}
	r.audio += a.Duration()
	r.words = append(r.words, a.Words...)
}

func (r *made) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.modelErr = err
}

// said is the reply's three texts once sent of its sound has gone out.
func (r *reply) said(sent time.Duration, done bool) Said {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Said{Generated: r.generated.String(), Sent: strings.Join(r.phrases, " "), Done: done, Interrupted: r.interrupted}
	s.Heard = s.Sent
	if !done || r.interrupted || sent < r.audio-media.FrameDuration {
		s.Heard = r.heard(s.Sent, sent)
	}
	return s
}

// heard cuts the text at what was sent: at the words' own times, else in proportion, at a word.
func (r *made) heard(text string, sent time.Duration) string {
	if len(r.words) > 0 {
		return firstWords(text, r.words, sent)
	}
	if r.audio == 0 || sent == 0 {
		return ""
	}
	n := min(len(text), int(int64(len(text))*int64(sent)/int64(r.audio)))
	if n == len(text) {
		return text
	}
	return text[:max(0, strings.LastIndexByte(text[:n+1], ' '))]
}

// firstWords are the words whose middle was sent. A voice may write them otherwise than the text does, and
// without its punctuation: where both have as many, the text's are taken.
func firstWords(text string, words []tts.Word, sent time.Duration) string {
	n := 0
	for n < len(words) && (words[n].Start+words[n].End)/2 <= sent {
		n++
	}
	written := strings.Fields(text)
	if len(written) < len(words) {
		written = written[:0]
		for _, w := range words {
			written = append(written, w.Text)
		}
	}
	return strings.Join(written[:n], " ")
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
	r.mu.Lock()
	r.sentSoFar = sent
	r.mu.Unlock()
	a := arrival{heard: r.turn}
	if l.stage.frames == 0 {
		a = arrival{in: turn.Input{Kind: turn.Began, Turn: r.turn}}
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
