package aws

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// The cases are numbered as in the list that every Polly client should prove.

// The first audio is there while the service is still speaking.
func TestStreamedBody1(t *testing.T) {
	heard := make(chan struct{})
	v := voice(t, &service{answer: func(w http.ResponseWriter, r *http.Request, in input) {
		all := sound(in.Text)
		w.Header().Set("Content-Type", "audio/pcm")
		_, _ = w.Write(all[:641])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-heard:
			_, _ = w.Write(all[641:])
		case <-r.Context().Done():
		}
	}}, Options{})
	var o outcome
	for a, err := range v.Speak(t.Context(), media.Of("Hello, how are you?")) {
		if err != nil {
			t.Fatal(err)
		}
		if len(o.pcm) == 0 {
			close(heard)
		}
		o.pcm = append(o.pcm, a.PCM...)
	}
	says(t, o, "Hello, how are you?")
}

func TestLongText2(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("This is one of many sentences, which go on. ", 200)) // 8800 characters
	for _, stream := range []bool{false, true} {
		s := &service{}
		o := told(t, voice(t, s, Options{Stream: stream}), media.Of(long))
		if o.err != nil || len(o.pcm) < 320*8700 {
			t.Errorf("%d samples, error %v", len(o.pcm), o.err)
		}
		for _, in := range s.inputs() {
			if !strings.HasSuffix(in.Text, "go on.") || !strings.HasPrefix(in.Text, "This is") {
				t.Errorf("a request for %q…%q", in.Text[:20], in.Text[len(in.Text)-20:])
			}
		}
		if n := len(s.inputs()); !stream && n != 3 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestStatus answers with errors; only what may pass is asked for again, once (cases 3, 4 and 5).
func TestStatus(t *testing.T) {
	tests := []struct {
		name, kind string
		status     int
		times      int32 // as often
		asked      int
		class      error
	}{
		{"throttled 3", "ThrottlingException", 400, 9, 1, provider.ErrQuota},
		{"throttled by 429", "TooManyRequestsException", 429, 9, 1, provider.ErrQuota},
		{"failure, then success 4", "ServiceFailureException", 500, 1, 2, nil},
		{"failures", "ServiceFailureException", 503, 9, 2, provider.ErrUnavailable},
		{"wrong key 5", "UnrecognizedClientException", 403, 9, 1, provider.ErrAuth},
		{"expired", "ExpiredTokenException", 403, 9, 1, provider.ErrAuth},
		{"no such voice", "InvalidParameterValueException", 400, 9, 1, provider.ErrBadRequest},
		{"too long", "TextLengthExceededException", 400, 9, 1, provider.ErrBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s := &service{answer: func(w http.ResponseWriter, r *http.Request, in input) {
				if n.Add(1) > tt.times {
					speak(w, r, in)
					return
				}
				refuse(w, tt.status, tt.kind, "The key "+keyID+" with "+token+" and "+secret+" is no good")
			}}
			begun := time.Now()
			o := told(t, voice(t, s, Options{}), media.Of("Hello."))
			if asked := len(s.inputs()); asked != tt.asked || time.Since(begun) > 2*time.Second {
				t.Errorf("asked %d times in %v, want %d", asked, time.Since(begun), tt.asked)
			}
			if tt.class == nil {
				says(t, o, "Hello.")
				return
			}
			var e *provider.Error
			if !errors.As(o.err, &e) || e.Class != tt.class || e.Status != tt.status || e.Code != tt.kind || !strings.Contains(e.Text, "The key [secret] with [secret]") {
				t.Errorf("error %v, want %v", o.err, tt.class)
			}
		})
	}
}

// TestOther has answers that are not the service's.
func TestOther(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, in input)
		class  error
		says   string
	}{
		"web page": {func(w http.ResponseWriter, _ *http.Request, _ input) {
			_, _ = io.WriteString(w, "<html><title>Sign in</title>")
		}, provider.ErrUnavailable, `not audio/pcm but "text/html`},
		"bad gateway": {func(w http.ResponseWriter, _ *http.Request, _ input) {
			http.Error(w, "<h1>no</h1>", http.StatusBadGateway)
		}, provider.ErrUnavailable, "502"},
		"moved": {func(w http.ResponseWriter, r *http.Request, _ input) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, provider.ErrBadRequest, "307"},
		"hangs up": {func(http.ResponseWriter, *http.Request, input) { panic(http.ErrAbortHandler) }, provider.ErrUnavailable, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			o := told(t, voice(t, &service{answer: tt.answer}, Options{}), media.Of("Hello."))
			if !errors.Is(o.err, tt.class) || !strings.Contains(o.err.Error(), tt.says) {
				t.Errorf("error %v, want %v that says %q", o.err, tt.class, tt.says)
			}
		})
	}
}

// TestTruncated6: a body that ends early is told from one that is whole, and what came is played.
func TestTruncated6(t *testing.T) {
	for name, length := range map[string]string{"chunked": "", "with a length": "5000"} {
		for _, odd := range []int{0, 1} {
			t.Run(name, func(t *testing.T) {
				s := &service{answer: func(w http.ResponseWriter, _ *http.Request, _ input) {
					w.Header().Set("Content-Type", "audio/pcm")
					if length != "" {
						w.Header().Set("Content-Length", length)
					}
					_, _ = w.Write(sound("Hello")[:1280+odd])
					_ = http.NewResponseController(w).Flush()
					time.Sleep(20 * ms)
					panic(http.ErrAbortHandler)
				}}
				o := told(t, voice(t, s, Options{}), media.Of("Hello."))
				if !errors.Is(o.err, provider.ErrTruncated) || len(o.pcm) != 640 || len(s.inputs()) != 1 {
					t.Errorf("%d samples, asked %d times, error %v", len(o.pcm), len(s.inputs()), o.err)
				}
			})
		}
	}
	half := &service{answer: func(w http.ResponseWriter, _ *http.Request, _ input) {
		w.Header().Set("Content-Type", "audio/pcm")
		_, _ = w.Write(sound("Hello")[:1281])
	}}
	if o := told(t, voice(t, half, Options{}), media.Of("Hello.")); !errors.Is(o.err, provider.ErrTruncated) {
		t.Errorf("half a sample: error %v", o.err)
	}
}

func TestSpeechMarks8(t *testing.T) {
	s := &service{}
	o := told(t, voice(t, s, Options{Words: true}), media.Of("One two. ", "Three!"))
	want := []tts.Word{{Text: "One", End: 80 * ms}, {Text: "two.", Start: 80 * ms, End: 160 * ms}, {Text: "Three!", Start: 160 * ms, End: 280 * ms}}
	if o.err != nil || !slices.Equal(o.words, want) {
		t.Errorf("words %v, error %v, want %v", o.words, o.err, want)
	}
	// without the marks the speech goes on
	for _, bad := range []string{`{"time":"x"`, "", `{"time":1e300,"type":"word","value":"One"}` + "\n{"} {
		s = &service{answer: func(w http.ResponseWriter, r *http.Request, in input) {
			if in.OutputFormat == "json" {
				_, _ = io.WriteString(w, bad)
				return
			}
			speak(w, r, in)
		}}
		says(t, told(t, voice(t, s, Options{Words: true}), media.Of("One two.")), "One two.")
	}
}

func TestInvalidSSML9(t *testing.T) {
	for refused, want := range map[string]string{"InvalidSsmlException": "Hello & you", "SsmlMarksNotSupportedForTextTypeException": "Hello & you", "": "<speak>Hello <b>&amp; you</b></speak>"} {
		s := &service{answer: func(w http.ResponseWriter, r *http.Request, in input) {
			if refused != "" && in.TextType == "ssml" {
				refuse(w, 400, refused, "Invalid SSML request")
				return
			}
			speak(w, r, in)
		}}
		o := told(t, voice(t, s, Options{}), media.Of("<speak>Hello <b>&amp; you</b></speak>"))
		in := s.inputs()
		if o.err != nil || strings.Join(strings.Fields(in[len(in)-1].Text), " ") != want || in[0].TextType != "ssml" {
			t.Errorf("%s: asked for %+v, error %v", refused, in, o.err)
		}
	}
}

// TestDuplex10 is a whole stream; its server checks every event.
func TestDuplex10(t *testing.T) {
	o := told(t, voice(t, &service{}, Options{Stream: true}), media.Of("Hello there. ", "", " … ", "How are you?"))
	says(t, o, "Hello there.How are you?")
}

// TestKeepAlive11 waits for longer than the service does between two texts.
func TestKeepAlive11(t *testing.T) {
	var spaces atomic.Int32
	v := voice(t, &service{talk: func(p *peer) {
		p.begin()
		p.next()
		p.audio(sound("x"))
		begun := time.Now()
		kind, payload := p.next()
		if d := time.Since(begun); kind != "TextEvent" || string(payload) != `{"Text":" "}` || d < 3500*ms || d > 5*time.Second {
			p.fault("%s %s after %v", kind, payload, d)
		}
		spaces.Add(1)
	}}, Options{Stream: true})
	o := told(t, v, held("Hello."))
	if !errors.Is(o.err, provider.ErrTruncated) || spaces.Load() != 1 {
		t.Errorf("%d spaces, error %v", spaces.Load(), o.err)
	}
}

// TestDuplexErrors12 has streams end badly.
func TestDuplexErrors12(t *testing.T) {
	exception := func(kind string) func(*peer) {
		return func(p *peer) {
			p.begin()
			p.next()
			p.audio(sound("x"))
			p.send([]byte(`{"message":"no: `+token+`"}`), ":message-type", "exception", ":exception-type", kind)
		}
	}
	tests := []struct {
		name  string
		talk  func(p *peer)
		class error
		says  string
	}{
		{"failure", exception("ServiceFailureException"), provider.ErrUnavailable, "(ServiceFailureException): no: [secret]"},
		{"quota", exception("ServiceQuotaExceededException"), provider.ErrQuota, "ServiceQuotaExceededException"},
		{"throttled", exception("ThrottlingException"), provider.ErrQuota, "ThrottlingException"},
		{"validation", exception("ValidationException"), provider.ErrBadRequest, "ValidationException"},
		{"error", func(p *peer) {
			p.begin()
			p.send(nil, ":message-type", "error", ":error-code", "AccessDeniedException", ":error-message", "not you, "+keyID)
		}, provider.ErrAuth, "not you, [secret]"},
		{"403", func(p *peer) { refuse(p.w, 403, "UnrecognizedClientException", "bad key "+keyID) }, provider.ErrAuth, "(403 UnrecognizedClientException): bad key [secret]"},
		{"503", func(p *peer) { refuse(p.w, 503, "", "") }, provider.ErrUnavailable, "503"},
		{"cut", func(p *peer) {
			p.begin()
			p.next()
			p.audio(sound("x"))
			panic(http.ErrAbortHandler)
		}, provider.ErrTruncated, ""},
		{"ends", func(p *peer) { p.begin() }, provider.ErrTruncated, "EOF"},
		{"closed too early", func(p *peer) {
			p.begin()
			p.next()
			p.closed()
			<-p.ctx.Done()
		}, provider.ErrTruncated, "closed by the service"},
		{"half a sample", func(p *peer) {
			p.begin()
			p.next()
			p.audio(sound("x")[:7])
			p.closed()
			<-p.ctx.Done()
		}, provider.ErrTruncated, "sample"},
		{"no events", func(p *peer) {
			p.begin()
			_, _ = io.WriteString(p.w, "<html>this is not what it should be</html>")
		}, provider.ErrTruncated, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			o := told(t, voice(t, &service{talk: tt.talk}, Options{Stream: true}), held("Hello there."))
			if !errors.Is(o.err, tt.class) || !strings.Contains(o.err.Error(), tt.says) || time.Since(begun) > 2*time.Second {
				t.Errorf("error %v after %v, want %v that says %q", o.err, time.Since(begun), tt.class, tt.says)
			}
		})
	}
}

// TestNoHTTP2 has an endpoint that cannot stream.
func TestNoHTTP2(t *testing.T) {
	s := &service{http1: true, talk: func(p *peer) {
		_ = http.NewResponseController(p.w).EnableFullDuplex()
		p.begin()
	}}
	o := told(t, voice(t, s, Options{Stream: true}), held("Hello."))
	if !errors.Is(o.err, provider.ErrBadRequest) || !strings.Contains(o.err.Error(), "HTTP/2") {
		t.Errorf("error %v", o.err)
	}
}

// TestEarlyAnswer has the service answer before it was told all, many times: no connection is given up in the
// middle of an answer.
func TestEarlyAnswer(t *testing.T) {
	v := voice(t, &service{answer: func(w http.ResponseWriter, _ *http.Request, in input) {
		all := sound(in.Text)
		w.Header().Set("Content-Type", "audio/pcm")
		_, _ = w.Write(all[:640])
		_ = http.NewResponseController(w).Flush()
		time.Sleep(ms)
		_, _ = w.Write(all[640:])
	}}, Options{})
	for range 500 {
		v.Close() // a new connection each time
		says(t, told(t, v, media.Of("Hi")), "Hi")
	}
}

func TestUnicode(t *testing.T) {
	for _, text := range []string{"e\u0301te\u0301", "日本語です。", "👩‍👩‍👧 yes", "שלום"} {
		s := &service{}
		says(t, told(t, voice(t, s, Options{}), media.Of(text)), text)
		if in := s.inputs(); len(in) != 1 || in[0].Text != text || in[0].TextType != "text" || in[0].VoiceId != "Ruth" || in[0].Engine != "neural" {
			t.Errorf("asked for %+v", in)
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("Hello there. How are you?")
	f.Add("<speak>Hello <break/> &amp; you</speak>")
	f.Add(strings.Repeat("日本語、", 900))
	f.Add(strings.Repeat("👩‍👩‍👧x", 900) + "\xff")
	f.Fuzz(func(t *testing.T, s string) {
		kept := 0
		for _, p := range pieces(s) {
			text := p.text
			if p.ssml {
				text = stripped(text)
			}
			n := 0
			for _, r := range text {
				if n++; r > 0xffff {
					n++
				}
			}
			if !sayable(text) || !p.ssml && n > longest {
				t.Errorf("%d characters: %q", n, p.text)
			}
			kept += len(p.text)
		}
		if letters := strings.ContainsFunc(stripped(s), func(r rune) bool { return r >= 'a' && r <= 'z' }); letters && kept == 0 {
			t.Errorf("nothing is left of %q", s)
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add(`{"time":6,"type":"word","start":0,"end":4,"value":"Mary"}` + "\n" + `{"time":9,"type":"viseme","value":"sil"}`)
	f.Add(`{"time":-1e300,"type":"word","value":"\ud800x"}`)
	f.Fuzz(func(t *testing.T, s string) {
		words, err := marks(strings.NewReader(s), time.Second)
		at := time.Second
		for _, w := range words {
			if w.Start < at || w.End < w.Start || w.Text == "" {
				t.Errorf("word %+v after %v", w, at)
			}
			at = w.Start
		}
		if err != nil && provider.ClassName(err) == "" {
			t.Errorf("error %v has no class", err)
		}
	})
}
