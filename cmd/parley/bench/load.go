package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
)

// LoadCmd is the verb "bench load".
type LoadCmd struct {
	Job      string        `default:"agent" enum:"agent,media" env:"-" help:"agent: whole conversations. media: calls without an agent, at 40 % talk and all the time, beside the least that any server could do."`
	Sessions []int         `default:"20" env:"-" help:"Callers at the same time; more than one number: a run each."`
	Duration time.Duration `default:"60s" env:"-" help:"How long they call."`
	Server   `embed:"" group:"Server:"`
}

// Server is what is measured.
type Server struct {
	STT   string          `name:"stt" default:"script" env:"-" help:"Recognizer."`
	LLM   string          `name:"llm" default:"script:answers=This answer goes on for about eight seconds so that there is time to interrupt it as a caller does who has heard quite enough." env:"-" help:"Language model."`
	TTS   string          `name:"tts" default:"tone" env:"-" help:"Voice."`
	VAD   string          `name:"vad" default:"neural" env:"-" help:"Voice detector."`
	Waits []time.Duration `default:"340ms,850ms,2.1s,2.5s" env:"-" help:"Its --short, --middle, --long and --dangling: what an answer takes beyond the one it chose is ours."`
	Flags []string        `name:"serve" sep:"none" placeholder:"FLAG" env:"-" help:"A further flag for it, as --serve=--vanish=5s. May be repeated."`
}

// args are the flags of serve.
func (s Server) args() ([]string, error) {
	if len(s.Waits) != 4 {
		return nil, fmt.Errorf("--waits has %d durations, four are needed: short, middle, long, dangling", len(s.Waits))
	}
	return append([]string{"--listen", "127.0.0.1:0", "--media", "127.0.0.1:0",
		"--stt", s.STT, "--llm", s.LLM, "--tts", s.TTS, "--vad", s.VAD,
		"--short", s.Waits[0].String(), "--middle", s.Waits[1].String(), "--long", s.Waits[2].String(), "--dangling", s.Waits[3].String(), "--pace-least", "1", "--pace-most", "1"}, s.Flags...), nil
}

// How the load is made.
const (
	shortest  = 1500 * time.Millisecond // utterances
	longest   = 2500 * time.Millisecond
	idleTime  = 3 * time.Second  // over which the idle server's processor time is measured
	leakLimit = 30 * time.Second // for the server to return to what it was
	loseIn    = 2                // the turn in which every second caller loses a packet
	spread    = 2 * time.Second  // over which the calls begin
)

// plan is what a run is to do.
type plan struct {
	LoadCmd
	n      int // callers
	speech []corpus.Utterance
}

// load is one run.
type load struct {
	plan
	srv *server

	before, during, after stats
	idle                  time.Duration // processor time a second
	cpu, own              time.Duration // of the server and of this process while there were calls
	wall                  time.Duration
	kids                  map[string]usage // children of the server
	callers               []session
	ticker                figures // lateness of a bare ticker here
	settled               time.Duration
	leak                  error
}

// session is what came of one call.
type session struct {
	results []result
	length  time.Duration
	late    figures // of packets received
	sent    figures // of packets sent
	lost    int64
	err     error
}

// Run makes the bench and prints its table to out. It fails if turns go unanswered, if calls fail, or if the server
// does not return to what it was.
func (cmd *LoadCmd) Run(ctx context.Context, out io.Writer) error {
	if cmd.Job == "media" {
		return (&mediaJob{LoadCmd: *cmd}).run(ctx, out)
	}
	args, err := cmd.args()
	if err != nil {
		return err
	}
	all, err := speech(shortest, longest)
	if err != nil {
		return err
	}
	for _, n := range cmd.Sessions {
		l := load{plan: plan{LoadCmd: *cmd, n: n, speech: all}}
		if err := l.bench(ctx, out, append(args, "--max-sessions", strconv.Itoa(n+1))); err != nil {
			return err
		}
	}
	return nil
}

// bench is Run with a server of these flags.
func (l *load) bench(ctx context.Context, out io.Writer, args []string) (err error) {
	if l.srv, err = start(ctx, args); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.srv.stop()) }()
	header(out, fmt.Sprintf("bench load: %d callers for %v", l.n, l.Duration), args)
	if err := l.run(ctx); err != nil {
		return err
	}
	l.print(out)
	return l.verdict()
}

// run warms the server up with one call, measures it idle, and loads it.
func (l *load) run(ctx context.Context) error {
	warm := l.phone(ctx, 0, func(i int) bool { return i < 2 })
	if warm.err != nil {
		return fmt.Errorf("first call: %w", warm.err)
	}
	if err := l.baseline(ctx); err != nil {
		return err
	}
	ticks, stop := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	ticking.Go(func() { l.ticker = bareTicker(ticks) })
	err := l.calls(ctx)
	stop()
	ticking.Wait()
	if err != nil {
		return err
	}
	return l.settle(ctx)
}

// baseline waits until the first call is forgotten and measures the idle server.
func (l *load) baseline(ctx context.Context) (err error) {
	for range int(leakLimit / time.Second) {
		if l.before, err = l.srv.stats(ctx, true); err != nil {
			return err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		if l.before.Sessions == 0 {
			break
		}
	}
	from, err := process(l.srv.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := sleep(ctx, idleTime); err != nil {
		return err
	}
	to, err := process(l.srv.cmd.Process.Pid)
	if err != nil {
		return err
	}
	l.idle = (to.cpu - from.cpu) * time.Second / idleTime
	l.before, err = l.srv.stats(ctx, true)
	return err
}

// calls makes all calls at once and looks at the server shortly before they end.
func (l *load) calls(ctx context.Context) error {
	pid, began := l.srv.cmd.Process.Pid, time.Now()
	from, err := process(pid)
	if err != nil {
		return err
	}
	own := self()
	l.callers = make([]session, l.n)
	var all sync.WaitGroup
	for i := range l.callers {
		all.Go(func() {
			if err := sleep(ctx, spread*time.Duration(i)/time.Duration(l.n)); err != nil {
				l.callers[i].err = err
				return
			}
			l.callers[i] = l.phone(ctx, i, func(int) bool { return time.Since(began) < l.Duration })
		})
	}
	var statsErr error
	all.Go(func() {
		if statsErr = sleep(ctx, max(0, l.Duration-time.Second)); statsErr == nil {
			l.kids = children(pid)
			l.during, statsErr = l.srv.stats(ctx, false)
		}
	})
	all.Wait()
	l.wall, l.own = time.Since(began), self()-own
	to, err := process(pid)
	l.cpu = to.cpu - from.cpu
	return errors.Join(err, statsErr)
}

// phone makes one call, a turn for as long as more says so.
func (l *load) phone(ctx context.Context, number int, more func(i int) bool) (s session) {
	next := func(i int) (step, bool) {
		u := l.speech[(number*7+i*3)%len(l.speech)]
		return step{said: u, cut: i%2 == 1, lose: number%2 == 1 && i == loseIn}, more(i)
	}
	s.err = caller.Run(ctx, l.srv.url, caller.Options{}, func(ctx context.Context, c *caller.Caller) (err error) {
		s.results, err = converse(ctx, c, next)
		s.length, s.lost = c.Now(), c.Stats().Lost
		s.late = caller.Lateness(c.Heard(0))
		for _, p := range c.Sent(0) {
			s.sent = append(s.sent, p.At-p.Place)
		}
		return err
	})
	return s
}

// settle waits until the server is what it was, and says what of it is not.
func (l *load) settle(ctx context.Context) (err error) {
	began := time.Now()
	for {
		if l.after, err = l.srv.stats(ctx, true); err != nil {
			return err
		}
		l.settled = time.Since(began)
		l.leak = leaked(l.before, l.after)
		if l.leak == nil || l.settled > leakLimit {
			return nil
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// leaked compares what must return.
func leaked(before, after stats) error {
	var errs []error
	for _, c := range []struct {
		what string
		a, b int
	}{{"goroutines", before.Goroutines, after.Goroutines}, {"files", before.Files, after.Files}, {"sessions", before.Sessions, after.Sessions}} {
		if c.b > c.a {
			errs = append(errs, fmt.Errorf("%w: %d %s, %d before", ErrLeak, c.b, c.what, c.a))
		}
	}
	return errors.Join(errs...)
}

// verdict is why the run failed, if it did.
func (l *load) verdict() error {
	errs := []error{l.leak}
	unanswered := 0
	for i, s := range l.callers {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("caller %d: %w", i+1, s.err))
		}
		unanswered += count(s.results, func(r result) bool { return r.unanswered != nil })
	}
	if unanswered > 0 {
		errs = append(errs, fmt.Errorf("%d %w", unanswered, ErrUnanswered))
	}
	return errors.Join(errs...)
}

// bareTicker is how late a 20 ms ticker of this process is, by an absolute schedule.
func bareTicker(ctx context.Context) (late figures) {
	const period = 20 * time.Millisecond
	start := time.Now()
	t := time.NewTicker(period)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.C:
			elapsed := time.Since(start)
			n = max(n, int((elapsed+period/2)/period)) // a ticker drops what it cannot deliver
			late = append(late, elapsed-time.Duration(n)*period)
		case <-ctx.Done():
			return late
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
