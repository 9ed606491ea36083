package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"parley/agent"
	"parley/agent/turn"
	"parley/media/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata anew")

// exchange is a turn: what was typed and what was answered, so long after.
type exchange struct {
	user, answer string
	after        time.Duration
}

// kept records a log of turns, one every ten seconds.
func kept(t *testing.T, dir, id string, end string, turns ...exchange) string {
	t.Helper()
	w, err := record.New(dir, record.Manifest{ID: id, Start: time.Unix(0, 0), Build: record.Build{Version: "v1"}}, record.Options{Buffer: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	log := func(now time.Duration, e agent.Event) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		seq++
		w.Log(seq, now, line)
	}
	for i, x := range turns {
		n, now := i+1, time.Duration(i+1)*10*time.Second
		log(now, agent.Event{Kind: agent.Step, Step: &turn.Entry{In: turn.Input{Kind: turn.Typed, Text: x.user},
			Out: []turn.Decision{{Kind: turn.Commit, Turn: n, Text: x.user, Reason: turn.Written}}}})
		log(now+x.after, agent.Event{Kind: agent.Step, Step: &turn.Entry{In: turn.Input{Kind: turn.Began, Turn: n}}})
		log(now+x.after, agent.Event{Kind: agent.Timing, Turn: n, Measured: agent.Measured{Latency: &agent.Latency{Token: x.after / 2, Phrase: x.after / 2, Audio: x.after, Sent: x.after}}})
		log(now+x.after+time.Second, agent.Event{Kind: agent.Answer, Turn: n, Said: &agent.Said{Generated: x.answer, Sent: x.answer, Heard: x.answer, Done: true}})
		log(now+x.after+time.Second, agent.Event{Kind: agent.Step, Step: &turn.Entry{In: turn.Input{Kind: turn.Ended, Turn: n}}})
	}
	log(time.Minute, agent.Event{Kind: agent.End, Text: end})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return time.Minute }, record.Taps{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, id+".conv")
}

// parley runs the verb as the command line does.
func parley(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c Cmd
	var out bytes.Buffer
	parser, err := kong.New(&c, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = k.Run()
	return out.String(), err
}

// code is what the process would end with.
func code(err error) int {
	if err == nil {
		return 0
	}
	var v interface{ ExitCode() int }
	if errors.As(err, &v) {
		return v.ExitCode()
	}
	return -1
}

var (
	hello  = exchange{"Good morning!", "Good morning, how may I help you?", 700 * time.Millisecond}
	time1  = exchange{"What time is it in Lisbon now, if you please, and is it light outside at this time of the year?", "It is nine o'clock.", 800 * time.Millisecond}
	thanks = exchange{"Thank you.", "You are welcome.", 500 * time.Millisecond}
)

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	kept(t, dir, "a", "the caller hung up", hello, time1, thanks)
	late, other := hello, time1
	late.after += 60 * time.Millisecond
	other.answer, other.after = "It is half past ten in Porto, the sun has set and I cannot tell you anything about Lisbon or any other place.", 2*time.Second
	kept(t, dir, "b", "goodbye was said", late, other, exchange{"And tomorrow?", "I do not know.", time.Second}, thanks)
	kept(t, dir, "c", "the caller hung up", late, time1, thanks)

	out, err := parley(t, "--dir", dir, "a", "b")
	if code(err) != 1 || err.Error() != "a and b differ: 4 differences" {
		t.Errorf("different: %d, %v", code(err), err)
	}
	golden(t, "different.txt", out)
	out, err = parley(t, "a", filepath.Join(dir, "c.conv"), "--dir", dir)
	if code(err) != 0 {
		t.Errorf("equal: %d, %v", code(err), err)
	}
	golden(t, "equal.txt", out)
	for _, flags := range [][]string{{"--slower", "10ms", "--slower-by", "1"}, {"--slower=0s", "--slower-by=0"}} {
		if _, err := parley(t, append(flags, "--dir", dir, "a", "c")...); code(err) != 1 {
			t.Errorf("%v: %d, %v", flags, code(err), err)
		}
	}
	if _, err := parley(t, "--dir", dir, "--answers", "different", "--slower", "5s", "a", "b"); code(err) != 1 || !strings.Contains(err.Error(), "2 differences") {
		t.Errorf("a policy that allows much: %d, %v", code(err), err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	for line := range strings.Lines(got) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	got = strings.ReplaceAll(got, time.Unix(0, 0).Local().Format(time.DateTime), "1970-01-01 00:00:00")
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%v; got:\n%s\nwant:\n%s", err, got, want)
	}
}

func TestDiffJSON(t *testing.T) {
	dir := t.TempDir()
	kept(t, dir, "a", "x", hello)
	kept(t, dir, "b", "x", thanks)
	for _, c := range []struct {
		b     string
		equal bool
	}{{"a", true}, {"b", false}} {
		out, err := parley(t, "--json", "--dir", dir, "a", c.b)
		var got struct {
			Equal       bool
			A           struct{ ID string }
			Pairs       []struct{ Grade string }
			Divergences []struct{ What string }
		}
		if bad := json.Unmarshal([]byte(out), &got); bad != nil || got.Equal != c.equal || c.equal != (err == nil) || got.A.ID != "a" || len(got.Pairs) != 1 ||
			(len(got.Divergences) > 0) == c.equal {
			t.Errorf("%s: %v, %v, %s", c.b, bad, err, out)
		}
	}
}

// What cannot be found out is told apart from what differs.
func TestDiffCannot(t *testing.T) {
	dir := t.TempDir()
	a := kept(t, dir, "a", "x", hello, thanks)
	foreign := kept(t, dir, "foreign", "x", hello)
	if err := os.WriteFile(filepath.Join(foreign, "log"), []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	future := kept(t, dir, "future", "x", hello)
	if err := os.WriteFile(filepath.Join(future, "manifest.json"), []byte(`{"schema":99,"id":"future"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"a", "nobody"}, {"../../etc", "a"}, {"a", "foreign"}, {"future", "a"}, {"a", "a", "--wer=-1"}, {"a", "a", "--slower=-1s"}, {"a", "a", "--concealed=NaN"}} {
		if out, err := parley(t, append(args, "--dir", dir)...); code(err) != 2 || out != "" {
			t.Errorf("%v: %d, %v, %s", args, code(err), err, out)
		}
	}
	if _, err := parley(t, "a"); err == nil {
		t.Error("one recording was compared with none")
	}
	// A log with a torn end is compared as far as it goes. It may be that the rest is equal: nobody knows.
	torn := kept(t, dir, "torn", "x", hello, thanks)
	end := filepath.Join(torn, "log")
	whole, err := os.ReadFile(end)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(end, whole[:len(whole)-30], 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := parley(t, a, torn)
	if code(err) != 2 || !strings.Contains(err.Error(), "as far as it can be told") || !strings.Contains(out, "not read: B:") {
		t.Errorf("%d, %v, %s", code(err), err, out)
	}
	// What is missing behind the tear may be there.
	short := kept(t, dir, "short", "x", hello)
	if whole, err = os.ReadFile(filepath.Join(short, "log")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(short, "log"), whole[:len(whole)-30], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err = parley(t, a, short); code(err) != 2 || !strings.Contains(out, "perhaps only because a log is not whole") {
		t.Errorf("%d, %v, %s", code(err), err, out)
	}
	if _, err = parley(t, "--slower=0s", "--slower-by=0", kept(t, dir, "fast", "x", exchange{hello.user, hello.answer, time.Millisecond}), short); code(err) != 1 {
		t.Errorf("a difference before it: %d, %v", code(err), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Cmd{A: a, B: a}).Run(ctx, io.Discard); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) || code(err) != 2 {
		t.Errorf("canceled: %v", err)
	}
	full := errors.New("no space left")
	if err := (&Cmd{A: a, B: a}).Run(t.Context(), writer(func([]byte) (int, error) { return 0, full })); err == nil || !strings.Contains(err.Error(), full.Error()) || code(err) != 2 {
		t.Errorf("a full disk: %v", err)
	}
}

type writer func(b []byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
