package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/models"
	"parley/internal/provider"
)

const soon = 20 * time.Second // nothing here takes so long; a slow computer does not fail a test

func gguf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(path, []byte("GGUF\x03\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// running starts s and gives a function that ends it and returns what Run returned.
func running(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	ended := false
	stop = func() error {
		cancel()
		if ended {
			return nil
		}
		ended = true
		select {
		case err := <-ran:
			return err
		case <-time.After(soon):
			t.Fatal("Run does not return")
			return nil
		}
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func fakeServer(t *testing.T, mode string, o Options) *Server {
	t.Helper()
	t.Setenv("FAKE_SERVER", mode)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Program, o.Model = self, gguf(t)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ready(t *testing.T, s *Server) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	return s.Ready(ctx)
}

func mustReady(t *testing.T, s *Server) string {
	t.Helper()
	url, err := ready(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func ask(url string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: soon}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func pid(t *testing.T, url string) int {
	t.Helper()
	said, err := ask(url + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestServes(t *testing.T) {
	s := fakeServer(t, "good", Options{Threads: 2, Slots: 3, Context: 1000})
	stop := running(t, s)
	url := mustReady(t, s)
	said, err := ask(url + "/args")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--threads 2", "--parallel 3", "--ctx-size 3000", "--host 127.0.0.1", "--device none", "--model " + s.o.Model} {
		if !strings.Contains(said, want) {
			t.Errorf("started with %q, without %q", said, want)
		}
	}
	child := pid(t, url)
	ours, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	if its, err := syscall.Getpriority(syscall.PRIO_PROCESS, child); err != nil || its != max(ours-niceness, 1) {
		t.Errorf("its priority is %d, ours %d, %v", its, ours, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !gone(child) {
		t.Error("the server is still there")
	}
	if _, err := ready(t, s); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("Ready after the end: %v", err)
	}
}

func TestStubbornServerIsKilled(t *testing.T) {
	s := fakeServer(t, "stubborn", Options{})
	stop := running(t, s)
	child := pid(t, mustReady(t, s))
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("killed after %v, which is before it had its two seconds", took)
	}
	if !gone(child) {
		t.Error("the server is still there")
	}
}

func TestRefusalIsReportedInTheServersWords(t *testing.T) {
	s := fakeServer(t, "refuse", Options{})
	ran := make(chan error, 1)
	go func() { ran <- s.Run(t.Context()) }()
	_, err := ready(t, s)
	if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "this model is not for me") {
		t.Errorf("Ready: %v", err)
	}
	if got := <-ran; !errors.Is(got, err) {
		t.Errorf("Run: %v, Ready: %v", got, err)
	}
}

func TestNeverHealthyEndsWithTheContext(t *testing.T) {
	s := fakeServer(t, "never", Options{})
	stop := running(t, s)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errors.New("enough"))
	defer cancel()
	if _, err := s.Ready(ctx); err == nil || err.Error() != "enough" {
		t.Errorf("Ready: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestNeverHealthyGivesUp(t *testing.T) {
	s := fakeServer(t, "never", Options{})
	s.loading = 300 * time.Millisecond
	if err := s.Run(t.Context()); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("Run: %v", err)
	}
}

func TestRestarts(t *testing.T) {
	var log bytes.Buffer
	s := fakeServer(t, "good", Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	stop := running(t, s)
	first := mustReady(t, s)
	before := pid(t, first)
	if _, err := ask(first + "/die"); err == nil {
		t.Error("the server did not die")
	}
	var second string
	deadline := time.Now().Add(soon)
	for {
		second = mustReady(t, s) // may still be the old one for an instant
		if said, err := ask(second + "/pid"); err == nil && said != strconv.Itoa(before) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not started again")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if second != first {
		t.Errorf("the URL changed from %s to %s", first, second)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(log.String(), "dying as asked") {
		t.Errorf("the log does not hold its last words:\n%s", log.String())
	}
}

func TestDyingAgainAndAgainGivesUp(t *testing.T) {
	s := fakeServer(t, "good", Options{})
	s.gap = time.Millisecond
	ran := make(chan error, 1)
	go func() { ran <- s.Run(t.Context()) }()
	for {
		url, err := ready(t, s)
		if err != nil {
			break
		}
		_, _ = ask(url + "/die")
	}
	select {
	case err := <-ran:
		if !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(soon):
		t.Fatal("Run goes on for ever")
	}
}

// Another program has the port that was free a moment ago: it answers, but it is not our server.
func TestTakenPort(t *testing.T) {
	other := http.NewServeMux()
	other.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	other.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"other"}]}`) })
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: other}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() { srv.Close(); <-served }()

	port := l.Addr().(*net.TCPAddr).Port
	s := fakeServer(t, "good", Options{})
	answered, err := s.once(t.Context(), port)
	if answered || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("took another server for its own: %v", err)
	}
	if !taken(port) {
		t.Error("a taken port is called free")
	}
	s.port = port // what the first choice would have been
	stop := running(t, s)
	if url := mustReady(t, s); strings.HasSuffix(url, fmt.Sprint(":", port)) {
		t.Errorf("ready at the other server's URL %s", url)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A server does not outlive a process that was killed.
func TestKilledParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "FAKE_SERVER=good", "FAKE_PARENT="+gguf(t))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutSuffix(strings.TrimSpace(line), " <nil>")
	if err != nil || !ok {
		t.Fatalf("the process said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for deadline := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		if _, err := ask(url + "/pid"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server lives on")
		}
	}
}

// A server built for a newer processor is run again with libraries for this one.
func TestIllegalInstruction(t *testing.T) {
	s := fakeServer(t, "illegal", Options{})
	if err := s.Run(t.Context()); !errors.Is(err, errIllegal) || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("without portable libraries: %v", err)
	}
	s = fakeServer(t, "illegal", Options{Portable: "/some/portable"})
	running(t, s)
	if said, err := ask(mustReady(t, s) + "/env"); err != nil || said != "/some/portable" {
		t.Errorf("LD_LIBRARY_PATH is %q, %v", said, err)
	}
}

func TestNewRefuses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("not a model"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"no program":  {Options{Program: filepath.Join(t.TempDir(), "none"), Model: gguf(t)}, "no such file"},
		"no model":    {Options{Program: self, Model: filepath.Join(t.TempDir(), "none.gguf")}, "no such file"},
		"not a model": {Options{Program: self, Model: other}, "not a GGUF file"},
		"model empty": {Options{Program: self}, "open language model"},
	} {
		if _, err := New(test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestLibrariesBesideTheProgramAreFound(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(self, filepath.Join(dir, Program)), os.WriteFile(filepath.Join(dir, "libllama.so.0"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_SERVER", "good")
	t.Setenv("LD_LIBRARY_PATH", "/elsewhere")
	s, err := New(Options{Program: filepath.Join(dir, Program), Model: gguf(t)})
	if err != nil {
		t.Fatal(err)
	}
	running(t, s)
	if said, err := ask(mustReady(t, s) + "/env"); err != nil || said != dir+":/elsewhere" {
		t.Errorf("LD_LIBRARY_PATH is %q, %v", said, err)
	}
}

func TestTail(t *testing.T) {
	var tl tail
	for i := range 30 {
		fmt.Fprintf(&tl, "line %d\n", i)
	}
	fmt.Fprint(&tl, "half", " a line\n\n", strings.Repeat("x", 3000), "\nend\xff")
	got := tl.lines()
	if len(got) != tailLines || got[0] != "line 13" || got[17] != "half a line" || len(got[18]) != tailWidth || got[19] != "end" {
		t.Errorf("kept %q", got)
	}
}

// The real server with the small model: it answers, and a second start is quick.
func TestLlamaServer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	t.Run("as it is", func(t *testing.T) { testLlamaServer(t, false) })
	t.Run("portable", func(t *testing.T) { testLlamaServer(t, true) })
}

func testLlamaServer(t *testing.T, portable bool) {
	dir := models.Dir()
	program, err := exec.LookPath(Program)
	if err != nil {
		program = filepath.Join(dir, models.ServerFile)
	}
	s, err := New(Options{Program: program, Model: filepath.Join(dir, models.SmallFile), Threads: 2, Context: 1024})
	if err != nil {
		t.Fatal(err)
	}
	s.o.Portable, s.plain = filepath.Join(dir, models.PortableDir), portable
	stop := running(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	url, err := s.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"Say yes."}],"max_tokens":4,"temperature":0}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"content"`) {
		t.Fatalf("%s %v: %s", res.Status, err, body)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
