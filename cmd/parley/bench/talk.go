package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
)

// TalkCmd is the verb "bench talk".
type TalkCmd struct {
	Turns  int      `default:"20" env:"-" help:"Turns that are said without a pause, and answered."`
	Pauses int      `default:"40" env:"-" help:"Turns with a silence of 0.3 to 0.8 s put into the middle of a sentence."`
	Cuts   int      `default:"10" env:"-" help:"How many of the turns interrupt the answer to the one before."`
	STT    string   `name:"stt" default:"local" env:"-" help:"Recognizer."`
	LLM    string   `name:"llm" default:"local" env:"-" help:"Language model."`
	TTS    string   `name:"tts" default:"local" env:"-" help:"Voice."`
	VAD    string   `name:"vad" default:"neural" env:"-" help:"Voice detector."`
	Flags  []string `name:"serve" sep:"none" placeholder:"FLAG" env:"-" help:"A further flag for the server, as --serve=--short=500ms. May be repeated."`
}

// pauses are put into sentences in turn.
var pauses = []time.Duration{300 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond, 600 * time.Millisecond,
	700 * time.Millisecond, 800 * time.Millisecond}

// talk is one run.
type talk struct {
	TalkCmd
	srv     *server
	results []result
	length  time.Duration // of the call
	warmed  time.Duration // from the start of the server until it listened
	cpu     time.Duration // of the server
	rss     int64
	kids    map[string]usage // its children: what they used during the call
	lost    int64
}

// Run makes the bench and prints its table to out. It fails if turns go unanswered.
func (cmd *TalkCmd) Run(ctx context.Context, out io.Writer) error {
	all, err := speech(plainShort, pauseLong)
	if err != nil {
		return err
	}
	lasts := func(least, most time.Duration) (some []corpus.Utterance) {
		for _, u := range all {
			if d := u.Duration(); d >= least && d <= most {
				some = append(some, u)
			}
		}
		return some
	}
	plan := mix(lasts(plainShort, plainLong), lasts(pauseShort, pauseLong), cmd.Turns, cmd.Pauses, cmd.Cuts)
	t := talk{TalkCmd: *cmd}
	return t.bench(ctx, out, plan)
}

// How long the utterances are that are said as they are, and those into which a pause is put.
const (
	plainShort = 1500 * time.Millisecond
	plainLong  = 4 * time.Second
	pauseShort = 2500 * time.Millisecond
	pauseLong  = 7 * time.Second
)

// bench says plan to a new server.
func (t *talk) bench(ctx context.Context, out io.Writer, plan []step) (err error) {
	args := append([]string{"--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--stt", t.STT, "--llm", t.LLM, "--tts", t.TTS,
		"--vad", t.VAD, "--log-level", "debug", "--max-sessions", "1"}, t.Flags...)
	began := time.Now()
	if t.srv, err = start(ctx, args); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.srv.stop()) }()
	t.warmed = time.Since(began)
	header(out, fmt.Sprintf("bench talk: 1 caller, %d turns, %d of them with a pause inside, %d that interrupt", len(plan), t.Pauses, t.Cuts), args)
	if err := t.call(ctx, plan); err != nil {
		return err
	}
	t.print(out)
	if n := count(t.results, func(r result) bool { return r.unanswered != nil }); n > 0 {
		return fmt.Errorf("%d %w", n, ErrUnanswered)
	}
	return nil
}

// mix makes the steps of a dialog out of plain utterances and long ones, into which pauses are put: both evenly among
// each other, and cuts of the plain ones interrupt. Utterances are taken at even distances, so that a short dialog has
// all speakers too.
func mix(whole, long []corpus.Utterance, turns, paused, cuts int) (plan []step) {
	n := turns + paused
	for i := range n {
		if k := i * paused / n; (i+1)*paused/n > k {
			plan = append(plan, withPause(long[k*len(long)/paused], pauses[k%len(pauses)]))
			continue
		}
		k := i - i*paused/n
		plan = append(plan, step{said: whole[k*len(whole)/turns], cut: i > 0 && (k+1)*cuts/turns > k*cuts/turns})
	}
	return plan
}

// withPause puts a silence into the middle of an utterance, between two words.
func withPause(u corpus.Utterance, pause time.Duration) step {
	first, second := corpus.Split(u)
	return step{said: corpus.Join(pause, first, second), pause: pause}
}

// call says the plan and keeps what it cost.
func (t *talk) call(ctx context.Context, plan []step) error {
	pid := t.srv.cmd.Process.Pid
	from, err := process(pid)
	if err != nil {
		return err
	}
	kids := children(pid)
	err = caller.Run(ctx, t.srv.url, caller.Options{}, func(ctx context.Context, c *caller.Caller) (err error) {
		t.results, err = converse(ctx, c, func(i int) (step, bool) {
			if i >= len(plan) {
				return step{}, false
			}
			return plan[i], true
		})
		t.length, t.lost = c.Now(), c.Stats().Lost
		return err
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, t.srv.log())
	}
	to, err := process(pid)
	if err != nil {
		return err
	}
	t.cpu, t.rss = to.cpu-from.cpu, to.rss
	t.kids = children(pid)
	for name, k := range t.kids {
		k.cpu -= kids[name].cpu
		t.kids[name] = k
	}
	return nil
}
