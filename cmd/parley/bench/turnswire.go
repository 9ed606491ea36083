package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
)

// TurnsWire are the flags of bench turns that measure at the wire instead of in simulated time.
type TurnsWire struct {
	Wire      bool     `env:"-" help:"Measure at the wire: calls over WebRTC to a server on this computer, packets counted where they cross the caller's wire. Heard words are counted in two and a half times --events interruptions. It takes about six minutes for 200."`
	Local     bool     `env:"-" help:"With --wire: the engines that run on this computer, one caller. What is measured is how fast they answer, and whom they cut off."`
	LLM       []string `name:"llm" default:"large" enum:"large,small" env:"-" help:"With --local: the language model, large or small. More than one: a run each."`
	Questions int      `default:"30" env:"-" help:"With --local: how many turns, half of them with a silence of 0.3 to 0.8 s put into the middle of a sentence."`
	Rows      []string `name:"rows" default:"overhead,interruption,noises,echo,heard" enum:"overhead,interruption,noises,echo,heard" env:"-" help:"With --wire: what to measure."`
	Calls     int      `default:"12" env:"-" help:"With --wire: callers at the same time where times are measured; twice as many where events are counted."`
	Serve     []string `name:"serve" sep:"none" placeholder:"FLAG" env:"-" help:"With --wire: a further flag for the server, as --serve=--short=500ms. May be repeated."`
	Stub      string   `name:"wire-server" hidden:"" env:"-"`
}

// ErrNotMeasured says that a bench ran, but what it is to measure did not happen.
var ErrNotMeasured = errors.New("what is to be measured did not happen often enough")

// What the stub recognizer hears of people who take the floor. No command, no backchannel.
var spokenLines = []string{
	"And what about the other one?", "I would like to hear something else.", "That is not what I have asked for.",
	"Could you tell me the price of it?", "My sister lives in the next town.", "We are going there in the morning.",
}

// callWords are in an answer that is longer than any call waits for: the voice that hums takes 65 ms for each letter.
const callWords = 110

// many is how many times as many callers there are where events are counted, and no times are measured that a goal is set for.
const many = 2

// wireBench is one run.
type wireBench struct {
	TurnsCmd
	out    io.Writer // progress
	speech []corpus.Utterance
	words  *vocabulary
	report wireReport
}

// wire is Run at the wire.
func (cmd *TurnsCmd) wire(ctx context.Context, out io.Writer) error {
	switch {
	case cmd.Stub != "":
		return serveWire(ctx, out, cmd.Stub, os.Stderr)
	case cmd.Events < 1 || cmd.Calls < 1 || cmd.Questions < 2:
		return errors.New("--events and --calls must be at least 1, --questions at least 2")
	}
	b := &wireBench{TurnsCmd: *cmd, out: out}
	run := b.stubs
	if cmd.Local {
		run = b.local
	}
	if cmd.JSON {
		b.out = io.Discard
	}
	err := run(ctx)
	if err != nil && b.report.empty() {
		return err
	}
	if !cmd.JSON { // also what was measured before something failed
		b.report.print(out)
		return errors.Join(err, b.report.verdict())
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return errors.Join(err, enc.Encode(b.report), b.report.verdict())
}

// stubs measures with engines that take no time.
func (b *wireBench) stubs(ctx context.Context) (err error) {
	if b.speech, err = speech(900*time.Millisecond, 1700*time.Millisecond); err != nil {
		return err
	}
	if b.words, err = loadVocabulary(); err != nil {
		return err
	}
	header(b.out, fmt.Sprintf("bench turns --wire: %d events a row, engines that take no time, %d or %d callers at once", b.Events, b.Calls, many*b.Calls), nil)
	began := time.Now()
	b.report.Machine, b.report.Events, b.report.Calls = machine(), b.Events, b.Calls
	rows := map[string]func(context.Context) error{"overhead": b.overhead, "interruption": b.interruption, "noises": b.noises, "echo": b.echo, "heard": b.heard}
	for _, name := range b.Rows {
		if e := rows[name](ctx); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, e))
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.report.Took = time.Since(began).Seconds()
	return err
}

// args are the flags of serve for a row.
func (b *wireBench) args(hears []string, answers, greeting string, calls int) []string {
	return append([]string{"--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--stt", "script:lines=" + strings.Join(hears, "|"),
		"--llm", "script:answers=" + answers, "--tts", "tone", "--greeting", greeting, "--max-tokens", "1000", "--check-in=-1s", "--give-up=-1s", "--pace-least", "1", "--pace-most", "1",
		"--max-sessions", strconv.Itoa(calls + 1)}, b.Serve...)
}

// serving runs a row against a server of its own, and tells of it.
func (b *wireBench) serving(ctx context.Context, name string, args []string, row func(url string) (figures, error)) (err error) {
	s, err := start(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return b.loaded(name, s, row)
}

// stubbed is serving with the bench's own server.
func (b *wireBench) stubbed(ctx context.Context, name, kind string, row func(url string) (figures, error)) (err error) {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	s, err := startProgram(ctx, program, []string{"bench", "turns", "--wire", "--wire-server=" + kind})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return b.loaded(name, s, row)
}

// loaded runs a row and notes what that cost the machine.
func (b *wireBench) loaded(name string, s *server, row func(url string) (figures, error)) error {
	pid, began, own := s.cmd.Process.Pid, time.Now(), self()
	from, err := process(pid)
	if err != nil {
		return err
	}
	late, err := row(s.url)
	if err != nil {
		return fmt.Errorf("%w%s", err, s.log())
	}
	to, err := process(pid)
	if err != nil {
		return fmt.Errorf("the server is gone: %w%s", err, s.log())
	}
	wall := time.Since(began).Seconds()
	b.report.Load = append(b.report.Load, wireLoad{Row: name, Seconds: wall, Server: (to.cpu - from.cpu).Seconds() / wall, Callers: (self() - own).Seconds() / wall,
		Late: wireTimesOf(late)})
	fmt.Fprintf(b.out, "done: %s\n", name)
	return nil
}

// overhead measures the answers to short utterances.
func (b *wireBench) overhead(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "parley-turns-")
	if err != nil {
		return fmt.Errorf("make a folder for the records: %w", err)
	}
	defer os.RemoveAll(dir)
	args := append(b.args(spokenLines, "All right.", "Hello.", b.Calls), "--record", dir, "--no-record-speech")
	run := answers{speech: b.speech, n: b.Events}
	err = b.serving(ctx, "overhead", args, func(url string) (figures, error) {
		return phones(ctx, url, b.Calls, b.Events, run.call)
	})
	if err != nil {
		return err
	}
	waits, err := run.waits(dir)
	if err != nil {
		return err
	}
	sum := run.sum(waits)
	b.report.Overhead = &sum
	return nil
}

// interruption measures how soon the agent gives way to human speech.
func (b *wireBench) interruption(ctx context.Context) error {
	run := cuts{speech: b.speech, gap: humGap, all: make([]cut, b.Events)}
	err := b.serving(ctx, "interruption", b.args(spokenLines, b.words.answer(callWords, 1), "-", b.Calls), func(url string) (figures, error) {
		return phones(ctx, url, b.Calls, b.Events, run.call)
	})
	if err != nil {
		return err
	}
	sum := run.sum()
	b.report.Interruption = &sum
	return nil
}

// noises measures what stops the agent falsely.
func (b *wireBench) noises(ctx context.Context) error {
	for _, row := range []string{rowHum, rowCough, rowNoise} {
		run := sounds{row: row, all: make([]stood, b.Events)}
		call := func(url string) (figures, error) { return phones(ctx, url, many*b.Calls, b.Events, run.call) }
		var err error
		if row == rowHum {
			err = b.stubbed(ctx, row, stubHum, call)
		} else {
			err = b.serving(ctx, row, b.args([]string{"", ""}, b.words.answer(callWords, 1), "-", many*b.Calls), call)
		}
		if err != nil {
			return err
		}
		b.report.False = append(b.report.False, falseOf(row, run.all))
	}
	return nil
}

// Rows of echo.
const (
	rowEcho   = "echo at −20 dB, the recognizer hears nothing"
	rowParrot = "echo at −20 dB, the recognizer hears the agent's words"
)

// echo measures whether the agent's own sound stops it.
func (b *wireBench) echo(ctx context.Context) error {
	ear, err := openNeural()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ear.close()) }()
	for _, kind := range []struct{ stub, row string }{{stubDeaf, rowEcho}, {stubParrot, rowParrot}} {
		run := echoes{all: make([]stood, b.Events), ear: ear}
		err := b.stubbed(ctx, kind.row, kind.stub, func(url string) (figures, error) { return run.run(ctx, url, many*b.Calls) })
		if err != nil {
			return err
		}
		row := falseOf(kind.row, run.all)
		row.Control = &run.control
		for i, v := range run.all {
			row.Placed[i%echoPerCall].add(v.Stopped)
		}
		b.report.False = append(b.report.False, row)
	}
	return err
}

// heard measures what the server takes for heard.
func (b *wireBench) heard(ctx context.Context) error {
	for _, kind := range []string{stubTold, stubUntold} {
		run := cuts{speech: b.speech, gap: speechGap, all: make([]cut, b.Events*5/4)}
		err := b.stubbed(ctx, "heard text, "+kind, kind, func(url string) (figures, error) {
			return phones(ctx, url, many*b.Calls, len(run.all), run.call)
		})
		if err != nil {
			return err
		}
		b.report.Heard = append(b.report.Heard, heardOf(kind, run.all, b.words))
	}
	return nil
}

// answers is a run of questions.
type answers struct {
	speech []corpus.Utterance
	n      int
	calls  answered
}

// call asks one question after the other.
func (r *answers) call(ctx context.Context, c *caller.Caller, q *queue) error {
	all, err := converse(ctx, c, func(int) (step, bool) {
		i, ok := q.take()
		return step{said: r.speech[max(i, 0)*7%len(r.speech)]}, ok
	})
	for i := range all {
		if !all[i].clean() {
			continue
		}
		all[i].Response -= fading(c.Sent(all[i].when.Last), all[i].when.Last)
	}
	r.calls.add(c.Session(), all)
	return err
}

// faintest is the level above which a packet of a recording belongs to its speech, in dBFS: words fade out below what a listener
// takes for sound, and after the last of them the recordings are empty.
const faintest = -55.0

// fading is how long after its last audible packet the speech's last packet was sent.
func fading(sent []caller.Packet, last time.Duration) (d time.Duration) {
	for _, p := range sent {
		if p.At > last+fadingMost || p.Level <= faintest {
			break
		}
		d = max(0, p.At-last)
	}
	return d
}

const fadingMost = 100 * time.Millisecond
