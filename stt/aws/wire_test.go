package aws

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// pause is silence.
func pause(d time.Duration) []int16 { return make([]int16, d*16000/time.Second) }

// The cases are numbered as in the list that every Transcribe client should prove.

func TestPresignedURL1(t *testing.T) {
	tests := []struct {
		name  string
		o     Options
		query string
	}{
		{"defaults", Options{}, "language-code=en-US&sample-rate=16000&enable-partial-results-stabilization=true&partial-results-stability=high&identify-language="},
		{"one language", Options{Language: "de-DE", Stability: "low"}, "language-code=de-DE&partial-results-stability=low"},
		{"several", Options{Language: "en-US,fr-FR", Stability: "off"}, "language-code=&identify-language=true&language-options=en-US,fr-FR&enable-partial-results-stabilization=&partial-results-stability="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			r := recognizer(t, &service{query: want}, tt.o)
			if o := hear(t, r, media.Of(flushed(speech(0, say(1, 2)))...)); o.err != nil || o.text() != names(1, 2) {
				t.Errorf("heard %q, error %v", o.finals, o.err)
			}
		})
	}
}

// TestSignatureMatters shows that the server would notice a wrong one.
func TestSignatureMatters(t *testing.T) {
	r := recognizer(t, &service{}, Options{})
	s := &stream{}
	signed, err := s.sign(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"sample-rate=16000>sample-rate=8000", "X-Amz-Expires=300>X-Amz-Expires=301", "https>https"} {
		from, to, _ := strings.Cut(change, ">")
		req, err := http.NewRequest(http.MethodGet, strings.Replace(signed, from, to, 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(req); (err == nil) != (from == to) {
			t.Errorf("%s: error %v", change, err)
		}
	}
	other := *r.url
	other.Host = "127.0.0.1:1"
	req, err := http.NewRequest(http.MethodGet, strings.Replace(signed, r.url.Host, other.Host, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(req); err == nil {
		t.Error("the port is not signed")
	}
}

// The audio arrives as it was, in chunks of one size; only the last before the end is shorter.
func TestAudioEvents2(t *testing.T) {
	in := append(say(1, 5), 7, 8, 9)
	var got []int16
	var sizes []int
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		for {
			pcm, ok := p.next()
			got = append(got, pcm...)
			if len(pcm) == 0 || !ok {
				sizes = p.sizes
				p.exception("BadRequestException", "enough")
				return
			}
		}
	}}, Options{})
	o := hear(t, r, media.Of(speech(0, in)...))
	if !errors.Is(o.err, provider.ErrBadRequest) {
		t.Errorf("error %v", o.err)
	}
	if !slices.Equal(got, in) {
		t.Errorf("%d samples came of %d, or others", len(got), len(in))
	}
	n := len(sizes)
	if sizes[n-1] != 0 || slices.ContainsFunc(sizes[:n-2], func(s int) bool { return s != 1920 }) {
		t.Errorf("sizes %v", sizes)
	}
}

func TestPartialsThenFinal3(t *testing.T) {
	r := recognizer(t, &service{}, Options{})
	o := hear(t, r, media.Of(flushed(speech(time.Minute, slices.Concat(pause(time.Second), say(1, 3), pause(500*ms))))...))
	if o.err != nil || o.text() != "w1 w2 w3" || !slices.Equal(o.partials, []string{"w1", "w1 w2", "w1 w2 w3"}) {
		t.Fatalf("partials %q, finals %q, error %v", o.partials, o.finals, o.err)
	}
	for _, r := range o.results {
		if r.Start != 61*time.Second {
			t.Errorf("%v %q starts at %v", r.Kind, r.Text, r.Start)
		}
	}
	words := o.results[len(o.results)-1].Words
	want := []stt.Word{{Text: "w1", Start: 61 * time.Second, End: 61200 * ms}, {Text: "w2", Start: 61260 * ms, End: 61460 * ms}, {Text: "w3", Start: 61520 * ms, End: 61720 * ms}}
	if !slices.Equal(words, want) {
		t.Errorf("words %v, want %v", words, want)
	}
}

// TestStablePrefix4: words that the service calls stable answer a Flush before it settles the segment.
func TestStablePrefix4(t *testing.T) {
	for _, stable := range []bool{true, false} {
		r := recognizer(t, &service{script: func(_ int, p *peer) {
			for {
				pcm, ok := p.next()
				if p.heard >= 16000 && p.heard-len(pcm) < 16000 {
					p.send(transcript(result("a", true, "Yes, please.", []item{
						{"Yes", "pronunciation", 0.1, 0.5, true}, {",", "punctuation", 0.5, 0.5, true}, {"please", "pronunciation", 0.6, 0.95, stable},
					})))
				}
				if !ok {
					return
				}
			}
		}}, Options{Times: Times{Settle: time.Second, Wait: 5 * time.Second}})
		frames := speech(0, slices.Repeat([]int16{100}, 17600))
		begun, took := time.Time{}, time.Duration(0)
		for res, err := range r.Recognize(t.Context(), held(flushed(frames), nil)) {
			if err != nil {
				t.Fatal(err)
			}
			if res.Kind == stt.Partial {
				begun = time.Now()
			}
			if res.Kind == stt.Final {
				took = time.Since(begun)
				if len(res.Words) != 2 || res.Text != "Yes, please." {
					t.Errorf("got %+v", res)
				}
				break
			}
		}
		if fast := took < 900*ms; fast != stable {
			t.Errorf("stable %v: a Final after %v", stable, took)
		}
	}
}

func TestEmptyResults5(t *testing.T) {
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		p.send(transcript(`{"Transcript":{"Results":[]}}`))
		p.send(transcript(`{"Transcript":{"Results":[{"ResultId":"x","IsPartial":true,"Alternatives":[]}]}}`))
		p.send(transcript(`{}`))
		p.send(message(`{}`, ":message-type", "event", ":event-type", "NewsEvent"))
		p.send(slices.Concat(transcript(result("a", true, "One", nil)), transcript(result("a", false, "One.", nil)))) // two in one message
		p.serve(nil)
	}}, Options{})
	o := hear(t, r, media.Of(flushed(speech(0, say(1, 1)))...))
	if o.err != nil || o.text() != "One. w1" {
		t.Errorf("heard %q, error %v", o.finals, o.err)
	}
}

const idleText = "Your request timed out because no new audio was received for 15 seconds."

func TestIdleException6(t *testing.T) {
	more := make(chan []stt.Audio, 1)
	s := &service{}
	s.script = func(n int, p *peer) {
		if n == 1 {
			e := ear{}
			for p.heard < 16000 {
				pcm, _ := p.next()
				for _, m := range e.hear(pcm) {
					p.send(m)
				}
			}
			p.exception("BadRequestException", idleText)
			time.Sleep(200 * ms)
			if n, open, _ := s.count(); n != 1 || open != 1 {
				p.fault("%d connections, %d open, while nobody speaks", n, open)
			}
			more <- flushed(speech(time.Second, slices.Concat(say(3, 4), pause(400*ms))))
			close(more)
			return
		}
		p.serve(nil)
	}
	r := recognizer(t, s, Options{})
	o := hear(t, r, held(flushed(speech(0, slices.Concat(say(1, 2), pause(480*ms)))), more))
	if o.err != nil || o.text() != "w1 w2|w3 w4" {
		t.Errorf("heard %q, error %v", o.finals, o.err)
	}
}

// TestExceptions7 has connections end with exceptions. Some are tried again, with all that was not answered for.
func TestExceptions7(t *testing.T) {
	tests := []struct {
		name, kind, text string
		times            int // as often
		conns            int // so many connections there are
		class            error
		least            time.Duration
	}{
		{"limit, then free", "LimitExceededException", "You have too many streams.", 2, 3, nil, 1500 * ms},
		{"conflict 8", "ConflictException", "A new stream started with the same session ID.", 1, 2, nil, 0},
		{"internal failure", "InternalFailureException", "An internal error.", 2, 3, nil, 250 * ms},
		{"unavailable", "ServiceUnavailableException", "Try again.", 1, 2, nil, 0},
		{"unknown", "NewException", "?", 1, 2, nil, 0},
		{"for ever", "InternalFailureException", "An internal error.", 99, mostFails + 1, provider.ErrUnavailable, 1750 * ms},
		{"bad request", "BadRequestException", "Your stream is too big.", 1, 1, provider.ErrBadRequest, 0},
		{"bad client 9", "UnrecognizedClientException", "The key " + keyID + " with " + token + " is invalid.", 1, 1, provider.ErrAuth, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &service{script: func(n int, p *peer) {
				if n <= tt.times {
					p.next()
					p.exception(tt.kind, tt.text)
					return
				}
				p.serve(nil)
			}}
			begun := time.Now()
			o := hear(t, recognizer(t, s, Options{}), media.Of(flushed(speech(0, say(1, 3)))...))
			if tt.class == nil && (o.err != nil || o.text() != names(1, 3)) || !errors.Is(o.err, tt.class) {
				t.Errorf("heard %q, error %v, want %v", o.finals, o.err, tt.class)
			}
			var e *provider.Error
			if tt.class != nil && (!errors.As(o.err, &e) || e.Code != tt.kind || e.Status != 0) {
				t.Errorf("error %#v", o.err)
			}
			if n, _, _ := s.count(); n != tt.conns || time.Since(begun) < tt.least {
				t.Errorf("%d connections in %v, want %d in at least %v", n, time.Since(begun), tt.conns, tt.least)
			}
		})
	}
}

// TestErrorMessage has a message of type error in place of an exception.
func TestErrorMessage(t *testing.T) {
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		p.next()
		p.send(message("", ":message-type", "error", ":error-code", "AccessDeniedException", ":error-message", "Not you, "+keyID))
	}}, Options{})
	o := hear(t, r, held(speech(0, say(1, 1)), nil))
	if !errors.Is(o.err, provider.ErrAuth) || !strings.Contains(o.err.Error(), "AccessDeniedException): Not you, [secret]") {
		t.Errorf("error %v", o.err)
	}
}

// TestMalformed10: what is no event breaks the stream; another takes over, and if all do so it is an error.
func TestMalformed10(t *testing.T) {
	bad := map[string]func(p *peer){
		"checksum": func(p *peer) {
			m := transcript(result("a", true, "Hello", nil))
			m[len(m)-6] ^= 1
			p.send(m)
		},
		"cut":     func(p *peer) { p.send(transcript(result("a", true, "Hello", nil))[:40]) },
		"no JSON": func(p *peer) { p.send(transcript(`{"Transcript":`)) },
		"text":    func(p *peer) { _ = p.c.Write(p.ctx, 1, []byte("Hello")) },
	}
	for name, send := range bad {
		for _, times := range []int{1, 99} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := recognizer(t, &service{script: func(n int, p *peer) {
					if n <= times {
						p.next()
						send(p)
						for ok := true; ok; {
							_, ok = p.next()
						}
						return
					}
					p.serve(nil)
				}}, Options{})
				o := hear(t, r, media.Of(flushed(speech(0, say(1, 3)))...))
				switch {
				case times == 1 && (o.err != nil || o.text() != names(1, 3)):
					t.Errorf("heard %q, error %v", o.finals, o.err)
				case times > 1 && (!errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "malformed")):
					t.Errorf("error %v", o.err)
				}
			})
		}
	}
}

// TestTail11: the last words come only after the end of the audio was sent.
func TestTail11(t *testing.T) {
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		for {
			pcm, ok := p.next()
			if !ok {
				p.fault("no end of the audio came")
				return
			}
			if len(pcm) == 0 {
				time.Sleep(100 * ms)
				p.send(transcript(result("a", false, "The tail.", nil)))
				_ = p.c.Close(1000, "")
				return
			}
		}
	}}, Options{Times: Times{Settle: ms}})
	o := hear(t, r, media.Of(speech(0, say(1, 1))...))
	if o.err != nil || o.text() != "The tail." {
		t.Errorf("heard %q, error %v", o.finals, o.err)
	}
}

// TestReset12 cuts the connection after every so many chunks, mid-word or not: every word is heard once.
func TestReset12(t *testing.T) {
	for _, every := range []int{7, 10, 23} {
		s := &service{}
		s.script = func(n int, p *peer) {
			p.serve(func() bool { return len(p.sizes) >= every+5*n && n < 8 })
		}
		in := slices.Concat(say(1, 10), pause(400*ms), say(11, 25), pause(400*ms))
		o := hear(t, recognizer(t, s, Options{}), media.Of(flushed(speech(0, in))...))
		if o.err != nil || o.text() != names(1, 25) {
			t.Errorf("every %d: heard %q, error %v", every, o.finals, o.err)
		}
		if n, _, _ := s.count(); n < 3 {
			t.Errorf("%d connections", n)
		}
	}
}

func TestLongMessage13(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("long ", 20000))
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		p.send(transcript(result("a", false, long, nil)))
		p.serve(nil)
	}}, Options{})
	o := hear(t, r, media.Of(flushed(speech(0, say(1, 1)))...))
	if o.err != nil || o.text() != long+" w1" {
		t.Errorf("heard %d bytes, error %v", len(o.text()), o.err)
	}
}

// TestSigned14 is a call whose chunks are signed, with a second stream that begins a chain of its own.
func TestSigned14(t *testing.T) {
	s := &service{signed: true}
	s.script = func(n int, p *peer) { p.serve(func() bool { return n == 1 && len(p.sizes) == 9 }) }
	o := hear(t, recognizer(t, s, Options{Sign: true}), media.Of(flushed(speech(0, say(1, 6)))...))
	if n, _, _ := s.count(); o.err != nil || o.text() != names(1, 6) || n != 2 {
		t.Errorf("heard %q on %d connections, error %v", o.finals, n, o.err)
	}
}

func TestUnicode(t *testing.T) {
	const text = "e\u0301 日本語 👩‍👩‍👧 שלום"
	r := recognizer(t, &service{script: func(_ int, p *peer) {
		p.send(transcript(result("a", false, text, []item{{"שלום", "pronunciation", 0.1, 0.2, true}})))
		p.serve(nil)
	}}, Options{})
	o := hear(t, r, media.Of(flushed(speech(0, say(1, 1)))...))
	if o.err != nil || len(o.partials) == 0 || o.partials[0] != text || o.results[0].Words[0].Text != "שלום" {
		t.Errorf("heard %q, error %v", o.partials, o.err)
	}
}
