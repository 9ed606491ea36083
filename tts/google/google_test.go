package google

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/ttstest"
)

const (
	ms         = time.Millisecond
	plainVoice = "en-US-Neural2-A" // one that does not stream
)

// both runs a test with a voice that streams and with one that does not.
func both(t *testing.T, test func(t *testing.T, o Options)) {
	for name, voice := range map[string]string{"streaming": "", "unary": plainVoice} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Options{Voice: voice})
		})
	}
}

func only(plans ...plan) func(int) plan {
	return func(n int) plan {
		if n < len(plans) {
			return plans[n]
		}
		return plan{}
	}
}

func TestContract(t *testing.T) {
	for name, voice := range map[string]string{"streaming": "", "unary": plainVoice} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			f.start(t)
			down := &fake{plans: func(int) plan { return plan{refuse: status.Error(codes.Unavailable, "try again")} }}
			down.start(t)
			var v *Voice
			ttstest.Run(t, ttstest.Options{
				New: func(t testing.TB) tts.Voice {
					v = f.client(t, Options{Voice: voice})
					return v
				},
				Broken: func(t testing.TB) tts.Voice {
					v = down.client(t, Options{Voice: voice})
					return v
				},
				Release: func() { _ = v.Close() },
			})
		})
	}
}

// heard fails t unless the phrases were said, each once and whole.
func heard(t *testing.T, f *fake, v *Voice, phrases ...string) {
	t.Helper()
	got, err := said(t, v, phrases...)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for _, p := range phrases {
		want = append(want, sound(strings.TrimSpace(p), v.o.Rate)...)
	}
	if !slices.Equal(got, samples(want)) {
		t.Errorf("%d samples, want %d, or others", len(got), len(want)/2)
	}
}

// The WAV header of LINEAR16 is not heard, nor is what a raw stream begins with taken for one.
func TestWAVIsStripped(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		f := &fake{}
		heard(t, f, f.client(t, o), "Good morning.")
	})
	f := &fake{plans: only(plan{raw: []byte("RIFFxx")})}
	got, err := said(t, f.client(t, Options{Voice: plainVoice}), "a")
	if err != nil || len(got) != 3 {
		t.Errorf("%d samples, error %v", len(got), err)
	}
}

// The rate is what the header says.
func TestRateOfTheHeader(t *testing.T) {
	data := sound("abc", 16000)
	f := &fake{plans: only(plan{raw: file(16000, data, 0xffffffff)})}
	for a, err := range f.client(t, Options{Voice: plainVoice}).Speak(t.Context(), media.Of("abc")) {
		if err != nil || a.Rate != 16000 {
			t.Fatalf("rate %d, error %v", a.Rate, err)
		}
	}
	f = &fake{plans: only(plan{raw: file(16000, data, 0)})}
	_, err := said(t, f.client(t, Options{Voice: plainVoice}), "abc", "def")
	if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "24000 Hz after 16000 Hz") {
		t.Errorf("error %v", err)
	}
}

// More than 5,000 bytes are cut at sentences; no rune is.
func TestLongText(t *testing.T) {
	sentence := "Größe übt — 日本語, e\u0301té 👩‍👩‍👧 שלום. "
	long := strings.Repeat(sentence, 300)
	both(t, func(t *testing.T, o Options) {
		f := &fake{}
		if _, err := said(t, f.client(t, o), long); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		var all []string
		for _, a := range f.asked {
			all = append(all, a.texts...)
		}
		if strings.Join(all, " ")+" " != long || len(all) < 4 {
			t.Errorf("%d texts are not what was given", len(all))
		}
		for _, s := range all {
			if !utf8.ValidString(s) || !strings.HasSuffix(s, ".") || len(s) < 4900 && s != all[len(all)-1] {
				t.Errorf("%d bytes end with %q", len(s), s[len(s)-10:])
			}
		}
		if o.Voice == "" && len(f.asked) != 1 {
			t.Errorf("%d streams for one phrase", len(f.asked))
		}
	})
}

// What is asked for, in which order.
func TestRequest(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		f := &fake{}
		o.Rate, o.Speed, o.Language = 16000, 1.25, "en-GB"
		heard(t, f, f.client(t, o), "One. ", "Two.")
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.asked) != 2 {
			t.Fatalf("asked %d times", len(f.asked))
		}
		for _, a := range f.asked {
			if a.rate != 16000 || a.speed != 1.25 || a.voice.GetLanguageCode() != "en-GB" || a.stream != (o.Voice == "") || a.ssml {
				t.Errorf("asked %+v", a)
			}
		}
	})
}

// Phrases come further apart than Google waits for text.
func TestPausesBetweenPhrases(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		f := &fake{idle: 100 * ms}
		slow := func(ctx context.Context) iter.Seq[string] {
			return func(yield func(string) bool) {
				for _, s := range []string{"One.", "Two."} {
					if !yield(s) {
						return
					}
					time.Sleep(250 * ms)
				}
			}
		}
		got, err := listen(t, f.client(t, o).Speak(t.Context(), slow))
		if err != nil || len(got) != 8*240 {
			t.Errorf("%d samples, error %v", len(got), err)
		}
	})
}

func TestTriedAgain(t *testing.T) {
	down := plan{refuse: status.Error(codes.Unavailable, "try again")}
	both(t, func(t *testing.T, o Options) {
		f := &fake{plans: only(down, down)}
		heard(t, f, f.client(t, o), "Hello.")
		f = &fake{plans: only(down, down, down)}
		_, err := said(t, f.client(t, o), "Hello.")
		if !errors.Is(err, provider.ErrUnavailable) || f.count() != 3 {
			t.Errorf("asked %d times, error %v", f.count(), err)
		}
		o.Limits.First = 90 * ms // no time for another try
		f = &fake{plans: only(down)}
		if _, err = said(t, f.client(t, o), "Hello."); !errors.Is(err, provider.ErrUnavailable) || f.count() != 1 {
			t.Errorf("asked %d times, error %v", f.count(), err)
		}
	})
}

// What is refused is refused once.
func TestRefusals(t *testing.T) {
	tests := []struct {
		code  codes.Code
		says  string
		class error
	}{
		{codes.ResourceExhausted, "Quota exceeded", provider.ErrQuota},
		{codes.InvalidArgument, "Voice 'x' does not exist", provider.ErrBadRequest},
		{codes.Unauthenticated, "bad token ya29.a0AfH6SMBx", provider.ErrAuth},
		{codes.PermissionDenied, "API has not been used", provider.ErrAuth},
	}
	both(t, func(t *testing.T, o Options) {
		for _, tt := range tests {
			f := &fake{plans: func(int) plan { return plan{refuse: status.Error(tt.code, tt.says)} }}
			_, err := said(t, f.client(t, o), "Hello.")
			var e *provider.Error
			if !errors.Is(err, tt.class) || !errors.As(err, &e) || e.Code != tt.code.String() || strings.Contains(err.Error(), "ya29") || f.count() != 1 {
				t.Errorf("%v: asked %d times, error %v", tt.code, f.count(), err)
			}
		}
	})
}

// A phrase that breaks off is not said again.
func TestBreaksOff(t *testing.T) {
	f := &fake{plans: only(plan{first: 6400, err: status.Error(codes.Unavailable, "gone")})}
	got, err := said(t, f.client(t, Options{}), "Good morning to you.")
	if len(got) != 3200 || !errors.Is(err, provider.ErrTruncated) || f.count() != 1 {
		t.Errorf("%d samples, asked %d times, error %v", len(got), f.count(), err)
	}
	f = &fake{plans: only(plan{first: 6400, err: status.Error(codes.Aborted, "Stream aborted due to long duration elapsed without input sent.")})}
	if _, err := said(t, f.client(t, Options{}), "Good morning to you."); !errors.Is(err, provider.ErrTruncated) {
		t.Errorf("error %v", err)
	}
}

// TestCancelFreesTheStream cancels in the middle of the audio and waits until the server has noticed.
func TestCancelFreesTheStream(t *testing.T) {
	f := &fake{plans: func(int) plan { return plan{first: 6400, hang: true} }}
	v := f.client(t, Options{})
	var times []time.Duration
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		hung := errors.New("hung up")
		var begun time.Time
		for _, err := range v.Speak(ctx, media.Of("Good morning to you.")) {
			if err != nil && !errors.Is(err, hung) {
				t.Fatal(err)
			}
			if begun.IsZero() {
				begun = time.Now()
				cancel(hung)
			}
		}
		f.idleness(t)
		times = append(times, time.Since(begun))
		cancel(nil)
	}
	slices.Sort(times)
	if times[10] > 50*ms || times[19] > 500*ms {
		t.Errorf("the server noticed after %v", times)
	}
}

func TestNoAudio(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		f := &fake{plans: only(plan{empty: true})}
		got, err := said(t, f.client(t, o), "Hm", "Hello.")
		if err != nil || len(got) != 6*240 {
			t.Errorf("%d samples, error %v", len(got), err)
		}
	})
}

func TestOddLengths(t *testing.T) {
	for _, size := range []int{1, 7, 961, 4001} {
		f := &fake{plans: func(int) plan { return plan{size: size} }}
		heard(t, f, f.client(t, Options{}), "Good morning.", "Hi.")
	}
}

func TestSSML(t *testing.T) {
	f := &fake{}
	if _, err := said(t, f.client(t, Options{}), "<speak>Hi</speak>"); !errors.Is(err, provider.ErrBadRequest) || f.count() != 0 {
		t.Errorf("asked %d times, error %v", f.count(), err)
	}
	v := f.client(t, Options{Voice: plainVoice})
	if _, err := said(t, v, "<speak>Hi</speak>"); err != nil || !f.asked[0].ssml {
		t.Errorf("asked %+v, error %v", f.asked, err)
	}
	if _, err := said(t, v, "<speak>"+strings.Repeat("x", 5000)+"</speak>"); !errors.Is(err, provider.ErrBadRequest) {
		t.Errorf("error %v", err)
	}
}

func TestRefusedFailsFast(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := &fake{addr: l.Addr().String()}
		_ = l.Close()
		begun := time.Now()
		_, err = said(t, f.client(t, o), "Hello.")
		if d := time.Since(begun); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "refused") || d > 2*time.Second {
			t.Errorf("after %v error %v", d, err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	nobody := func() *fake { return &fake{addr: silent.Addr().String()} }
	hang := func(first int) *fake {
		return &fake{plans: func(int) plan { return plan{first: first, hang: true} }}
	}
	tests := []struct {
		f      *fake
		voice  string
		limits provider.Limits
		says   string
	}{
		{nobody(), "", provider.Limits{Connect: 100 * ms}, "no connection within 100ms"},
		{nobody(), plainVoice, provider.Limits{First: 100 * ms}, "no first audio within 100ms"},
		{hang(0), "", provider.Limits{First: 100 * ms}, "no first audio within 100ms"},
		{hang(0), plainVoice, provider.Limits{First: 100 * ms}, "no first audio within 100ms"},
		{hang(6400), "", provider.Limits{Gap: 100 * ms}, "no next audio within 100ms"},
		{hang(1 << 20), "", provider.Limits{Total: 100 * ms}, "no end of the answer within 100ms"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			_, err := said(t, tt.f.client(t, Options{Voice: tt.voice, Limits: tt.limits}), "Good morning.")
			var late *provider.Timeout
			if !errors.As(err, &late) || !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		})
	}
}

// TestSlowConsumer holds the loop for longer than any limit.
func TestSlowConsumer(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.Limits = provider.Limits{Connect: time.Second, First: time.Second, Gap: 50 * ms, Total: time.Second}
		f := &fake{plans: func(int) plan { return plan{size: 1600} }}
		for _, err := range f.client(t, o).Speak(t.Context(), media.Of("Good morning, Sir.")) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(120 * ms)
		}
	})
}

func TestNew(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist.json")
	t.Setenv("HOME", t.TempDir())
	tests := []struct {
		name  string
		o     Options
		class error
	}{
		{"no credentials", Options{}, provider.ErrAuth},
		{"rate", Options{Rate: 4000}, provider.ErrBadRequest},
		{"speed", Options{Speed: 3}, provider.ErrBadRequest},
		{"voice without a language", Options{Voice: "Kore"}, provider.ErrBadRequest},
		{"endpoint", Options{Endpoint: "http://user:secret@host"}, provider.ErrBadRequest},
		{"account", Options{Credentials: own.Account(t)}, nil},
		{"three letters", Options{Voice: "cmn-CN-Chirp3-HD-Kore", Endpoint: "http://127.0.0.1:1"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(tt.o)
			if !errors.Is(err, tt.class) || (v == nil) != (tt.class != nil) {
				t.Fatalf("got %v, error %v", v, err)
			}
			if err != nil {
				own.Safe(t, err)
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("error %v tells a password", err)
				}
				return
			}
			_ = v.Close()
		})
	}
}

// Over TLS the service account signs for itself; a server that repeats that in an error is not repeated.
func TestCredentials(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		f := &fake{}
		f.start(t, own.Server())
		o.Endpoint, o.Credentials = f.addr, own.Account(t)
		v := f.client(t, o)
		if err := v.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		heard(t, f, v, "Hello.")
		f.mu.Lock()
		token := f.header[0]
		f.plans = func(int) plan { return plan{refuse: status.Error(codes.Unauthenticated, "wrong: "+token)} }
		f.mu.Unlock()
		jwt, ok := strings.CutPrefix(token, "Bearer ")
		if !ok || !own.Signed(jwt) {
			t.Errorf("authorization %q is not signed by the account", token)
		}
		if _, err := said(t, v, "Hello."); !errors.Is(err, provider.ErrAuth) || !strings.Contains(err.Error(), "wrong: [key]") {
			t.Errorf("error %v", err)
		}
	})
}

func TestWarm(t *testing.T) {
	f := &fake{}
	v := f.client(t, Options{})
	if err := v.Warm(t.Context()); err != nil || f.conns.Load() != 1 {
		t.Errorf("%d connections, error %v", f.conns.Load(), err)
	}
	if heard(t, f, v, "Hello."); f.conns.Load() != 1 {
		t.Error("the first call connects although it was done before")
	}
	nobody := &fake{addr: "127.0.0.1:1"}
	if err := nobody.client(t, Options{}).Warm(t.Context()); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}
