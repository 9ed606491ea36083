package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/llm"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/media/line"
	"parley/media/rtc"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
	"parley/tts/tone"
	"parley/web"
)

// What the server of the bench can be asked for: a voice of recorded words that tells where each is or does not, and a recognizer that
// hears words, nothing, or the agent's own.
const (
	stubTold   = "told"
	stubUntold = "untold"
	stubDeaf   = "deaf"
	stubParrot = "parrot"
	stubHum    = "hum" // the voice hums, the recognizer hears a "mm-hm" in each utterance
)

// stubAnswers are how many answers a server has, and of how many words: each is longer than anything here waits for.
const (
	stubAnswers = 24
	stubWords   = 60
)

// history is what the model of the wire server was told of the agent's last words, as a message on the data channel. The
// verb serve does not tell that.
type toldHistory struct {
	Type  string `json:"type"` // "told"
	Turn  int    `json:"turn"` // that is to be answered
	Agent string `json:"agent"`
}

// wireServer is parley's own parts, from the sockets to the conversation, put together as the verb serve does, with engines that no
// flag of serve names.
type wireServer struct {
	recognizer stt.Recognizer
	model      llm.Model
	voice      tts.Voice
	parrots    *vocabulary // the recognizer hears the agent's words
	ear        *neural
	log        *slog.Logger
}

// newWireServer makes one of a kind.
func newWireServer(kind string, v *vocabulary, ear *neural, log *slog.Logger) (*wireServer, error) {
	var answers []string
	for i := range stubAnswers {
		answers = append(answers, v.answer(stubWords, uint64(i)))
	}
	s := &wireServer{ear: ear, log: log, model: llmscript.New(llmscript.Options{Answers: answers}), voice: v.voice(kind != stubUntold)}
	if kind == stubHum {
		s.voice, s.recognizer = tone.Voice{}, agreeing(sttscript.New(sttscript.Options{}))
		return s, nil
	}
	var lines []string
	switch kind {
	case stubTold, stubUntold:
		lines = spokenLines
	case stubDeaf:
		lines = []string{"", ""}
	case stubParrot:
		s.parrots, lines = v, []string{"two words"}
	default:
		return nil, fmt.Errorf("no server is called %q", kind)
	}
	s.recognizer = sttscript.New(sttscript.Options{Lines: lines})
	return s, nil
}

// agreeing hears "Mm-hm." where r hears anything. (The scripted recognizer would hear two lines in one long hum.)
func agreeing(r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				if res.Text != "" {
					res.Text = "Mm-hm."
				}
				if !yield(res, err) {
					return
				}
			}
		}
	})
}

// run serves on loopback until ctx ends. Out gets the line that tells where.
func (w *wireServer) run(ctx context.Context, out io.Writer) error {
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		return err
	}
	defer e.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	s := &web.Server{Endpoint: e, Converse: w.converse, Logger: w.log}
	h := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { _ = h.Serve(ln) }) // it ends with Close
	fmt.Fprintf(out, "listening on http://%s\n", ln.Addr())
	<-ctx.Done()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
	defer done()
	_ = s.Drain(stop) // its error says only that calls were cut short
	return h.Close()
}

// converse is one call.
func (w *wireServer) converse(ctx context.Context, s *web.Session) error {
	call := s.Call
	heard := call.Up().Tap(250, media.DropOldest)
	defer heard.Close()
	up, err := line.NewUp(line.UpOptions{Rate: media.ListenRate, Codec: call.Audio().Codec})
	if err != nil {
		return err
	}
	down, err := line.NewDown(line.DownOptions{Rate: media.SpeakRate, Codec: call.Audio().Codec, Send: call.Send,
		Loss: func() float64 { return call.Stats().Loss }})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer call.Close()
	all.Go(func() { end(call.Run(context.WithoutCancel(ctx))) })
	select {
	case <-call.Connected():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	inputs := make(chan agent.Input, 16)
	talk, hush := context.WithCancel(ctx)
	defer hush()
	all.Go(func() { take(talk, call, inputs) })
	box := &web.Postbox{Post: call.Post, Open: call.Open}
	ears, words := w.recognizer, &parrot{v: w.parrots}
	if w.parrots != nil {
		ears = words.hearing(ears)
	}
	out := media.NewPlayout(media.SpeakRate, down.Write)
	out.Early(down.Free)
	conversation := agent.Session{
		Recognizer: ears, Model: w.model, Voice: w.voice, Detector: w.ear.detector, Finisher: w.ear.finisher,
		In: up.Frames(call.Now, heard), Out: out, Input: media.From(inputs),
		Profile: stubProfile(), Now: call.Now, Logger: w.log,
		Trace: func(e agent.Event) {
			words.follow(e)
			box.Put(told(e))
			box.Put(web.Message(e))
		},
	}
	return conversation.Run(ctx)
}

// stubProfile is an agent that speaks when it is spoken to.
func stubProfile() (p agent.Profile) {
	p.Greeting, p.MaxTokens = "-", 2*stubWords
	p.Turn.Silence.CheckIn, p.Turn.Silence.GiveUp = -1, -1
	p.Turn.Pace = turn.Pace{Least: 1, Most: 1}
	return p
}

// told is the message that says what the model is told of the agent's last words; nil if it is told nothing.
func told(e agent.Event) []byte {
	if e.Kind != agent.Ask || e.Asked == nil {
		return nil
	}
	m := toldHistory{Type: "told", Turn: e.Turn}
	for _, t := range e.Asked.Messages {
		if t.Role == llm.Agent {
			m.Agent = t.Text
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return raw
}

// take gives the caller's messages to the conversation.
func take(ctx context.Context, call *rtc.Call, to chan<- agent.Input) {
	for msg := range call.Messages()(ctx) {
		c, err := web.ParseCommand(msg)
		if err != nil {
			call.Post(web.Complain(err))
			continue
		}
		if in, ok := c.Input(); ok {
			select {
			case to <- in:
			case <-ctx.Done():
				return
			}
		}
	}
}

// serveWire is the hidden server: a process of its own, that what it costs is not the callers'.
func serveWire(ctx context.Context, out io.Writer, kind string, log io.Writer) (err error) {
	v, err := loadVocabulary()
	if err != nil {
		return err
	}
	ear, err := openNeural()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ear.close()) }()
	s, err := newWireServer(kind, v, ear, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	return s.run(ctx, out)
}
