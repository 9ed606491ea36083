package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/caller/callertest"
	"parley/internal/corpus"
	"parley/media/rtc"
	"parley/web"
)

const ms = time.Millisecond

// TestMain is also the server that the benches start: they run their own program with the verb serve.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "bench" {
		if err := helper(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := hum(strings.Join(os.Args, " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// hum is a server whose agent hums. Words in its arguments make it fail.
func hum(args string) error {
	if strings.Contains(args, "no-start") {
		return errors.New("the models are missing")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := callertest.Agent{Answer: 3 * time.Second, After: 700 * ms, Deaf: strings.Contains(args, "deaf"),
		Limits: rtc.Timeouts{Connect: 3 * time.Second, Vanish: 4 * time.Second}}
	h, wait, err := a.Handler(ctx)
	if err != nil {
		return err
	}
	leak := 0
	h.HandleFunc("GET /debug/stats", func(w http.ResponseWriter, _ *http.Request) {
		if strings.Contains(args, "leaky") {
			leak++
		}
		_ = json.NewEncoder(w).Encode(stats{Goroutines: runtime.NumGoroutine() + leak, Heap: 1 << 20, RSS: 10 << 20, Files: 7})
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s/\n", ln.Addr())
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("decided", "decision", "hold")
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(ln) }()
	<-ctx.Done()
	return errors.Join(s.Close(), wait())
}

func matches(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).MatchString(out) {
			t.Errorf("not printed: %s", p)
		}
	}
}

var waits = []time.Duration{700 * ms, 900 * ms, 1600 * ms, 1800 * ms}

// tones are utterances of a length.
func tones(name string, d time.Duration) (all []corpus.Utterance) {
	for i := range 10 {
		all = append(all, corpus.Utterance{Name: fmt.Sprint(name, i), Rate: 16000, PCM: callertest.Tone(d)})
	}
	return all
}

func TestLoad(t *testing.T) {
	var out bytes.Buffer
	cmd := LoadCmd{Sessions: []int{2}, Duration: 5 * time.Second, Server: Server{STT: "a b", Waits: waits}}
	args, err := cmd.args()
	if err != nil {
		t.Fatal(err)
	}
	l := load{plan: plan{LoadCmd: cmd, n: 2, speech: tones("t", 500*ms)}}
	err = l.bench(t.Context(), &out, args)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out.String(), `^bench load: 2 callers for 5s$`, `^command: parley `, `^server:  parley serve .*--stt 'a b' .*--short 700ms `,
		`^machine: \d+ × .*go1`, `^turns +[2-9]\d* in \d+ session-seconds, \d cut in, 0 while .* 0 unanswered`,
		`^CPU, server +0\.\d{4} s a session-second`, `^CPU, callers +0\.\d{4} s`, `^memory +10 MiB idle, 10 with 2 sessions: 0.00 MiB a session`,
		`^goroutines +\d+ idle, \d+ with 2 sessions: \d+`, `^response +p50 \d+ ms .*\(n \d+\)`, `^beyond the waits +p50 \d`, `^  wait asked +700ms: \d`,
		`^lateness +packets received, p99 \d.*; a bare 20 ms ticker in this process, p99 \d`, `^leaks +none: goroutines`)
}

func TestTalk(t *testing.T) {
	var out bytes.Buffer
	plan := mix(tones("w", 600*ms), tones("l", 1200*ms), 2, 1, 1)
	plan[1], plan[2] = plan[2], plan[1]
	err := (&talk{TalkCmd: TalkCmd{Turns: 2, Pauses: 1, Cuts: 1, STT: "x"}}).bench(t.Context(), &out, plan)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out.String(), `^bench talk: 1 caller, 3 turns, 1 of them with a pause inside, 1 that interrupt$`,
		`^response +p50 \d+ ms .*;  cut off in a pause of 0.3 to 0.8 s: \d of 1 = `, `^turns +3 in \d+ s, 0 unanswered`,
		`^  pause of 300ms +cut off: \d of 1`, `^  turn taken +p50 700 ms`, `^interruption +(p50 \d+|–)`, `^server +\d+\.\d\d s of CPU`)
}

func TestHumanSpeech(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the speech of Debian packages")
	}
	for name, run := range map[string]func(context.Context, io.Writer) error{
		"load": (&LoadCmd{Sessions: []int{1}, Server: Server{LLM: "no-start", Waits: waits}}).Run,
		"talk": (&TalkCmd{Turns: 1, LLM: "no-start"}).Run,
	} {
		err := run(t.Context(), io.Discard)
		if want := "server ended before it listened: exit status 1\nthe server's last words:\n  the models are missing"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongWaits(t *testing.T) {
	if err := (&LoadCmd{Server: Server{Waits: waits[1:]}}).Run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "four are needed") {
		t.Error(err)
	}
}

func TestVerdict(t *testing.T) {
	late := result{unanswered: errLate}
	for _, c := range []struct {
		name string
		l    load
		want []string
	}{
		{"all well", load{callers: []session{{results: []result{{}, {}}}}}, nil},
		{"no answers", load{callers: []session{{results: []result{{}, late}}, {results: []result{late}}}}, []string{"2 turns went without"}},
		{"a lost call", load{callers: []session{{}, {err: errors.New("hung up")}}}, []string{"caller 2: hung up"}},
		{"a leak", load{leak: ErrLeak, callers: []session{{results: []result{late}}}}, []string{ErrLeak.Error(), "1 turns"}},
	} {
		err := c.l.verdict()
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v; want %q", c.name, err, w)
			}
		}
	}
}

func TestServerIsAskedAndStopped(t *testing.T) {
	s, err := start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.stats(t.Context(), true)
	if err != nil || st.Goroutines < 1 || st.RSS != 10<<20 || st.Files != 7 || st.Sessions != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if err := get(t.Context(), s.url+"/nowhere", &st); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
	u, err := process(s.cmd.Process.Pid)
	if err != nil || u.parent != os.Getpid() || u.rss < 1<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	if kids := children(os.Getpid()); kids[u.name].rss < 1<<20 {
		t.Errorf("%q is not among %v", u.name, kids)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, ok := s.hold(time.Now().Add(-time.Minute), time.Now()); !ok {
		t.Error("the decision to hold was not found in the log")
	}
	if _, err := s.stats(t.Context(), false); err == nil {
		t.Error("it answers after its end")
	}
	if _, err := process(s.cmd.Process.Pid); err == nil {
		t.Error("the process is still there")
	}
}

func TestStartFails(t *testing.T) {
	if _, err := startProgram(t.Context(), "/no/such/program", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
	defer cancel()
	if _, err := startProgram(ctx, "sleep", []string{"60"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestFigures(t *testing.T) {
	var f figures
	if f.String() != "–" || f.at(50) != 0 {
		t.Errorf("%v", f)
	}
	for i := 100; i > 0; i-- {
		f = append(f, time.Duration(i)*ms)
	}
	for p, want := range map[float64]time.Duration{0: ms, 50: 50 * ms, 95: 95 * ms, 99: 99 * ms, 100: 100 * ms} {
		if got := f.at(p); got != want {
			t.Errorf("p%v is %v, want %v", p, got, want)
		}
	}
	for n, want := range map[int]string{
		100: "p50 50 ms  p95 95 ms  p99 99 ms  max 100 ms  (n 100)",
		20:  "p50 90 ms  p95 99 ms  max 100 ms  (n 20)",
		1:   "p50 100 ms  max 100 ms  (n 1)",
	} {
		if got := f[:n].String(); got != want {
			t.Errorf("%d figures: %s, want %s", n, got, want)
		}
	}
	if got := (figures{2500 * time.Microsecond, -ms}).String(); got != "p50 -1.0 ms  max 2.5 ms  (n 2)" {
		t.Error(got)
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
		text      string
	}{ // Newcombe 1998, table I
		{81, 263, 0.2553, 0.3662, "81 of 263 = 30.8 % (95 %: 25.5 to 36.6 %)"},
		{15, 148, 0.0624, 0.1605, "15 of 148 = 10.1 % (95 %: 6.2 to 16.0 %)"},
		{0, 20, 0, 0.1611, "0 of 20 = 0.0 % (95 %: 0.0 to 16.1 %)"},
		{1, 29, 0.0061, 0.1718, "1 of 29 = 3.4 % (95 %: 0.6 to 17.2 %)"},
		{0, 0, 0, 1, "–"},
	} {
		low, high := wilson(c.k, c.n)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 || (rate{c.k, c.n}).String() != c.text {
			t.Errorf("%d of %d: %.4f to %.4f, %v", c.k, c.n, low, high, rate{c.k, c.n})
		}
	}
}

func TestParseStat(t *testing.T) {
	const rest = " 99 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000000 512 18446744073709551615"
	u, err := parseStat("42 (a (b) c) S" + rest)
	if err != nil || u.name != "a (b) c" || u.parent != 99 || u.cpu != 3*time.Second || u.rss != 512*int64(os.Getpagesize()) {
		t.Errorf("%+v, %v", u, err)
	}
	for _, bad := range []string{"", "42 (a", ")(", "42 (a) S 1 2", "42 (a) S x" + rest} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a (b) c) S 99 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000000 512 18446744073709551615")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = parseStat(s) })
}

func TestHeld(t *testing.T) {
	at, ok := held("time=2026-11-26T17:44:30.123Z level=DEBUG msg=decided turn=3 decision=hold reason=onset")
	if want := time.Date(2026, 11, 26, 17, 44, 30, 123e6, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("%v, %v", at, ok)
	}
	for _, line := range []string{"", "decision=hold", "time=soon decision=hold", "time=2026-11-26T17:44:30.123Z decision=resume"} {
		if _, ok := held(line); ok {
			t.Errorf("%q was taken for a hold", line)
		}
	}
}

func TestMix(t *testing.T) {
	plan := mix(tones("w", time.Second), tones("l", 2*time.Second), 20, 12, 5)
	var paused, cuts int
	for i, s := range plan {
		if s.pause > 0 {
			if paused++; s.pause != pauses[(paused-1)%len(pauses)] || s.said.Duration() != 2*time.Second+s.pause || s.cut {
				t.Errorf("step %d: pause %v in %v, cut %v", i, s.pause, s.said.Duration(), s.cut)
			}
		}
		if s.cut {
			cuts++
		}
	}
	if len(plan) != 32 || paused != 12 || cuts != 5 {
		t.Errorf("%d steps, %d paused, %d cuts", len(plan), paused, cuts)
	}
	if got := mix(nil, tones("l", time.Second), 0, 2, 0); len(got) != 2 {
		t.Errorf("%d steps of pauses alone", len(got))
	}
}

func TestLeaked(t *testing.T) {
	idle := stats{Goroutines: 7, Files: 12}
	if err := leaked(idle, stats{Goroutines: 6, Files: 12, RSS: 1 << 30}); err != nil {
		t.Error(err)
	}
	err := leaked(idle, stats{Goroutines: 9, Files: 13, Sessions: 1})
	if !errors.Is(err, ErrLeak) || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "9 goroutines, 7 before") {
		t.Errorf("%v", err)
	}
}

func TestAsked(t *testing.T) {
	for endpoint, want := range map[float64]time.Duration{650: 0, 699.6: 700 * ms, 712: 700 * ms, 930: 900 * ms, 5000: 1800 * ms, 1700: 1600 * ms} {
		r := result{account: &web.Latency{EndpointMS: endpoint}}
		if got := r.asked(waits); got != want {
			t.Errorf("%v ms: asked for %v, want %v", endpoint, got, want)
		}
	}
	if got := (result{}).asked(waits); got != 0 {
		t.Errorf("%v asked without an account", got)
	}
}

func TestQuoted(t *testing.T) {
	if got := quoted([]string{"--a", "b c", "it's"}); got != `--a 'b c' 'it'\''s'` {
		t.Error(got)
	}
}
