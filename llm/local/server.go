// Package local runs llama-server, the HTTP server of llama.cpp, as a child process: it finds it, starts
// it on a free port of the loopback, waits until it is ready, starts it again when it dies, and takes it
// down. It says nothing to it but "are you well": package llm/openai speaks to its URL.
//
//	s, err := local.New(local.Options{Model: gguf})
//	go s.Run(ctx)             // until ctx ends; the server ends with it, and with this process
//	url, err := s.Ready(ctx)  // http://127.0.0.1:port
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"parley/internal/provider"
)

// Program is the server's usual name.
const Program = "llama-server"

// Options says what to run. Only Model must be set.
type Options struct {
	Program string // path or name of llama-server; empty: the one on the PATH
	Model   string // path of a GGUF file
	Threads int    // 0: one for each core, four at most
	Slots   int    // conversations at once, each with a cache of its own; 0: 1
	Context int    // tokens each of them may hold; 0: 4096
	// Portable is a folder of libraries for any processor with AVX2, to be used in place of those beside
	// the program when the server dies of an instruction that this processor lacks; empty: none.
	Portable string
	GPU      bool // let the server use a graphics card; else it is told not to look for one
	Logger   *slog.Logger
}

// Server is one llama-server and its supervision. Run it once. Safe for concurrent use.
type Server struct {
	o       Options
	log     *slog.Logger
	loading time.Duration // the longest a start may take
	gap     time.Duration // before the first new start; doubles
	port    int           // 0: none yet; of Run
	plain   bool          // the portable libraries are needed; of Run
	ended   chan struct{} // closed when Run returns

	mu    sync.Mutex
	url   string
	ready chan struct{} // closed while the server answers
	err   error         // why Run has ended
}

// New checks that program and model are there. Nothing runs yet.
func New(o Options) (*Server, error) {
	if o.Program == "" {
		o.Program = Program
	}
	path, err := exec.LookPath(o.Program)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", o.Program, err)
	}
	if o.Program, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find %s: %w", path, err)
	}
	if err := checkModel(o.Model); err != nil {
		return nil, err
	}
	if o.Threads <= 0 {
		o.Threads = min(4, runtime.NumCPU())
	}
	if o.Slots <= 0 {
		o.Slots = 1
	}
	if o.Context <= 0 {
		o.Context = 4096
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o, log: log, loading: patience, gap: firstGap, ended: make(chan struct{}), ready: make(chan struct{})}, nil
}

// checkModel says in words what the server would say in numbers.
func checkModel(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open language model: %w", err)
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.Read(magic[:]); err != nil || string(magic[:]) != "GGUF" {
		return fmt.Errorf("open language model: %s is not a GGUF file", path)
	}
	return nil
}

// Ready waits until the server answers and returns its base URL, without a slash at the end. It fails
// when ctx ends, or with provider.ErrUnavailable when the server cannot be kept alive. A server that has
// been started again has the same URL unless another program has taken its port.
func (s *Server) Ready(ctx context.Context) (string, error) {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
	case <-s.ended:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url, s.err
}

// The patience of the supervision.
const (
	patience = 90 * time.Second       // with a start
	settled  = time.Minute            // a server that lived so long may die again
	firstGap = 200 * time.Millisecond // before the first new start
	longGap  = 5 * time.Second
	tries    = 5 // starts in a row that may fail
)

// Run starts the server and keeps it running until ctx ends, then takes it down: SIGTERM, and SIGKILL two
// seconds later. A server that dies is started again, soon and then ever slower. Run gives up when the
// server never answers or has died five times in a row; the error holds its last words. At the end of ctx
// Run returns nil. The server dies with this process, whatever ends it.
func (s *Server) Run(ctx context.Context) (err error) {
	runtime.LockOSThread() // the kernel ties the child's life to this thread
	defer runtime.UnlockOSThread()
	defer func() {
		s.mu.Lock()
		s.url, s.err = "", err
		if err == nil {
			s.err = fmt.Errorf("%s: %w: it was taken down", Program, provider.ErrUnavailable)
		}
		s.mu.Unlock()
		close(s.ended)
	}()
	failed := 0
	for ever := false; ; {
		if err := s.choosePort(ctx, failed > 0); err != nil {
			return err
		}
		began := time.Now()
		answered, err := s.once(ctx, s.port)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errIllegal) && s.o.Portable != "" && !s.plain {
			s.log.Warn("language model server is built for another processor, using its portable libraries", "err", err)
			s.plain = true
			continue
		}
		if ever = ever || answered; !ever && !taken(s.port) {
			return err // it will not do better
		}
		if time.Since(began) > settled {
			failed = 0
		}
		if failed++; failed == tries {
			return err
		}
		s.log.Warn("language model server ended, starting it again", "err", err, "lived", time.Since(began).Round(time.Millisecond))
		select {
		case <-time.After(min(longGap, s.gap<<(failed-1))):
		case <-ctx.Done():
			return nil
		}
	}
}

// choosePort keeps the port as long as no other program has taken it.
func (s *Server) choosePort(ctx context.Context, check bool) (err error) {
	if s.port != 0 && !(check && taken(s.port)) {
		return nil
	}
	if s.port, err = freePort(ctx); err != nil {
		return fmt.Errorf("find a port for %s: %w", Program, err)
	}
	return nil
}

// once runs the server until it dies or ctx ends, and says whether it ever answered. The error holds its
// last words.
func (s *Server) once(ctx context.Context, port int) (answered bool, err error) {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	libraries := ""
	if s.plain {
		libraries = s.o.Portable
	}
	c, err := start(own, s.o, port, libraries)
	if err != nil {
		return false, err
	}
	s.log.Info("language model server started", "pid", c.cmd.Process.Pid, "port", port, "model", filepath.Base(s.o.Model), "threads", s.o.Threads)
	died := make(chan error, 1)
	go func() { died <- c.cmd.Wait() }()
	began := time.Now()
	late := time.AfterFunc(s.loading, func() { cancel(fmt.Errorf("not ready within %v", s.loading)) })
	defer late.Stop()
	healthy := make(chan struct{})
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		if c.awaitHealth(own) {
			close(healthy)
		}
	}()
	select {
	case <-healthy:
		late.Stop()
		s.log.Info("language model server ready", "took", time.Since(began).Round(time.Millisecond))
		s.open(c.url)
		err = <-died
		s.shut()
		answered = true
	case err = <-died:
	}
	if cause := context.Cause(own); cause != nil {
		err = cause
	}
	cancel(nil)
	<-polled
	if illegal(err) {
		err = fmt.Errorf("%w: install another llama-server on the PATH", errIllegal)
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return answered, fmt.Errorf("%s: %w: %w%s", Program, provider.ErrUnavailable, err, c.lastWords())
}

func (s *Server) open(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = url
	close(s.ready)
}

func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = make(chan struct{})
}

func args(o Options, port int, alias string) []string {
	a := []string{
		"--model", o.Model, "--alias", alias,
		"--host", "127.0.0.1", "--port", strconv.Itoa(port),
		"--threads", strconv.Itoa(o.Threads),
		"--parallel", strconv.Itoa(o.Slots), "--ctx-size", strconv.Itoa(o.Slots * o.Context),
		"--cache-ram", "0", // the slots' own caches are enough; the default may take 8 GB
		"--no-mmap",                                 // weights are rearranged when loaded: a mapped file would stay in memory beside them
		"--batch-size", "64", "--ubatch-size", "64", // a request that was given up holds its slot until its batch is done
		"--no-webui", "--no-slots",
	}
	if !o.GPU {
		a = append(a, "--device", "none")
	}
	return a
}
