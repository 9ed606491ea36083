package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/internal/provider"
)

// child is one process of the server.
type child struct {
	cmd   *exec.Cmd
	url   string
	alias string // what it was told to call its model: another server on the port does not know it
	said  *tail
}

// niceness is how much nicer than this process the server is: the voice speaks an answer's first phrase while the
// model still writes the rest. On two cores that takes 110 ms off the first sound.
const niceness = 8

// errIllegal is in the error of a server that died of an instruction which this processor does not have.
var errIllegal = errors.New("it needs a newer processor than this one")

func illegal(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGILL
}

// start starts the program, with the libraries of a folder before all others if one is given. It must be
// called by a goroutine that keeps its thread until the child has ended.
func start(ctx context.Context, o Options, port int, libraries string) (*child, error) {
	c := &child{url: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), alias: "parley-" + rand.Text(), said: &tail{}}
	c.cmd = exec.CommandContext(ctx, o.Program, args(o, port, c.alias)...)
	c.cmd.Stderr, c.cmd.Stdout = c.said, c.said
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = 2 * time.Second
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, // no server outlives this process
		Setpgid:   true,            // a Ctrl-C is for us: calls end before their model does
	}
	if path := libraryPath(libraries, filepath.Dir(o.Program)); path != "" {
		c.cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+path)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w: %w", o.Program, provider.ErrUnavailable, err)
	}
	c.standBack()
	return c, nil
}

// standBack lowers the server's priority. Its threads, which do not exist yet, inherit it. Where that is not allowed all that is lost
// is some speed.
func (c *child) standBack() {
	if ours, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil { // the kernel tells 20 less the niceness
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, c.cmd.Process.Pid, min(20-ours+niceness, 19))
	}
}

// libraryPath is where the child looks for libraries: the given folder, the program's own if it has any
// there, and where it would look anyway.
func libraryPath(folder, bin string) string {
	var path []string
	if folder != "" {
		path = append(path, folder)
	}
	if found, err := filepath.Glob(filepath.Join(bin, "libllama*.so*")); err == nil && len(found) > 0 {
		path = append(path, bin)
	}
	if inherited := os.Getenv("LD_LIBRARY_PATH"); inherited != "" {
		path = append(path, inherited)
	}
	return strings.Join(path, ":")
}

// awaitHealth waits until the child itself, and not another server, answers that it is well; false when
// ctx ends first.
func (c *child) awaitHealth(ctx context.Context) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if _, ok := get(ctx, client, c.url+"/health"); !ok {
				continue
			}
			if models, ok := get(ctx, client, c.url+"/v1/models"); ok && bytes.Contains(models, []byte(c.alias)) {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, false
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return body, err == nil && res.StatusCode == http.StatusOK
}

// lastWords is what the server wrote last, ready to be put behind an error. The child must have ended.
func (c *child) lastWords() string {
	lines := c.said.lines()
	if len(lines) == 0 {
		return ""
	}
	return "; it said last:\n\t" + strings.Join(lines, "\n\t")
}

func freePort(ctx context.Context) (int, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func taken(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// The bounds of what is kept of a child's output; what is older or longer is dropped.
const (
	tailLines = 20
	tailWidth = 400 // bytes
)

// tail keeps the last lines that are written to it. Safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	kept []string
	rest []byte // a line not yet ended
}

// Write takes all of b.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for {
		line, after, ended := bytes.Cut(b, []byte("\n"))
		t.rest = append(t.rest, line[:min(len(line), tailWidth-len(t.rest))]...)
		if !ended {
			return n, nil
		}
		t.end()
		b = after
	}
}

func (t *tail) end() {
	if line := strings.TrimSpace(strings.ToValidUTF8(string(t.rest), "")); line != "" {
		t.kept = append(t.kept, line)
		t.kept = t.kept[max(0, len(t.kept)-tailLines):]
	}
	t.rest = t.rest[:0]
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
	return append([]string(nil), t.kept...)
}
