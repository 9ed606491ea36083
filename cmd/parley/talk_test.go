package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/internal/models"
	"parley/media"
	"parley/stt"
	"parley/stt/local"
	"parley/web"
)

// speech is human speech for a conversation: sentences of a few seconds.
func speech(t *testing.T) []corpus.Utterance {
	t.Helper()
	all, err := corpus.Load(1500*time.Millisecond, 4500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// named finds an utterance by its name.
func named(t *testing.T, all []corpus.Utterance, name string) corpus.Utterance {
	t.Helper()
	for _, u := range all {
		if strings.HasSuffix(u.Name, name) {
			return u
		}
	}
	t.Fatalf("there is no speech %s", name)
	return corpus.Utterance{}
}

// transcriber is the local recognizer, used to hear what the agent said.
func transcriber(t *testing.T) func([]int16) string {
	t.Helper()
	dir := models.Dir()
	r, err := local.New(local.Options{Library: dir + "/" + models.RuntimeFile, Base: dir + "/" + models.BaseInt8Dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return func(pcm []int16) string {
		const n = media.ListenRate / 50
		var in []stt.Audio
		at := time.Duration(0)
		for ; len(pcm) >= n; pcm = pcm[n:] {
			in = append(in, stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: pcm[:n]}, Voice: true})
			at += media.FrameDuration
		}
		var text []string
		starts := map[time.Duration]int{}
		for res, err := range r.Recognize(t.Context(), media.Of(in...)) {
			if err != nil {
				t.Fatal(err)
			}
			if res.Kind != stt.Final {
				continue
			}
			if i, again := starts[res.Start]; again {
				text[i] = res.Text
				continue
			}
			starts[res.Start] = len(text)
			text = append(text, res.Text)
		}
		return strings.Join(text, " ")
	}
}

// The first conversation, whole and real: human speech in, local engines, speech out, three turns with an
// interruption and a cough.
func TestFirstConversation(t *testing.T) {
	if testing.Short() {
		t.Skip("needs models and recorded speech")
	}
	all := speech(t)
	hear := transcriber(t)
	s := start(t, "--llm", "local:model="+models.Dir()+"/"+models.SmallFile, "--greeting", "Hello, this is a rather long greeting, so that there is time to interrupt it while it lasts, and to cough before that, and to see that it goes on nevertheless.")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var sound heardSound
	err := caller.Run(ctx, s.url, caller.Options{Hear: sound.hear}, func(ctx context.Context, c *caller.Caller) error {
		greeting, err := c.Answer(ctx, 0)
		if err != nil {
			return err
		}
		coughing(ctx, t, c, greeting)
		interrupting(ctx, t, c, named(t, all, "vm-enter-num-to-call"))
		for _, name := range []string{"pls-hold-while-try", "privacy-prompt"} {
			answering(ctx, t, c, &sound, hear, named(t, all, name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The language model's server dies in the middle of an answer: the page is told, and the next turn is answered
// by a new server.
func TestLanguageModelDies(t *testing.T) {
	if testing.Short() {
		t.Skip("needs models and recorded speech")
	}
	all := speech(t)
	s := start(t, "--llm", "local:model="+models.Dir()+"/"+models.SmallFile, "--greeting=-", "--stt", "script:lines=Count from one to a hundred.|And now?", "--tts", "tone",
		"--prompt", "You are a counting machine. You write numbers as words, one after the other, from one to one hundred, and nothing else.")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := caller.Run(ctx, s.url, caller.Options{}, func(ctx context.Context, c *caller.Caller) error {
		said, err := c.Say(ctx, named(t, all, "vm-enter-num-to-call").PCM)
		if err != nil {
			return err
		}
		if _, err := c.Answer(ctx, said.Last); err != nil {
			return err
		}
		kill(t, "llama-server")
		if _, err := c.Expect(ctx, "error", said.Last); err != nil {
			return fmt.Errorf("wait for word of the trouble: %w", err)
		}
		if trouble, _ := lastOf(c, "error", func(web.Trouble) bool { return true }); trouble.Code != "llm" || trouble.Text == "" || trouble.Fatal {
			t.Errorf("the page was told %+v", trouble)
		}
		if err := c.Finished(ctx); err != nil {
			return err
		}
		if err := c.Until(ctx, c.Now()+5*time.Second); err != nil { // the new server loads
			return err
		}
		_, _, err = ask(ctx, c, named(t, all, "pls-hold-while-try").PCM)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kill kills this process's children of a name.
func kill(t *testing.T, name string) {
	t.Helper()
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(os.Getpid()), name).Output()
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// coughing must not stop the agent: it pauses for a moment and goes on.
func coughing(ctx context.Context, t *testing.T, c *caller.Caller, greeting caller.Packet) {
	t.Helper()
	if err := c.Until(ctx, greeting.At+800*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	said, err := c.Say(ctx, corpus.Cough().PCM)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Until(ctx, said.Last+1500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, goesOn := caller.LastAudible(c.Heard(0), said.Last+1200*time.Millisecond, c.Now()); !goesOn {
		t.Error("a cough stopped the agent")
	}
}

// interrupting must: the agent is silent soon after the first voiced packet, and answers.
func interrupting(ctx context.Context, t *testing.T, c *caller.Caller, u corpus.Utterance) {
	t.Helper()
	if _, err := c.Answer(ctx, c.Now()); err != nil { // the agent is speaking
		t.Fatal(err)
	}
	said, err := c.Say(ctx, u.PCM)
	if err != nil {
		t.Fatal(err)
	}
	stop := time.Duration(0)
	if last, ok := caller.LastAudible(c.Heard(0), said.First, said.Last); ok {
		stop = last.At - said.First
	}
	t.Logf("silent %v after the interruption began", stop)
	if stop > 1500*time.Millisecond {
		t.Error("the agent spoke on")
	}
	if got, _ := lastOf(c, "agent", func(a web.Said) bool { return a.Turn == 1 && a.Done }); !got.Interrupted || len(got.Heard) >= len(got.Generated) {
		t.Errorf("of the interrupted greeting the page was told %+v", got)
	}
	if _, err := c.Answer(ctx, said.Last); err != nil {
		t.Fatal(err)
	}
	if err := c.Finished(ctx); err != nil {
		t.Fatal(err)
	}
}

// answering must be right in both directions: what the caller said is recognized, what the agent answers is
// speech that says the text that the page shows, without holes.
func answering(ctx context.Context, t *testing.T, c *caller.Caller, sound *heardSound, hear func([]int16) string, u corpus.Utterance) {
	t.Helper()
	said, first, err := ask(ctx, c, u.PCM)
	if err != nil {
		t.Fatal(err)
	}
	user, _ := lastOf(c, "user", func(u web.User) bool { return u.Final })
	if errs, words := corpus.WER(u.Text, user.Text); errs*5 > words {
		t.Errorf("%d of %d words are wrong: said %q, recognized %q", errs, words, u.Text, user.Text)
	}
	answer, _ := lastOf(c, "agent", func(a web.Said) bool { return a.Done })
	last, _ := caller.LastAudible(c.Heard(0), first.At, c.Now())
	again := hear(sound.between(first.Place-100*time.Millisecond, last.Place+200*time.Millisecond))
	if errs, words := corpus.WER(answer.Heard, again); words == 0 || errs*4 > words {
		t.Errorf("%d of %d words are wrong: the page shows %q, the sound says %q", errs, words, answer.Heard, again)
	}
	gap := longestGap(c.Heard(0), first.At, last.At)
	if gap > 3*time.Second { // 0.3 s is the aim; a busy machine may take ten times as long
		t.Errorf("a pause of %v inside the answer", gap)
	}
	t.Logf("%q: answered after %v with %q, longest pause %v", user.Text, first.At-said.Last, answer.Heard, gap)
}
