package realtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
)

// TestMain has a proxy that does not answer: a server on this computer is reached without it.
func TestMain(m *testing.M) {
	for k, v := range map[string]string{"OPENAI_API_KEY": "", "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const ms = time.Millisecond

// recognizer is a Recognizer of s that logs to a journal, which is public.
func recognizer(t testing.TB, s *service, o Options) *Recognizer {
	t.Helper()
	o.BaseURL, o.Key = s.start(t), secret
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(&journal{t: t}, nil))
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// journal is a log that fails t for a secret.
type journal struct {
	t     testing.TB
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(line []byte) (int, error) {
	public(j.t, string(line))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

// count is how many lines have a text in them.
func (j *journal) count(text string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// public fails t if there is a secret in s.
func public(t testing.TB, s string) {
	t.Helper()
	if strings.Contains(s, secret) {
		t.Errorf("there is a secret in %q", s)
	}
}

// speech is frames of 20 ms at 16 kHz, with voice where there is sound.
func speech(at time.Duration, pcm []int16) []stt.Audio { return sampled(at, pcm, 16000) }

// sampled is speech of a rate.
func sampled(at time.Duration, pcm []int16, rate int) (frames []stt.Audio) {
	for part := range slices.Chunk(pcm, rate/50) {
		f := media.Frame{At: at, Rate: rate, PCM: part}
		frames = append(frames, stt.Audio{Frame: f, Voice: slices.ContainsFunc(part, func(v int16) bool { return v != 0 })})
		at += f.Duration()
	}
	return frames
}

// flushed has a Flush on its last frame.
func flushed(frames []stt.Audio) []stt.Audio {
	frames[len(frames)-1].Flush = true
	return frames
}

func last(frames []stt.Audio) time.Duration {
	f := frames[len(frames)-1]
	return f.At + f.Duration()
}

// outcome is what a call gave.
type outcome struct {
	finals   []string
	partials []string
	results  []stt.Result
	err      error
}

func (o outcome) text() string { return strings.Join(o.finals, "|") }

// hear runs a call to its end. Its error has no secret.
func hear(t testing.TB, r stt.Recognizer, in media.Source[stt.Audio]) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			public(t, fmt.Sprintf("%v %+v %#v", err, err, err))
			o.err = err
			continue
		}
		o.results = append(o.results, res)
		switch res.Kind {
		case stt.Final:
			o.finals = append(o.finals, res.Text)
		case stt.Partial:
			o.partials = append(o.partials, res.Text)
		}
	}
	return o
}

// held gives frames and then nothing, until its reader leaves or more gives others.
func held(frames []stt.Audio, more <-chan []stt.Audio) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for ok := true; ok; {
				for _, f := range frames {
					if !yield(f) {
						return
					}
				}
				select {
				case frames, ok = <-more:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// turns is a talk: words from one number to another, a pause and a Flush, again and again.
func turns(many, words int) (frames []stt.Audio) {
	at := time.Hour
	for k := range many {
		next := flushed(speech(at, slices.Concat(hush(100*ms), say(k*words+1, k*words+words), hush(300*ms))))
		frames, at = append(frames, next...), last(next)
	}
	return frames
}

func TestContract(t *testing.T) {
	for name, live := range map[string]bool{"live": true, "after the commit": false} {
		t.Run(name, func(t *testing.T) {
			sttest.Run(t, sttest.Options{
				New:    func(t testing.TB) stt.Recognizer { return recognizer(t, &service{live: live}, Options{}) },
				Speech: say(1, 4),
				Heard: func(text string) error {
					if text != names(1, 4) {
						return fmt.Errorf("heard %q", text)
					}
					return nil
				},
				Broken: func(t testing.TB) stt.Recognizer {
					return recognizer(t, &service{script: func(_ int, p *peer) { _ = p.c.Close(1011, "internal error") }}, Options{})
				},
			})
		})
	}
}

func TestNew(t *testing.T) {
	local := "http://127.0.0.1:1/v1"
	tests := []struct {
		name  string
		o     Options
		says  string // "" is no error
		class error
	}{
		{"no key", Options{}, "OPENAI_API_KEY is not set", provider.ErrAuth},
		{"key", Options{Key: secret}, "", nil},
		{"a server of one's own", Options{BaseURL: local}, "", nil},
		{"key of two lines", Options{Key: secret + "\nX: y"}, "line break", provider.ErrAuth},
		{"credentials in the URL", Options{BaseURL: "https://a:" + secret + "@h/v1"}, "without credentials", provider.ErrBadRequest},
		{"no URL", Options{BaseURL: "localhost:8000"}, "base URL must be like", provider.ErrBadRequest},
		{"languages", Options{BaseURL: local, Language: "en,fr"}, "", nil},
		{"languages for one", Options{BaseURL: local, Model: "whisper-1", Language: "en,fr"}, "takes one language", provider.ErrBadRequest},
		{"prompt", Options{BaseURL: local, Model: "gpt-realtime-whisper", Prompt: "Parley"}, "takes no prompt", provider.ErrBadRequest},
		{"delay", Options{BaseURL: local, Model: "gpt-realtime-whisper", Delay: "long"}, `"long" is none of minimal`, provider.ErrBadRequest},
		{"noise", Options{BaseURL: local, Noise: "near"}, `"near" is neither`, provider.ErrBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(tt.o)
			if (r == nil) == (tt.says == "") || !errors.Is(err, tt.class) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, error %v", r, err)
			}
			public(t, fmt.Sprint(err))
		})
	}
	for base, want := range map[string]string{
		"":                              "https://api.openai.com/v1/realtime?intent=transcription",
		"http://h:1/v1/":                "http://h:1/v1/realtime?intent=transcription",
		"https://h/openai/v1?version=2": "https://h/openai/v1/realtime?intent=transcription&version=2",
	} {
		if r, err := New(Options{BaseURL: base, Key: secret}); err != nil || r.url != want {
			t.Errorf("URL %v, error %v, want %s", r.url, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{BaseURL: "http://" + addr + "/v1", Key: secret})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	o := hear(t, r, held(speech(0, say(1, 1)), nil))
	if !errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "recognize speech with gpt-live-transcribe: ") ||
		!strings.Contains(o.err.Error(), "refused") || time.Since(begun) > time.Second {
		t.Errorf("error %v after %v", o.err, time.Since(begun))
	}
}

func TestSlowUpgrade(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r, err := New(Options{BaseURL: "http://" + l.Addr().String(), Limits: provider.Limits{Connect: 80 * ms}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	o := hear(t, r, held(speech(0, say(1, 1)), nil))
	if !errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "no connection within 80ms") || time.Since(begun) > time.Second {
		t.Errorf("error %v after %v", o.err, time.Since(begun))
	}
}

// TestUnauthorizedAtUpgrade12: a wrong key is asked with once, and is in no error.
func TestUnauthorizedAtUpgrade12(t *testing.T) {
	s := &service{refuse: func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"message":"Incorrect API key provided: %s.","type":"invalid_request_error","code":"invalid_api_key"}}`, secret)
		return true
	}}
	o := hear(t, recognizer(t, s, Options{}), held(speech(0, say(1, 1)), nil))
	var e *provider.Error
	if !errors.As(o.err, &e) || e.Class != provider.ErrAuth || e.Status != 401 || e.Code != "invalid_api_key" || e.Text != "Incorrect API key provided: [key]." {
		t.Errorf("error %v", o.err)
	}
	if n, _ := s.count(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestUpgradeStatus answers the first upgrade with other statuses, and then one in mid-call.
func TestUpgradeStatus(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		class  error
		again  bool // in mid-call it is tried again
	}{
		{400, "", provider.ErrBadRequest, false},
		{404, "<title>Nothing here</title>", provider.ErrBadRequest, false},
		{429, "", provider.ErrQuota, true},
		{429, `{"error":{"code":"insufficient_quota","message":"You exceeded your current quota."}}`, provider.ErrQuota, false},
		{503, "", provider.ErrUnavailable, true},
		{200, "", provider.ErrBadRequest, false},
	} {
		refuse := func(w http.ResponseWriter) bool {
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
			return true
		}
		o := hear(t, recognizer(t, &service{refuse: refuse}, Options{}), held(speech(0, say(1, 1)), nil))
		if !errors.Is(o.err, tt.class) || !strings.Contains(o.err.Error(), fmt.Sprint(tt.status)) {
			t.Errorf("%d: error %v, want %v", tt.status, o.err, tt.class)
		}
		s := &service{}
		s.refuse = func(w http.ResponseWriter) bool {
			n, _ := s.count()
			return n == 2 && refuse(w)
		}
		s.script = func(n int, p *peer) { p.serve(func(message) bool { return n == 1 && p.total > rate }) }
		o = hear(t, recognizer(t, s, Options{}), media.Of(turns(1, 6)...))
		if tt.again && (o.err != nil || o.text() != names(1, 6)) || !tt.again && !errors.Is(o.err, tt.class) {
			t.Errorf("%d in mid-call: heard %q, error %v", tt.status, o.finals, o.err)
		}
	}
}

// TestKeyRefusedInside: some keys are refused only after the upgrade, by an error or by the reason of a close.
func TestKeyRefusedInside(t *testing.T) {
	for name, refuse := range map[string]func(p *peer){
		"error": func(p *peer) {
			p.complain("invalid_request_error", "invalid_api_key", "Incorrect API key provided: "+secret, "")
			_ = p.c.Close(1008, "")
		},
		"close": func(p *peer) { _ = p.c.Close(3000, "invalid_request_error.invalid_api_key "+secret) },
	} {
		s := &service{script: func(_ int, p *peer) {
			p.next()
			refuse(p)
		}}
		o := hear(t, recognizer(t, s, Options{}), held(speech(0, say(1, 3)), nil))
		if n, _ := s.count(); !errors.Is(o.err, provider.ErrAuth) || n != 1 {
			t.Errorf("%s: error %v after %d connections", name, o.err, n)
		}
	}
}

// TestDeadlines has a service that takes a commit, and says nothing or no more: its session is replaced, and if all
// are like that it is an error.
func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		times  int // so many sessions are silent
		piece  bool
		limits provider.Limits
		says   string
	}{
		{"first, once", 1, false, provider.Limits{First: 60 * ms, Gap: time.Hour}, ""},
		{"gap, once", 1, true, provider.Limits{First: time.Hour, Gap: 60 * ms}, ""},
		{"for ever", 99, false, provider.Limits{First: 30 * ms}, "unavailable: no text of what was said within 30ms"},
		{"in all", 99, false, provider.Limits{First: 80 * ms, Total: 200 * ms}, "unavailable: no end of the answer within 200ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &service{script: func(n int, p *peer) {
				if n > tt.times {
					p.serve(nil)
					return
				}
				for m := p.next(); m.Type != ""; m = p.next() {
					if m.Type == "input_audio_buffer.commit" && tt.piece {
						p.about(committed, "item_1", "", "")
					}
				}
			}}
			o := hear(t, recognizer(t, s, Options{Limits: tt.limits}), held(turns(1, 3), ended(tt.says == "")))
			n, _ := s.count()
			var late *provider.Timeout
			if tt.says == "" && (o.err != nil || o.text() != names(1, 3) || n != 2) ||
				tt.says != "" && (!errors.As(o.err, &late) || !strings.HasSuffix(o.err.Error(), tt.says) || n > tries+1) {
				t.Errorf("heard %q on %d connections, error %v", o.finals, n, o.err)
			}
		})
	}
}

// ended is a closed channel: no more is said; or none, which is waited for.
func ended(closed bool) <-chan []stt.Audio {
	if !closed {
		return nil
	}
	c := make(chan []stt.Audio)
	close(c)
	return c
}

// TestNoDeadlineWhileNobodyWaits: a service need not say anything of audio that was not committed, however long.
func TestNoDeadlineWhileNobodyWaits(t *testing.T) {
	more := make(chan []stt.Audio)
	begin := speech(0, say(1, 1))
	s := &service{script: func(_ int, p *peer) {
		p.serve(func(message) bool {
			if p.total == 0 {
				return false
			}
			if more != nil {
				time.Sleep(150 * ms)
				more <- flushed(speech(last(begin), say(2, 2)))
				close(more)
				more = nil
			}
			return false
		})
	}}
	r := recognizer(t, s, Options{Limits: provider.Limits{First: 50 * ms, Gap: 50 * ms}})
	o := hear(t, r, held(begin, more))
	if n, _ := s.count(); o.err != nil || n != 1 || o.text() != names(1, 2) {
		t.Errorf("heard %q on %d connections, error %v", o.finals, n, o.err)
	}
}

// TestSlowConsumer holds the loop for longer than every wait.
func TestSlowConsumer(t *testing.T) {
	s := &service{live: true}
	r := recognizer(t, s, Options{Limits: provider.Limits{First: 50 * ms, Gap: 50 * ms, Total: time.Second}})
	var finals []string
	for res, err := range r.Recognize(t.Context(), media.Of(turns(2, 3)...)) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * ms)
		if res.Kind == stt.Final {
			finals = append(finals, res.Text)
		}
	}
	if n, _ := s.count(); strings.Join(finals, "|") != names(1, 3)+"|"+names(4, 6) || n != 1 {
		t.Errorf("heard %q on %d connections", finals, n)
	}
}

// TestCancelFreesTheSocket is from the end of ctx to the end of the connection at the server, and of the loop.
func TestCancelFreesTheSocket(t *testing.T) {
	s := &service{live: true}
	r := recognizer(t, s, Options{})
	var freed, left []time.Duration
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		var at time.Time
		for _, err := range r.Recognize(ctx, held(speech(0, say(1, 3)), nil)) {
			if at.IsZero() {
				at = time.Now()
				cancel()
			}
			if err != nil && err != context.Canceled {
				t.Error(err)
			}
		}
		cancel()
		left = append(left, time.Since(at))
		select {
		case end := <-s.gone:
			freed = append(freed, end.Sub(at))
		case <-time.After(5 * time.Second):
			t.Fatal("the connection is still there")
		}
	}
	for what, took := range map[string][]time.Duration{"the loop": left, "the socket": freed} {
		slices.Sort(took)
		if took[10] > 50*ms || took[19] > 500*ms {
			t.Errorf("%s ends after %v, %v at most", what, took[10], took[19])
		}
	}
}

// TestLeaveFreesTheSocket: the same when the consumer leaves, also while nobody speaks.
func TestLeaveFreesTheSocket(t *testing.T) {
	s := &service{live: true}
	r := recognizer(t, s, Options{})
	for _, kind := range []stt.Kind{stt.Partial, stt.Final} {
		for res, err := range r.Recognize(t.Context(), held(turns(1, 3), nil)) {
			if err != nil {
				t.Fatal(err)
			}
			if res.Kind == kind {
				break
			}
		}
		select {
		case <-s.gone:
		case <-time.After(5 * time.Second):
			t.Fatalf("the connection is still there after a %v", kind)
		}
	}
}

// TestPing: a server's ping is answered while nobody speaks.
func TestPing(t *testing.T) {
	more := make(chan []stt.Audio)
	s := &service{script: func(_ int, p *peer) {
		p.serve(func(m message) bool { return m.Type == "input_audio_buffer.commit" })
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		go func() { _, _, _ = p.c.Read(ctx) }() // takes the pong
		if err := p.c.Ping(ctx); err != nil {
			p.fault("ping: %v", err)
		}
		close(more)
	}}
	if o := hear(t, recognizer(t, s, Options{}), held(turns(1, 2), more)); o.err != nil || o.text() != names(1, 2) {
		t.Errorf("heard %q, error %v", o.finals, o.err)
	}
}

func TestWrongRate(t *testing.T) {
	for _, rate := range []int{4000, 96000} {
		o := hear(t, recognizer(t, &service{}, Options{}), media.Of(sampled(0, make([]int16, rate/50), rate)...))
		if !errors.Is(o.err, provider.ErrBadRequest) || !strings.Contains(o.err.Error(), fmt.Sprint(rate)) {
			t.Errorf("error %v", o.err)
		}
	}
}
