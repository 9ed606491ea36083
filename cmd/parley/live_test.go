package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/media/record"
	"parley/web"
)

// A conversation with an interruption, a pause within a turn and something typed is recorded by a server; its caller speaks to that
// server again, in both orders. The new recordings have the same turns with the same words.
func TestReplayLive(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "--stt", "script:lines=What time is it?|No\\, stop that.|Thank you and good luck.", "--llm", "echo", "--tts", "tone", "--vad", "energy",
		"--greeting", "Hello there.", "--record", dir,
		"--short", "850ms", "--middle", "950ms", "--long", "1.15s", "--dangling", "1.35s", "--pace-least", "1", "--pace-most", "1")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	if err := caller.Run(ctx, s.url, caller.Options{}, talk); err != nil {
		t.Fatal(err)
	}
	path := recorded(t, dir)
	was := read(t, path)
	old := was.Turns
	if was.Ended != agent.ErrHungUp.Error() {
		t.Errorf("it ended because %q", was.Ended)
	}
	for _, order := range []string{"reactive", "absolute"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			to := t.TempDir()
			err := run(ctx, []string{"replay", "live", path, "--url", s.url, "--schedule", order, "--out", to, "--json"}, &out)
			if err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			var told struct {
				New    string
				Server web.Hello
				Counts struct{ Said, Unsaid, Unanswered, Late int }
				Cues   []struct {
					Kind      replay.CueKind
					Anchor    replay.Anchor
					Then, Now struct {
						User, Answer  string
						First         time.Duration
						Response, Gap *time.Duration
					}
				}
			}
			if err := json.Unmarshal(out.Bytes(), &told); err != nil {
				t.Fatalf("%v: %s", err, &out)
			}
			if c := told.Counts; c.Said != 4 || c.Unsaid+c.Unanswered+c.Late != 0 || told.Server.LLM != "echo" || told.New == "" {
				t.Errorf("%s", &out)
			}
			for i, c := range told.Cues {
				if c.Now.User != c.Then.User || c.Now.User == "" || (c.Now.Answer == "") != (c.Then.Answer == "") {
					t.Errorf("cue %d: %+v", i, c)
				}
				if c.Now.Response == nil || c.Then.Response == nil {
					t.Errorf("cue %d: %+v", i, c)
				}
				if d := c.Now.First - c.Then.First; order == "absolute" && (d < -100*time.Millisecond || d > 200*time.Millisecond) {
					t.Errorf("cue %d came at %v, in the recording at %v", i, c.Now.First, c.Then.First)
				}
			}
			for i, c := range told.Cues {
				if d := *c.Now.Gap - *c.Then.Gap; order == "reactive" && i != 1 && (d < -100*time.Millisecond || d > 250*time.Millisecond) {
					t.Errorf("cue %d came %v after the agent had ended, in the recording %v", i, *c.Now.Gap, *c.Then.Gap)
				}
			}
			if order == "reactive" && (told.Cues[1].Anchor != replay.InAnswer || *told.Cues[1].Now.Gap > 200*time.Millisecond) {
				t.Errorf("the interruption: %+v", told.Cues[1])
			}
			is := read(t, recorded(t, to))
			if is.Ended != was.Ended {
				t.Errorf("it ended because %q, in the recording %q", is.Ended, was.Ended)
			}
			again := is.Turns
			if !slices.Equal(words(again), words(old)) {
				t.Errorf("%q, in the recording %q", words(again), words(old))
			}
			for i, turn := range again {
				if (len(turn.Voice) == 0) != (len(old[i].Voice) == 0) || (turn.Spoken.To > turn.Spoken.From) != (old[i].Spoken.To > old[i].Spoken.From) ||
					turn.Answer.Interrupted != old[i].Answer.Interrupted {
					t.Errorf("turn %d: %+v, in the recording %+v", i, turn, old[i])
				}
			}
		})
	}
}

// talk is the conversation that is recorded.
func talk(ctx context.Context, c *caller.Caller) error {
	if _, err := c.Answer(ctx, 0); err != nil {
		return err
	}
	if err := c.Finished(ctx); err != nil {
		return err
	}
	said, err := c.Say(ctx, corpus.PinkNoise(1200*time.Millisecond, -20, 1))
	if err != nil {
		return err
	}
	first, err := c.Answer(ctx, said.Last)
	if err != nil {
		return err
	}
	if err := c.Until(ctx, first.At+700*time.Millisecond); err != nil {
		return err
	}
	if _, _, err := ask(ctx, c, corpus.PinkNoise(1400*time.Millisecond, -20, 2)); err != nil {
		return err
	}
	halves := slices.Concat(corpus.PinkNoise(700*time.Millisecond, -20, 3), make([]int16, caller.Rate/4), corpus.PinkNoise(700*time.Millisecond, -20, 4))
	if _, _, err := ask(ctx, c, halves); err != nil {
		return err
	}
	typed := c.Now()
	b, err := json.Marshal(web.Command{Type: "text", Text: "And this is typed."})
	if err != nil {
		return err
	}
	c.Post(b)
	if _, err := c.Answer(ctx, typed); err != nil {
		return err
	}
	if err := c.Finished(ctx); err != nil {
		return err
	}
	c.Post([]byte(`{"type":"hangup"}`))
	<-ctx.Done() // the server ends the call
	return nil
}

// recorded is the only recording of a folder, once it is closed.
func recorded(t *testing.T, dir string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		paths, err := filepath.Glob(filepath.Join(dir, "*.conv"))
		if err != nil || len(paths) != 1 {
			t.Fatalf("%v, %v", paths, err)
		}
		b, err := record.Open(paths[0])
		if err != nil {
			continue // it is being made
		}
		state := b.State()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if state == record.Closed {
			return paths[0]
		}
	}
	t.Fatal("the recording is not closed")
	return ""
}

func read(t *testing.T, path string) *replay.Conversation {
	t.Helper()
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if r := b.Verify(); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	c, err := replay.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func words(turns []replay.Turn) (all []string) {
	for _, t := range turns {
		all = append(all, t.User)
	}
	return all
}
