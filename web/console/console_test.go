package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/replay"
	"parley/agent/turn"
	"parley/media/record"
	"parley/web/console/consoletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// once makes the conversation that most tests look at.
var once struct {
	sync.Once
	bundle fs.FS
}

// bench is a console of a folder of recordings.
type bench struct {
	testing.TB
	*Console
	dir string
}

// newBench makes one of a folder with the conversation "talk". Change may change its options.
func newBench(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	dir := t.TempDir()
	once.Do(func() {
		all := fstest.MapFS{}
		path := consoletest.Talk(t, t.TempDir(), "talk", 1)
		for _, name := range []string{"manifest.json", "packets", "log"} {
			content, err := os.ReadFile(filepath.Join(path, name))
			if err != nil {
				t.Fatal(err)
			}
			all["talk.conv/"+name] = &fstest.MapFile{Data: content, Mode: 0o600}
		}
		once.bundle = all
	})
	if err := os.CopyFS(dir, once.bundle); err != nil {
		t.Fatal(err)
	}
	o := Options{Archive: &archive.Archive{Dir: dir}, Allow: func(*http.Request) bool { return true }, Cache: t.TempDir()}
	if change != nil {
		change(&o)
	}
	b := &bench{t, Handler(o), dir}
	t.Cleanup(b.Close)
	return b
}

func (b *bench) do(method, path string, header ...string) *http.Response {
	b.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Result()
}

func (b *bench) body(method, path string, code int, header ...string) []byte {
	b.Helper()
	res := b.do(method, path, header...)
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != code {
		b.Fatalf("%s %s: %d %s %v, want %d", method, path, res.StatusCode, body, err, code)
	}
	return body
}

func get[T any](b *bench, path string) (v T) {
	b.Helper()
	body := b.body("GET", path, http.StatusOK)
	if err := json.Unmarshal(body, &v); err != nil {
		b.Fatalf("%s: %v", path, err)
	}
	return v
}

// failure is the sentence of a refusal.
func (b *bench) failure(method, path string, code int, header ...string) string {
	b.Helper()
	var f Failure
	if err := json.Unmarshal(b.body(method, path, code, header...), &f); err != nil || f.Error == "" {
		b.Errorf("%s %s refuses without a reason: %v", method, path, err)
	}
	return f.Error
}

func TestList(t *testing.T) {
	b := newBench(t, nil)
	consoletest.Talk(t, b.dir, "longer", 2)
	if err := os.Mkdir(filepath.Join(b.dir, "empty.conv"), 0o700); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"":                            "longer talk empty",
		"?text=THE+sky+BLUE":          "longer talk",
		"?text=no+one+said+that":      "",
		"?with=interruptions":         "longer talk",
		"?with=troubles&least=60":     "longer",
		"?with=holds&most=60":         "talk",
		"?state=closed":               "longer talk",
		"?state=live":                 "",
		"?since=2026-11-20T15:00:00Z": "",
		"?until=2026-11-20T15:00:00Z": "longer talk",
		"?limit=1":                    "longer",
	} {
		l := get[List](b, "/recordings"+query)
		var ids []string
		for _, r := range l.Recordings {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != want || l.Pending != 0 {
			t.Errorf("%q: %q, %d pending; want %q", query, got, l.Pending, want)
		}
		if query == "?limit=1" && l.Total != 3 {
			t.Errorf("%d in all", l.Total)
		}
	}
	l := get[List](b, "/recordings?most=60&with=troubles")
	r := l.Recordings[0]
	if want := (Facts{Turns: 6, Interruptions: 2, Holds: 3, Troubles: 1, Latency: 0.867, Excerpt: "Why is the sky blue, and red in the evening?"}); r.Facts != want || r.State != "closed" || r.Length < 48 || r.Bytes == 0 || r.Codec != "opus" {
		t.Errorf("%+v", r)
	}
	for _, query := range []string{"state=odd", "with=odd", "since=yesterday", "until=1", "least=-1", "least=NaN", "most=x", "limit=0", "limit=1001", "limit=many"} {
		b.failure("GET", "/recordings?"+query, http.StatusBadRequest)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.failure("GET", "/recordings", http.StatusNotFound)
}

func TestCall(t *testing.T) {
	b := newBench(t, nil)
	c := get[Call](b, "/recordings/talk")
	if c.Path != filepath.Join(b.dir, "talk.conv") || c.Build != "v0.5.0 0123abcd" || !strings.Contains(c.Config, "You explain the world.") || c.Ended == "" || c.Recording.Wrong != "" {
		t.Errorf("%+v", c)
	}
	var interrupts []Decision
	for _, d := range c.Decisions {
		if d.Kind == string(turn.Interrupt) {
			interrupts = append(interrupts, d)
		}
	}
	if len(interrupts) != 2 || interrupts[0].Reason == "" || interrupts[0].Input.Kind == "" || interrupts[0].Seq == 0 || interrupts[0].At < 18 || interrupts[0].At > 19 {
		t.Errorf("interruptions: %+v", interrupts)
	}
	second := c.Turns[1]
	if !second.Timed || second.Latency.Sent < 0.3 || !second.Answer.Interrupted || len(second.UserWords) != 10 || len(second.Holds) != 2 || second.Spoken.To <= second.Spoken.From {
		t.Errorf("%+v", second)
	}
	if bytes.Contains(b.body("GET", "/recordings/talk", 200), []byte("null")) {
		t.Error("the page knows no null")
	}
}

// What does not exist, or may not be named, is refused with a reason, whatever is asked of it.
func TestHostile(t *testing.T) {
	b := newBench(t, nil)
	if err := os.WriteFile(filepath.Join(b.dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, code := range map[string]int{
		"none": 404, "..%2f..%2fetc": 400, "%2e%2e": 400, "a%00b": 400, "secret": 404, "talk.conv": 400, strings.Repeat("a", 65): 400, "%f0%9f%92%a9": 400,
	} {
		for _, what := range []string{"", "/peaks", "/sound"} {
			b.failure("GET", "/recordings/"+id+what, code)
		}
		b.failure("POST", "/recordings/"+id+"/exact", code)
	}
	b.failure("GET", "/recordings/talk/sound?side=third", http.StatusBadRequest)
	b.failure("GET", "/elsewhere", http.StatusNotFound)
	b.body("POST", "/recordings/talk/exact", http.StatusForbidden, "Sec-Fetch-Site", "cross-site")
}

func TestAllow(t *testing.T) {
	for name, allow := range map[string]func(*http.Request) bool{"nobody": nil, "not this one": func(*http.Request) bool { return false }} {
		b := newBench(t, func(o *Options) { o.Allow = allow })
		for _, path := range []string{"/recordings", "/recordings/talk", "/recordings/talk/sound", "/recordings/talk/peaks", "/"} {
			if text := b.failure("GET", path, http.StatusForbidden); !strings.Contains(text, "on the computer that the server runs on") {
				t.Errorf("%s: %s", name, text)
			}
		}
		b.failure("POST", "/recordings/talk/exact", http.StatusForbidden)
	}
}

// A recording that is broken is shown as far as it can be read, and says so.
func TestDamaged(t *testing.T) {
	b := newBench(t, nil)
	for file, do := range map[string]func([]byte) []byte{
		"log":           func(c []byte) []byte { return append(append(c[:len(c)/2:len(c)/2], "broken"...), c[len(c)/2+6:]...) },
		"packets":       func(c []byte) []byte { return c[:len(c)/2] },
		"manifest.json": func(c []byte) []byte { return c[:len(c)/2] },
	} {
		id := "broken-" + strings.TrimSuffix(file, ".json")
		consoletest.Talk(t, b.dir, id, 1)
		path := filepath.Join(b.dir, id+".conv", file)
		c, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, do(c), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if c := get[Call](b, "/recordings/broken-log"); c.Recording.Wrong == "" || len(c.Turns) == 0 || len(c.Holes) == 0 {
		t.Errorf("a log: %q, %d turns, %d holes", c.Recording.Wrong, len(c.Turns), len(c.Holes))
	}
	if c := get[Call](b, "/recordings/broken-packets"); c.Recording.State != "killed" || len(c.Turns) == 0 {
		t.Errorf("packets: %+v", c.Recording)
	}
	if peaks := b.body("GET", "/recordings/broken-packets/peaks", 200); len(peaks) < 6*4000 {
		t.Errorf("%d bytes of peaks", len(peaks))
	}
	res := b.do("GET", "/recordings/broken-manifest")
	var f Failure
	if err := json.NewDecoder(res.Body).Decode(&f); res.StatusCode >= 500 || res.StatusCode >= 400 && (err != nil || !strings.Contains(f.Error, "manifest.json")) {
		t.Errorf("a manifest: %d %+v %v", res.StatusCode, f, err)
	}
	for _, r := range get[List](b, "/recordings").Recordings {
		if r.ID == "broken-log" && r.Wrong == "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestExact(t *testing.T) {
	report, failed := replay.Report{}, error(nil)
	wait := make(chan struct{})
	entered := make(chan struct{}, 9)
	b := newBench(t, func(o *Options) {
		o.Exact = func(b *record.Bundle) (replay.Report, error) {
			entered <- struct{}{}
			<-wait
			return report, failed
		}
	})
	done := make(chan []byte)
	go func() { done <- b.body("POST", "/recordings/talk/exact", http.StatusOK) }()
	<-entered
	if text := b.failure("POST", "/recordings/talk/exact", http.StatusTooManyRequests); !strings.Contains(text, "try again") {
		t.Error(text)
	}
	close(wait)
	<-done
	for _, c := range []struct {
		report replay.Report
		err    error
		want   Verdict
		text   string
	}{
		{replay.Report{Events: 9, Length: time.Minute}, nil, Verdict{Ran: true, Equal: true, Events: 9}, ""},
		{replay.Report{Stopped: &replay.Hole{Span: replay.Span{From: 9303179885, To: 47941817770}, Why: "the disk was full"}}, nil, Verdict{Ran: true, Equal: true},
			"from 9.3 s to 47.9 s (the disk was full)"},
		{replay.Report{}, errors.New("an old log"), Verdict{}, "an old log"},
		{replay.Report{Difference: &replay.Difference{Is: &agent.Event{Kind: agent.State, Text: "thinking"}, At: time.Second, Causes: []agent.Event{{Seq: 7, Kind: agent.Step}}}}, nil,
			Verdict{Ran: true}, "at   1s\nwas  nothing\nis   {\"kind\":\"state\",\"text\":\"thinking\"}\nfrom 0s #7 {\"kind\":\"step\"}"},
	} {
		report, failed = c.report, c.err
		var v Verdict
		if err := json.Unmarshal(b.body("POST", "/recordings/talk/exact", http.StatusOK), &v); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(v.Text, c.text) || v.Ran != c.want.Ran || v.Equal != c.want.Equal || v.Events != c.want.Events {
			t.Errorf("%+v, want %+v %q", v, c.want, c.text)
		}
	}
	real := newBench(t, nil)
	var v Verdict
	if err := json.Unmarshal(real.body("POST", "/recordings/talk/exact", 200), &v); err != nil || !v.Ran || !v.Equal || v.Events < 1000 || v.Faster < 20 {
		t.Errorf("%+v %v", v, err)
	}
}

// A live conversation is in the list and can be looked at; it grows; it is run again only when it has ended.
func TestLive(t *testing.T) {
	b := newBench(t, nil)
	l := consoletest.Record(t, filepath.Join(b.dir, "talk.conv"), b.dir, "now")
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	l.Until(10 * time.Second)
	until("in the list", func() bool {
		r := get[List](b, "/recordings?state=live").Recordings
		return len(r) == 1 && r[0].ID == "now"
	})
	var c Call
	until("readable", func() bool {
		c = get[Call](b, "/recordings/now")
		return len(c.Turns) == 2 && c.Recording.Length > 9
	})
	if c.Recording.State != "live" || c.Recording.Length > 11 {
		t.Errorf("%+v", c.Recording)
	}
	if n := len(b.body("GET", "/recordings/now/peaks", 200)); n < 6*900 || n > 6*1100 {
		t.Errorf("%d peaks", n/6)
	}
	b.failure("POST", "/recordings/now/exact", http.StatusConflict)
	l.Until(25 * time.Second)
	until("longer", func() bool { return get[Call](b, "/recordings/now").Recording.Length > 24 })
	l.Until(time.Minute)
	l.End()
	if c := get[Call](b, "/recordings/now"); c.Recording.State != "closed" || len(c.Turns) != 6 {
		t.Errorf("%+v", c.Recording)
	}
	if n := len(b.body("GET", "/recordings/now/peaks", 200)); n < 6*5900 {
		t.Errorf("%d peaks", n/6)
	}
	b.body("POST", "/recordings/now/exact", http.StatusOK)
}

func FuzzList(f *testing.F) {
	for _, s := range []string{"", "text=a&state=live&with=holds", "since=2026-11-20T15:00:00Z&least=1e6&limit=7", "%zz", "least=NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		w, err := parse(q)
		if err == nil && (w.limit < 1 || w.limit > limitMost || w.Min < 0 || w.Max < 0) {
			t.Errorf("%q: %+v", s, w)
		}
	})
}
