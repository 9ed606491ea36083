package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 2 * time.Minute // models are loaded in it
	stopLimit  = 10 * time.Second
	tailLines  = 15 // of the server's log, shown when it fails
)

// server is a child process that serves.
type server struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	url    string
	ended  chan struct{} // closed when the process has ended and its output is read
	err    error         // how it ended

	mu    sync.Mutex
	tail  []string
	holds []time.Time // when it logged that it decided to fall silent
}

var listening = regexp.MustCompile(`listening on (https?://\S+)`)

// start runs this program's serve and returns when it listens. It must be stopped.
func start(ctx context.Context, args []string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return startProgram(ctx, program, append([]string{"serve"}, args...))
}

func startProgram(ctx context.Context, program string, args []string) (*server, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{cmd: exec.CommandContext(ctx, program, args...), cancel: cancel, ended: make(chan struct{})}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopLimit
	stdout, stdin := io.Pipe()
	stderr, stdlog := io.Pipe()
	s.cmd.Stdout, s.cmd.Stderr = stdin, stdlog
	if err := s.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start server: %w", err)
	}
	found := make(chan string, 1)
	var readers sync.WaitGroup
	readers.Go(func() { s.read(stdout, found) })
	readers.Go(func() { s.read(stderr, nil) })
	go func() { // it ends with the process, which stop waits for
		s.err = s.cmd.Wait()
		stdin.Close()
		stdlog.Close()
		readers.Wait()
		close(s.ended)
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	var err error
	select {
	case u := <-found:
		s.url = strings.TrimRight(u, "/")
		return s, nil
	case <-s.ended:
		err = fmt.Errorf("server ended before it listened: %w", s.err)
	case <-limit.C:
		err = fmt.Errorf("server did not listen within %v", startLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = s.stop() // the error that matters is the other
	return nil, fmt.Errorf("%w%s", err, s.log())
}

// read takes the server's output line by line.
func (s *server) read(r io.Reader, found chan<- string) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := listening.FindStringSubmatch(line); m != nil && found != nil {
			select {
			case found <- m[1]:
			default:
			}
		}
		s.note(line)
	}
	_, _ = io.Copy(io.Discard, r) // a line too long: the server must not block on its log
}

// note keeps the end of the log, and when the server decided to fall silent.
func (s *server) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := held(line); ok {
		s.holds = append(s.holds, at)
		return
	}
	if s.tail = append(s.tail, line); len(s.tail) > tailLines {
		s.tail = s.tail[1:]
	}
}

// held reads a line of a slog.TextHandler that tells of a decision to hold.
func held(line string) (at time.Time, ok bool) {
	if !strings.Contains(line, "decision=hold") {
		return at, false
	}
	rest, ok := strings.CutPrefix(line, "time=")
	if !ok {
		return at, false
	}
	stamp, _, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	return at, err == nil
}

// hold is the first decision to fall silent from one time to another.
func (s *server) hold(from, to time.Time) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.holds {
		if !at.Before(from) && at.Before(to) {
			return at, true
		}
	}
	return time.Time{}, false
}

// log is what the server said last, for an error.
func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tail) == 0 {
		return ""
	}
	return "\nthe server's last words:\n  " + strings.Join(s.tail, "\n  ")
}

// stop ends the server and waits for it. Its error is how it ended, if that was not by our wish.
func (s *server) stop() error {
	s.cancel()
	<-s.ended
	var exit *exec.ExitError
	if s.err == nil || errors.Is(s.err, context.Canceled) || errors.As(s.err, &exit) && exit.ExitCode() < 0 {
		return nil
	}
	return fmt.Errorf("server: %w%s", s.err, s.log())
}

// stats is what the server says of itself.
type stats struct {
	Goroutines int   `json:"goroutines"`
	Heap       int64 `json:"heapBytes"`
	RSS        int64 `json:"rssBytes"`
	Files      int   `json:"files"`
	Sessions   int   `json:"-"`
}

// stats asks the server; collect makes it collect its garbage first.
func (s *server) stats(ctx context.Context, collect bool) (st stats, err error) {
	path := "/debug/stats"
	if collect {
		path += "?gc"
	}
	if err := get(ctx, s.url+path, &st); err != nil {
		return st, err
	}
	var sessions []json.RawMessage
	err = get(ctx, s.url+"/sessions", &sessions)
	st.Sessions = len(sessions)
	return st, err
}

// get reads JSON into v. The connection is not kept: it would be counted.
func get[T stats | []json.RawMessage](ctx context.Context, url string, v *T) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask server: %w", err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask server: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask server: %s: %s", url, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(v); err != nil {
		return fmt.Errorf("ask server: %s: %w", url, err)
	}
	return nil
}
