package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"parley/media"
	"parley/media/rtc"
)

// heard is what the callers who stay have heard: how late each packet was, against the most punctual one before it.
type heard struct {
	Late   figures `json:"late"`
	Ticker figures `json:"ticker"` // of their process, meanwhile
}

// over is the share of packets that came later than limit.
func (h heard) over(limit time.Duration) rate {
	return rate{count(h.Late, func(d time.Duration) bool { return d > limit }), len(h.Late)}
}

// SteadyCmd is the callers who stay while others come and go. They are a process of their own, so that what they hear late is
// the server's doing. For each line on the standard input they write what they heard since the last one.
type SteadyCmd struct {
	URL   string `env:"-" help:"The server."`
	Calls int    `env:"-" default:"2" help:"How many."`
}

// Run calls until the standard input or ctx ends.
func (cmd *SteadyCmd) Run(ctx context.Context, out io.Writer) error {
	return cmd.run(ctx, os.Stdin, out)
}

func (cmd *SteadyCmd) run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var s ears
	var all sync.WaitGroup
	for range cmd.Calls {
		all.Go(func() {
			if err := s.listen(ctx, cmd.URL); err != nil && ctx.Err() == nil {
				s.fail(err)
			}
		})
	}
	all.Go(func() { s.tick(ctx) })
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		now, err := s.since()
		if err == nil {
			err = json.NewEncoder(out).Encode(now)
		}
		if err != nil {
			break
		}
	}
	cancel()
	all.Wait()
	_, err := s.since()
	return err
}

// ears gather what is heard.
type ears struct {
	mu  sync.Mutex
	now heard
	err error
}

func (s *ears) since() (heard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.now
	s.now = heard{}
	return was, s.err
}

func (s *ears) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
}

func (s *ears) packet(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Late = append(s.now.Late, d)
}

func (s *ears) tick(ctx context.Context) {
	for ctx.Err() == nil {
		some, done := context.WithTimeout(ctx, time.Second)
		late := bareTicker(some)
		done()
		s.mu.Lock()
		s.now.Ticker = append(s.now.Ticker, late...)
		s.mu.Unlock()
	}
}

// steady is the process of those who stay.
type steady struct {
	cmd *exec.Cmd
	ask io.WriteCloser
	out *bufio.Scanner
}

// stay starts it. It must be stopped.
func (c *churn) stay(ctx context.Context) (*steady, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &steady{cmd: exec.CommandContext(ctx, program, "bench", "steady", "--url="+c.url, "--calls="+strconv.Itoa(c.Steady))}
	s.cmd.Stderr = os.Stderr
	if s.ask, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the callers who stay: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the callers who stay: %w", err)
	}
	s.out = bufio.NewScanner(out)
	s.out.Buffer(nil, 64<<20)
	return s, nil
}

// heard asks what was heard since it was last asked.
func (s *steady) heard() (h heard, err error) {
	if _, err = io.WriteString(s.ask, "\n"); err == nil && !s.out.Scan() {
		err = errors.New("they have gone")
	}
	if err == nil {
		err = json.Unmarshal(s.out.Bytes(), &h)
	}
	if err != nil {
		return h, fmt.Errorf("ask the callers who stay: %w", err)
	}
	return h, nil
}

// stop has them hang up.
func (s *steady) stop() error {
	s.ask.Close()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the callers who stay: %w", err)
	}
	return nil
}

// listen calls, keeps silent, and tells how late each packet of the server's keepalive and speech is.
func (s *ears) listen(ctx context.Context, url string) (err error) {
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	call, _, err := dial(ctx, nil, e, url)
	if err != nil {
		return err
	}
	up := call.Up().Tap(256, media.DropNewest)
	return alive(ctx, call, func() error {
		if err := connected(ctx, call); err != nil {
			return err
		}
		var all sync.WaitGroup
		defer all.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		all.Go(func() { chat(ctx, call) })
		var first, least time.Duration
		var start uint32
		n := 0
		for _, p := range up.All(ctx) {
			if n == 0 {
				first, start = p.At, p.Time
			}
			d := p.At - first - time.Duration(int32(p.Time-start))*time.Second/media.ClockRate
			if n++; n <= 50 {
				least = min(least, d)
				continue
			}
			least = min(least, d)
			s.packet(d - least)
		}
		return nil
	})
}

// chat keeps the call alive with packets, and the agent talking: it types again and again.
func chat(ctx context.Context, call *rtc.Call) {
	start := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	silence := []byte{0xfc, 0xff, 0xfe}
	for n := 0; ; n++ {
		wait.Reset(time.Until(start.Add(time.Duration(n) * media.FrameDuration)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		call.Send(media.Packet{Seq: uint16(n), Time: uint32(n) * media.ClockRate / 50, Level: -1, Payload: silence})
		if n%250 == 50 {
			call.Post([]byte(`{"type":"text","text":"Please tell me a story that lasts as long as you can make it last, and do not stop before you are asked to."}`))
		}
	}
}

// calm is what they hear in d before anybody else comes.
func (s *steady) calm(ctx context.Context, d time.Duration) (heard, error) {
	for _, wait := range []time.Duration{3 * time.Second, d} { // they connect in the first
		if err := sleep(ctx, wait); err != nil {
			return heard{}, err
		}
		if wait == d {
			break
		}
		if _, err := s.heard(); err != nil {
			return heard{}, err
		}
	}
	return s.heard()
}

func (c *churn) printSteady(out io.Writer, calm, busy heard) {
	if c.Steady == 0 {
		return
	}
	line := func(name string, h heard) {
		fmt.Fprintf(out, "  %-10s p50 %s  p99 %s  max %s, later than %v: %v; a bare ticker of their process: p99 %s  max %s\n", name,
			millis(h.Late.at(50)), millis(h.Late.at(99)), millis(h.Late.at(100)), lateLimit, h.over(lateLimit), millis(h.Ticker.at(99)), millis(h.Ticker.at(100)))
	}
	fmt.Fprintf(out, "packets that the %d who stayed received, lateness:\n", c.Steady)
	line("before", calm)
	line("meanwhile", busy)
}
