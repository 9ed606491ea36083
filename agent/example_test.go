package agent_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"parley/agent"
	"parley/agent/vad"
	llm "parley/llm/script"
	"parley/media"
	stt "parley/stt/script"
	"parley/tts/tone"
)

// A conversation needs no server and no browser: only frames that come and frames that go.
func ExampleSession() {
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	s := agent.Session{
		Recognizer: stt.New(stt.Options{Lines: []string{"Which way is up?"}}),
		Model:      llm.New(llm.Options{Answers: []string{"Always up."}}),
		Voice:      tone.Voice{},
		Detector:   vad.Energy{},
		In:         caller,
		Out:        media.NewPlayout(media.SpeakRate, func(media.Frame) {}), // each would go to the caller
		Profile:    agent.Profile{Greeting: "-"},
		Trace: func(e agent.Event) {
			switch {
			case e.Kind == agent.Ask:
				fmt.Println("caller:", e.Asked.Messages[0].Text)
			case e.Kind == agent.Answer && e.Said.Done:
				fmt.Println("agent:", e.Said.Heard)
				hangUp()
			}
		},
	}
	fmt.Println("end:", s.Run(ctx))
	// Output:
	// caller: Which way is up?
	// agent: Always up.
	// end: context canceled
}

// caller speaks for a second and then listens: a frame every 20 ms.
func caller(ctx context.Context) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		tick := time.NewTicker(media.FrameDuration)
		defer tick.Stop()
		for at := time.Duration(0); ctx.Err() == nil; at += media.FrameDuration {
			pcm := make([]int16, media.ListenRate/50)
			for i := range pcm {
				if at < time.Second {
					pcm[i] = int16(i % 2 * 8000)
				}
			}
			if !yield(media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}) {
				return
			}
			<-tick.C
		}
	}
}
