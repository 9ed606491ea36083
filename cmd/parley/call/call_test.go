package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/caller/callertest"
	"parley/internal/wav"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// file writes pcm as a WAV file.
func file(t *testing.T, name string, rate int, pcm []int16) string {
	path := filepath.Join(t.TempDir(), name)
	w, err := wav.Create(path, rate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func dial(t *testing.T, cmd Cmd) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if cmd.Timeout == 0 {
		cmd.Timeout = 10 * time.Second
	}
	if cmd.Greeting == 0 {
		cmd.Greeting = 100 * ms
	}
	var out bytes.Buffer
	err := cmd.Run(ctx, &out)
	t.Log(out.String(), err)
	return out.String(), err
}

func TestThreeTurns(t *testing.T) {
	dir := t.TempDir()
	cmd := Cmd{
		URL:    callertest.Agent{Answer: 1200 * ms}.Start(t),
		Say:    []string{file(t, "first.wav", 16000, callertest.Tone(600*ms)), file(t, "cut.wav", 48000, callertest.Tone(900*ms)) + "@+300ms"},
		Type:   []string{"hello"},
		Listen: filepath.Join(dir, "out.wav"),
		JSON:   filepath.Join(dir, "events.jsonl"),
	}
	out, err := dial(t, cmd)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`connected, session s1\n`,
		`turn 1: .*first.wav \(0.60 s\): answered after \d+ ms\n`,
		`turn 2: .*cut.wav \(0.30 s\): the agent stopped after \d+ ms: answered after \d+ ms\n`,
		`turn 3: "hello": answered after \d+ ms\n`,
		`call of \d+\.\d s: heard 2\.\d s of sound in \d+ packets; 0 lost, \d+ later than 60 ms, p99 lateness \d+\.\d ms\n`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("not printed: %s", want)
		}
	}
	sum, turns, kinds := events(t, cmd.JSON)
	if sum == nil || sum.Session != "s1" || sum.Lost != 0 || len(turns) != 3 || kinds["message"] < 5 {
		t.Fatalf("%+v, %d turns, %v", sum, len(turns), kinds)
	}
	if turns[1].Stop == nil || *turns[1].Stop > 300 || turns[0].Stop != nil {
		t.Errorf("stops in %+v", turns)
	}
	for _, turn := range turns {
		if r := turn.Response; r == nil || *r < 0 || *r > 600 {
			t.Errorf("response in %+v", turn)
		}
	}
	a, err := wav.ReadFile(cmd.Listen, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if d := a.Duration() - time.Duration(sum.Length*float64(time.Millisecond)); d < -50*ms || d > 50*ms {
		t.Errorf("%v written of a call of %v ms", a.Duration(), sum.Length)
	}
	at := int(turns[0].Last+*turns[0].Response) * 16
	if before, in := wav.Level(a.PCM[at-1600:at-640]), wav.Level(a.PCM[at+640:at+3200]); before > -60 || in < -23 || in > -17 {
		t.Errorf("around the answer: %.1f, %.1f dBFS", before, in)
	}
}

func TestBadNetworkAndOldCodec(t *testing.T) {
	cmd := Cmd{
		URL:   callertest.Agent{Answer: 600 * ms, After: 500 * ms}.Start(t),
		Say:   []string{file(t, "tone.wav", 16000, callertest.Tone(1500*ms))},
		JSON:  filepath.Join(t.TempDir(), "events.jsonl"),
		Codec: []string{"pcmu"}, Net: "burst5", Seed: 3,
	}
	out, err := dial(t, cmd)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`connected, session s1, codec PCMU\n`,
		`turn 1: .*tone.wav \(1.50 s\): answered after \d+ ms\n`,
		`network burst5, seed 3: to the server \d+ of \d+ packets lost \(\d+\.\d %\), from it \d+ of \d+ packets lost \(\d+\.\d %\)\n`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("not printed: %s", want)
		}
	}
	sum, _, _ := events(t, cmd.JSON)
	if sum == nil || sum.Codec != "PCMU" || sum.Network == nil || sum.Network.Profile != "burst5" || sum.Network.Up < 100 || sum.Network.Up < sum.Network.UpLost {
		t.Errorf("%+v", sum)
	}
}

// events reads a JSON file of a call.
func events(t *testing.T, path string) (sum *summary, turns []turn, kinds map[string]int) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kinds = map[string]int{}
	for text := range strings.Lines(string(b)) {
		var e entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		kinds[e.Kind]++
		if e.Turn != nil {
			turns = append(turns, *e.Turn)
		}
		if e.Summary != nil {
			sum = e.Summary
		}
	}
	return sum, turns, kinds
}

func TestAgentHangsUp(t *testing.T) {
	tone := file(t, "tone.wav", 16000, callertest.Tone(200*ms))
	url := callertest.Agent{Answer: 5 * time.Second, HangUp: 1500 * ms}.Start(t)
	if _, err := dial(t, Cmd{URL: url, Say: []string{tone}}); err != nil {
		t.Errorf("hung up after its answer: %v", err)
	}
	url = callertest.Agent{Deaf: true, HangUp: 500 * ms}.Start(t)
	if _, err := dial(t, Cmd{URL: url, Say: []string{tone}}); err == nil || !strings.Contains(err.Error(), "hung up") {
		t.Errorf("hung up before its answer: %v", err)
	}
}

func TestFailures(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "All lines are busy.", http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	deaf := callertest.Agent{Deaf: true}.Start(t)
	tone := file(t, "tone.wav", 16000, callertest.Tone(200*ms))
	text := filepath.Join(t.TempDir(), "text.wav")
	if err := os.WriteFile(text, []byte("no sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cmd  Cmd
		want string
	}{
		{"nothing to say", Cmd{URL: deaf}, "nothing to say"},
		{"no such file", Cmd{URL: deaf, Say: []string{"no/such.wav"}}, "no such file"},
		{"not a WAV file", Cmd{URL: deaf, Say: []string{text}}, "text.wav: not a readable WAV file"},
		{"an empty file", Cmd{URL: deaf, Say: []string{file(t, "empty.wav", 16000, nil)}}, "empty.wav: it holds no sound"},
		{"a rate of no use", Cmd{URL: deaf, Say: []string{file(t, "slow.wav", 1000, make([]int16, 10))}}, "1000 Hz"},
		{"a wrong time", Cmd{URL: deaf, Say: []string{tone + "@soon"}}, `when is "soon"?`},
		{"busy", Cmd{URL: busy.URL, Say: []string{tone}}, "All lines are busy."},
		{"no answer", Cmd{URL: deaf, Say: []string{tone}, Timeout: 300 * ms}, "did not answer " + tone + " within 300ms"},
		{"nobody to interrupt", Cmd{URL: deaf, Say: []string{tone + "@+1s"}, Timeout: 300 * ms}, "before " + tone},
		{"a network that is not known", Cmd{URL: deaf, Say: []string{tone}, Net: "dialup"}, `--net: there is no network profile "dialup"; known are clean`},
		{"a codec that is not known", Cmd{URL: deaf, Say: []string{tone}, Codec: []string{"mp3"}}, "--codec mp3: known are [opus G722 PCMU PCMA]"},
		{"nowhere to write", Cmd{URL: deaf, Say: []string{tone}, Listen: filepath.Join(text, "x")}, "create WAV"},
		{"nowhere to write events", Cmd{URL: deaf, Say: []string{tone}, JSON: filepath.Join(text, "x")}, "create JSON file"},
		{"a full disk", Cmd{URL: callertest.Agent{Answer: 100 * ms}.Start(t), Say: []string{tone}, JSON: "/dev/full"}, "write JSON file"},
	} {
		if _, err := dial(t, c.cmd); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func TestParseSay(t *testing.T) {
	for _, c := range []struct {
		in, file string
		when     when
		ok       bool
	}{
		{"a.wav", "a.wav", when{}, true},
		{"a.wav@after", "a.wav", when{}, true},
		{"a.wav@+500ms", "a.wav", when{began, 500 * ms}, true},
		{"a.wav@1.5s", "a.wav", when{absolute, 1500 * ms}, true},
		{"me@home.WAV", "me@home.WAV", when{}, true},
		{"me@home.wav@2s", "me@home.wav", when{absolute, 2 * time.Second}, true},
		{"a.wav@", "", when{}, false},
		{"a.wav@500", "", when{}, false},
		{"a.wav@-1s", "", when{}, false},
		{"a.wav@+-1s", "", when{}, false},
	} {
		file, w, err := parseSay(c.in)
		if file != c.file || w != c.when || (err == nil) != c.ok {
			t.Errorf("%s: %q at %+v, %v", c.in, file, w, err)
		}
	}
}

func FuzzParseSay(f *testing.F) {
	f.Add("a.wav@+500ms")
	f.Add("me@home.wav@1.5s")
	f.Fuzz(func(t *testing.T, s string) {
		file, w, err := parseSay(s)
		if err == nil && (!strings.HasPrefix(s, file) || w.d < 0) {
			t.Errorf("%q: %q at %+v", s, file, w)
		}
	})
}

func TestMessagesThatAreNotJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	r, err := newReport(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	r.write(entry{Kind: "message", Message: json.RawMessage(`{"a":1}`)})
	r.write(entry{Kind: "message", Text: "hello\n"})
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	want := []string{`{"at":0,"kind":"message","message":{"a":1}}`, `{"at":0,"kind":"message","text":"hello\n"}`, ""}
	if got := strings.Split(string(b), "\n"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
