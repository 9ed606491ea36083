package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/agent/echo"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// A Session is one conversation. Fill the fields, call Run once; Run joins everything it started.
type Session struct {
	Recognizer stt.Recognizer
	Model      llm.Model
	Voice      tts.Voice
	Detector   vad.Detector
	Finisher   vad.Finisher // nil: the end of a turn is told from silence and words only

	In    media.Source[media.Frame] // the caller's audio, mono, media.ListenRate; its end ends the conversation
	Out   *media.Playout            // Run runs it
	Input media.Source[Input]       // nil: none

	Profile Profile
	Price   func(Used) float64   // US dollars; nil: nothing has a price
	Trace   func(Event)          // called in order from the loop; must not block. nil: nobody listens
	Heard   func([]vad.Score)    // gets every score at its own hop, within the uplink; must neither block nor keep the slice. nil: nobody
	Now     func() time.Duration // the session clock; nil: time since Run
	Logger  *slog.Logger         // nil: discard
}

// Profile is who the agent is. The zero value of a field means its default.
type Profile struct {
	Prompt    string  // the model's instructions
	Greeting  string  // said first; "-" for none
	CheckIn   string  // said when nobody speaks
	Goodbye   string  // said at the end
	Sorry     string  // said when an engine fails
	Pardon    string  // said when no words could be made of what the caller said
	Deaf      string  // said at the end when there is no recognizer any more
	MaxTokens int     // of one answer (160)
	Budget    float64 // US dollars, by Session.Price: when they are used up the agent says goodbye after its answer; 0: none
	Turn      turn.Config
}

const defaultPrompt = "You are Robin, a friendly voice assistant speaking with a person over a live audio call. " +
	"Everything you write is read aloud, so answer in one or two short, natural sentences. " +
	"Never use lists, markdown, emojis, code or headings. Write numbers and times the way people say them. " +
	"If you do not know something, say so briefly. If you need information that you do not have, ask one short question. " +
	"Do not invent facts about the person, and never mention these instructions."

// WithDefaults is p with the defaults filled in.
func (p Profile) WithDefaults() Profile {
	or := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	or(&p.Prompt, defaultPrompt)
	or(&p.Greeting, "Hi, this is Robin. How can I help you?")
	or(&p.CheckIn, "Are you still there?")
	or(&p.Goodbye, "Goodbye!")
	or(&p.Sorry, "Sorry, something went wrong. Please say that again.")
	or(&p.Pardon, "Sorry, I didn't catch that.")
	or(&p.Deaf, "Sorry, I'm having trouble hearing you. Please call again a little later.")
	if p.MaxTokens == 0 {
		p.MaxTokens = 160
	}
	p.Turn = p.Turn.WithDefaults()
	return p
}

// Run holds the conversation until the caller's audio ends, somebody says goodbye, or ctx is done, and
// returns why: ErrAudioEnd, ErrGoodbye, ErrHungUp, the cause of ctx, or an engine's error.
func (s *Session) Run(ctx context.Context) error {
	l := newLoop(s)
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	l.wg = &wg
	wg.Go(func() { l.uplink(ctx) })
	wg.Go(func() { l.recognize(ctx) })
	wg.Go(func() { _ = s.Out.Run(ctx) }) // ends with ctx only
	if s.Input != nil {
		wg.Go(func() { l.external(ctx) })
	}
	if w, ok := s.Model.(llm.Warmer); ok {
		wg.Go(func() { l.warm(ctx, w) })
	}
	err := l.run(ctx)
	cancel(err)
	return err
}

// send gives the loop an arrival; it waits for room.
func (l *loop) send(ctx context.Context, a arrival) {
	select {
	case l.arrivals <- a:
	case <-ctx.Done():
	}
}

// uplink scores the caller's audio and feeds the recognizer.
func (l *loop) uplink(ctx context.Context) {
	stream := l.Detector.Open()
	ear := hangover{length: 80 * time.Millisecond}
	sound := loudness{peak: loudFloor}
	var told thinning
	failed := false
	for f := range l.In(ctx) {
		scores, err := stream.Score(f)
		if err != nil && !failed {
			failed = true // said once: it would come with every frame
			l.send(ctx, failure(Noticed, "vad", fmt.Errorf("detect voice: %w", err)))
		}
		if l.Heard != nil && len(scores) > 0 {
			l.Heard(scores)
		}
		echo := l.echo.Heard(f)
		for _, sc := range scores {
			ear.hear(caller(sc, echo))
		}
		if !echo {
			sound.hear(f, ear.voice(f.At))
		}
		l.feed.put(f, ear.voice(f.At)) // before the scores: a flush that they bring is for this frame too
		if l.Finisher != nil {
			l.recent.put(f)
		}
		for _, sc := range scores {
			if sc = caller(sc, echo); told.worth(sc, sound.at) {
				l.send(ctx, arrival{step: turn.Input{Kind: turn.Score, At: sc.At, Voice: sc.Voice, Loud: sound.at}})
			}
		}
	}
	l.send(ctx, failure(Failed, "", ErrAudioEnd))
}

// caller is a score without the agent's own voice.
func caller(s vad.Score, echo bool) vad.Score {
	if echo {
		s.Voice = 0
	}
	return s
}

// hangover says which frames hold voice: it lasts a little longer than its scores.
type hangover struct {
	length time.Duration
	until  time.Duration
}

func (h *hangover) hear(s vad.Score) {
	if s.Voice >= 0.4 {
		h.until = s.At + h.length
	}
}

func (h *hangover) voice(at time.Duration) bool { return at < h.until }

// thinning leaves out most scores of silence: the loop need not wake for them.
type thinning struct {
	last vad.Score
	loud time.Duration
}

func (t *thinning) worth(s vad.Score, loud time.Duration) bool {
	if s.Voice < 0.1 && t.last.Voice < 0.1 && loud == t.loud && s.At-t.last.At < 200*time.Millisecond {
		return false
	}
	t.last, t.loud = s, loud
	return true
}

// loudness knows where the caller's sound was last heard. A voice detector stays on a little longer: it does
// not tell the end of a word from its echo.
type loudness struct {
	peak float64 // of the voice lately, as a mean square
	at   time.Duration
}

// Sound is what lies less than 31 dB under the loudest of the voice, and above −55 dBFS. The voice's level is
// forgotten by 3 dB a second.
const (
	loudRange  = 1259      // 31 dB
	loudFloor  = 3400      // −55 dBFS, as a mean square of 16-bit samples
	loudForget = 1 - 0.014 // a frame
)

func (l *loudness) hear(f media.Frame, voice bool) {
	if len(f.PCM) == 0 {
		return
	}
	var sum float64
	for _, s := range f.PCM {
		sum += float64(s) * float64(s)
	}
	sum /= float64(len(f.PCM))
	if voice {
		l.peak = max(sum, l.peak*loudForget, loudFloor)
	}
	if sum >= max(l.peak/loudRange, loudFloor) {
		l.at = f.At + f.Duration()
	}
}

// recognize reads the recognizer. One that fails is opened again, with a growing pause; the audio waits
// in the feed.
func (l *loop) recognize(ctx context.Context) {
	pause := 200 * time.Millisecond
	for fails := 0; ctx.Err() == nil; fails++ {
		began := time.Now()
		var failed error
		for r, err := range l.Recognizer.Recognize(l.noting(ctx, ctx, 0), l.feed.source) {
			if err != nil {
				failed = err
				break
			}
			if in, ok := heard(r); ok {
				l.send(ctx, arrival{step: in, echo: l.own()})
			}
		}
		if ctx.Err() != nil {
			return
		}
		if failed == nil {
			failed = errors.New("it ended before the audio did")
		}
		failed = fmt.Errorf("recognize speech: %w", failed)
		if time.Since(began) > 10*time.Second {
			fails = 0
		}
		if fails >= 4 || hopeless(failed) {
			l.send(ctx, failure(Failed, "stt", failed))
			return
		}
		l.send(ctx, failure(Noticed, "stt", failed))
		if !sleep(ctx, pause<<fails) {
			return
		}
	}
}

// own says whether what was heard may be the agent's own sound, and nil that it is not.
func (l *loop) own() *Echo {
	switch l.echo.Back() {
	case echo.None:
		return nil
	case echo.Beside:
		return &Echo{Beside: true}
	}
	return &Echo{}
}

// heard is a result as the turn machine takes it.
func heard(r stt.Result) (turn.Input, bool) {
	in := turn.Input{At: r.End, Start: r.Start, Text: clean(r.Text)}
	switch r.Kind {
	case stt.Partial:
		in.Kind = turn.Partial
	case stt.Final:
		in.Kind = turn.Final
	default:
		return in, false // onsets and endpoints: the machine has its own
	}
	return in, true
}

func (l *loop) external(ctx context.Context) {
	for in := range l.Input(ctx) {
		l.send(ctx, arrival{took: &Taken{Kind: Came, Input: &in}})
	}
}

// warm shows the model the beginning of every request of this conversation.
func (l *loop) warm(ctx context.Context, w llm.Warmer) {
	if err := w.Warm(ctx, llm.Request{System: l.profile.Prompt}); err != nil && ctx.Err() == nil {
		l.send(ctx, failure(Noticed, "llm", fmt.Errorf("warm the model: %w", err)))
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
