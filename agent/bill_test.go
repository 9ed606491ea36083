package agent

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// pays is a core that holds a conversation in which every request costs a cent.
func pays(p Profile) (take func(at time.Duration, took Taken), step func(at time.Duration, in turn.Input), log *[]Event) {
	log = &[]Event{}
	c := newCore(p)
	c.tell = func(e Event) { *log = append(*log, e) }
	c.do = func(act) time.Duration { return time.Second }
	return func(at time.Duration, took Taken) {
		a := arrival{took: &took}
		if took.Class != "" {
			a.err = errors.New(took.Text)
		}
		c.take(at, a)
	}, func(at time.Duration, in turn.Input) { c.take(at, arrival{step: in}) }, log
}

func spending(reply int) Taken {
	return Taken{Kind: Spent, Reply: reply, Used: &Used{Stage: "llm", Provider: "one", Prompt: 10, Completion: 2, USD: 0.01}}
}

func kinds(log []Event, kind EventKind) (all []Event) {
	return slices.DeleteFunc(slices.Clone(log), func(e Event) bool { return e.Kind != kind })
}

func TestBillOfAnAnswerAndOfTheCall(t *testing.T) {
	take, step, log := pays(Profile{Greeting: "-"})
	take(0, Taken{Kind: Begun})
	step(1*time.Second, turn.Input{Kind: turn.Typed, Text: "Why is the sky blue?"})
	take(2*time.Second, spending(1))
	take(2*time.Second, Taken{Kind: Spent, Reply: 1, Used: &Used{Stage: "tts", Provider: "two", Characters: 40, USD: 0.02, Lost: true}})
	take(2*time.Second, Taken{Kind: Spent, Used: &Used{Stage: "stt", Provider: "three", Audio: time.Minute, USD: 0.04, Guessed: true}})
	take(3*time.Second, Taken{Kind: Phrased, Reply: 1, Text: "It is."})
	take(3*time.Second, Taken{Kind: Ended, Reply: 1, Long: time.Second})
	take(4*time.Second, Taken{Kind: Came, Input: &Input{Kind: HangUp}})
	billed := kinds(*log, Billed)
	if len(billed) != 1 || *billed[0].Bill != (Bill{Prompt: 10, Completion: 2, Characters: 40, USD: 0.03, LostUSD: 0.02, Requests: 2}) || billed[0].Turn != 1 {
		t.Errorf("billed %+v", billed)
	}
	end := kinds(*log, End)
	if b := end[0].Bill; len(end) != 1 || b.Requests != 3 || b.Audio != time.Minute || !b.Guessed || b.USD < 0.0699 || b.USD > 0.0701 {
		t.Errorf("the end has %+v", end[0].Bill)
	}
}

// An answer that was prepared for nothing leaves no trace but its cost.
func TestBillOfADiscardedAnswer(t *testing.T) {
	take, step, log := pays(Profile{Greeting: "-"})
	take(0, Taken{Kind: Begun})
	speak := func(from, to time.Duration, text string) {
		for at := from; at < to; at += 32 * time.Millisecond {
			step(at, turn.Input{Kind: turn.Score, At: at, Voice: 0.9, Loud: at})
		}
		for at := to; at < to+200*time.Millisecond; at += 32 * time.Millisecond {
			step(at, turn.Input{Kind: turn.Score, At: at, Voice: 0, Loud: to})
		}
		step(to+200*time.Millisecond, turn.Input{Kind: turn.Final, Start: from, At: to + 190*time.Millisecond, Text: text})
	}
	speak(time.Second, 2*time.Second, "I would like to know the")
	asked := kinds(*log, Ask)
	if len(asked) != 1 {
		t.Fatalf("%d answers were prepared", len(asked))
	}
	speak(2400*time.Millisecond, 3*time.Second, "price of it.")
	take(3500*time.Millisecond, spending(1))
	take(3500*time.Millisecond, Taken{Kind: Ended, Reply: 1})
	take(4*time.Second, Taken{Kind: Over, Text: "over", Class: "x"})
	billed := kinds(*log, Billed)
	if len(billed) != 1 || !billed[0].Bill.Discarded || billed[0].Bill.LostUSD != 0.01 || kinds(*log, End)[0].Bill.LostUSD != 0.01 {
		t.Errorf("billed %+v, at the end %+v", billed, kinds(*log, End)[0].Bill)
	}
	if said := kinds(*log, Answer); len(said) != 0 {
		t.Errorf("it was told of: %+v", said)
	}
}

// When the budget is used up the answer is ended, then the agent says goodbye and nothing else.
func TestBudget(t *testing.T) {
	take, step, log := pays(Profile{Greeting: "-", Budget: 0.015})
	take(0, Taken{Kind: Begun})
	for n := 1; n <= 2; n++ {
		at := time.Duration(n) * 5 * time.Second
		step(at, turn.Input{Kind: turn.Typed, Text: "Why is the sky blue?"})
		take(at+time.Second, spending(n))
		if n == 2 && len(kinds(*log, Ask)) != 2 {
			t.Error("the answer was not let to end")
		}
		take(at+2*time.Second, Taken{Kind: Phrased, Reply: n, Text: "It is."})
		take(at+3*time.Second, Taken{Kind: Ended, Reply: n, Long: time.Second})
	}
	asked := kinds(*log, Ask)
	if len(asked) != 3 || asked[2].Asked.Text != "Goodbye!" {
		t.Fatalf("asked %+v", asked[len(asked)-1].Asked)
	}
	take(20*time.Second, spending(3))
	take(20*time.Second, Taken{Kind: Ended, Reply: 3, Long: time.Second})
	end := kinds(*log, End)
	if len(end) != 1 || !errors.Is(end[0].Err, ErrBudget) || len(kinds(*log, Ask)) != 3 {
		t.Errorf("ended %+v", end)
	}
	n := 0
	for i, again := range Repeat(Profile{Greeting: "-", Budget: 0.015}, *log) {
		for k, e := range again {
			got, err := json.Marshal(e)
			if want, err2 := json.Marshal((*log)[i+k]); err != nil || err2 != nil || string(got) != string(want) {
				t.Errorf("event %d repeated is %s, was %s", i+k, got, want)
			}
			n++
		}
	}
	if n != len(*log) {
		t.Errorf("%d of %d events are repeated", n, len(*log))
	}
}

func TestMovingOnIsTold(t *testing.T) {
	take, _, log := pays(Profile{Greeting: "-"})
	take(0, Taken{Kind: Begun})
	take(1, Taken{Kind: Moved, Code: "llm", Class: "quota", Text: "one failed, two goes on: quota exceeded"})
	got := kinds(*log, Trouble)
	if len(got) != 1 || got[0].Text != "The language model failed. Another one goes on in its place." || got[0].Err == nil {
		t.Errorf("told %+v", got)
	}
}

// What stages note reaches the log, with the answer that it was for, and the price.
func TestNotesReachTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		note := func(ctx context.Context, stage string) {
			provider.Tell(ctx, provider.Note{Stage: stage, Provider: "x", Used: &provider.Usage{Characters: 3}})
			provider.Tell(ctx, provider.Note{Stage: stage, Provider: "x", Failed: provider.ErrQuota, Next: "y"})
		}
		in := make(chan Input, 4)
		var log []Event
		s := Session{
			Recognizer: stt.RecognizerFunc(func(ctx context.Context, _ media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
				return func(yield func(stt.Result, error) bool) {
					note(ctx, "stt")
					<-ctx.Done()
				}
			}),
			Model: llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
				return func(yield func(llm.Delta, error) bool) {
					note(ctx, "llm")
					_ = yield(llm.Delta{Text: "Fine."}, nil) && yield(llm.Delta{End: llm.Stop}, nil)
				}
			}),
			Voice: tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
				return func(yield func(tts.Audio, error) bool) {
					for range text(ctx) {
						if !yield(tts.Audio{Frame: media.Frame{Rate: media.SpeakRate, PCM: make([]int16, media.SpeakRate/5)}}, nil) {
							return
						}
					}
					note(ctx, "tts")
				}
			}),
			Detector: vad.Energy{},
			In: func(ctx context.Context) iter.Seq[media.Frame] {
				return func(func(media.Frame) bool) { <-ctx.Done() }
			},
			Out:     media.NewPlayout(media.SpeakRate, func(media.Frame) {}),
			Input:   media.From(in),
			Profile: Profile{Greeting: "-"},
			Price:   func(u Used) float64 { return float64(u.Characters) },
			Trace:   func(e Event) { log = append(log, e) },
		}
		in <- Input{Kind: Typed, Text: "How are you?"}
		go func() {
			time.Sleep(3 * time.Second)
			in <- Input{Kind: HangUp}
		}()
		if err := s.Run(t.Context()); !errors.Is(err, ErrHungUp) {
			t.Fatal(err)
		}
		want := map[string]int{"stt": 0, "llm": 1, "tts": 1}
		for _, e := range log {
			if e.Took != nil && e.Took.Kind == Spent {
				u := e.Took.Used
				if reply, ok := want[u.Stage]; !ok || reply != e.Took.Reply || u.USD != 3 {
					t.Errorf("spent %+v for %d", u, e.Took.Reply)
				}
				delete(want, u.Stage)
			}
		}
		if len(want) > 0 || len(kinds(log, Trouble)) != 3 {
			t.Errorf("not noted: %v; told %d times", want, len(kinds(log, Trouble)))
		}
		if b := kinds(log, Billed); len(b) != 1 || b[0].Bill.USD != 6 {
			t.Errorf("billed %+v", b)
		}
	})
}
