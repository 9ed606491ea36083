package local

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the fake server, a copy of this binary that a test starts with FAKE_SERVER set, and a
// process that runs one until it is killed.
func TestMain(m *testing.M) {
	if model := os.Getenv("FAKE_PARENT"); model != "" {
		parent(model)
	}
	if mode := os.Getenv("FAKE_SERVER"); mode != "" && len(os.Args) > 1 && os.Args[1] == "--model" {
		fake(mode, os.Args)
	}
	goleak.VerifyTestMain(m)
}

// parent runs a server and tells its URL.
func parent(model string) {
	os.Unsetenv("FAKE_PARENT")
	s, err := New(Options{Program: os.Args[0], Model: model})
	if err != nil {
		slog.Error("new", "err", err)
		os.Exit(1)
	}
	go func() {
		url, err := s.Ready(context.Background())
		fmt.Println(url, err)
	}()
	slog.Error("run", "err", s.Run(context.Background()))
	os.Exit(1)
}

func flagValue(args []string, name string) string {
	for i, a := range args {
		if a == name {
			return args[i+1]
		}
	}
	return ""
}

// fake answers as llama-server does, as far as Server asks.
func fake(mode string, args []string) {
	fmt.Fprintln(os.Stderr, "loading", flagValue(args, "--model"))
	if mode == "refuse" {
		fmt.Fprintln(os.Stderr, "error: this model is not for me")
		os.Exit(1)
	}
	if mode == "illegal" && !strings.HasSuffix(os.Getenv("LD_LIBRARY_PATH"), "portable") {
		err := syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -ILL $$"}, os.Environ()) // Go has a handler of its own
		slog.Error("exec", "err", err)
	}
	if mode == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if mode == "never" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"data": []map[string]string{{"id": flagValue(args, "--alias")}}})
	})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("LD_LIBRARY_PATH")) })
	mux.HandleFunc("GET /args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(args, " ")) })
	mux.HandleFunc("GET /die", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "dying as asked")
		os.Exit(3)
	})
	err := http.ListenAndServe("127.0.0.1:"+flagValue(args, "--port"), mux)
	slog.Error("serve", "err", err)
	time.Sleep(10 * time.Millisecond)
	os.Exit(1)
}
