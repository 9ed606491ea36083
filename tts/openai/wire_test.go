package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// slow answers with the pieces, the given time apart, and then holds the body open. gone is closed when the server
// has noticed the caller's leaving.
func slow(gap time.Duration, pieces ...[]byte) (h http.HandlerFunc, gone chan struct{}) {
	gone = make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		_, _ = io.Copy(io.Discard, r.Body)
		for _, p := range pieces {
			_, _ = w.Write(p)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(gap):
			case <-r.Context().Done():
				return
			}
		}
		<-r.Context().Done()
	}, gone
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not happen", what)
	}
}

// Test1InOrder checks samples in pieces of an odd length, of two phrases.
func Test1InOrder(t *testing.T) {
	pcm, rate, err := said(voice(t, speaks, Options{}), "Hello there.", "And again.")
	if err != nil || rate != 24000 || len(pcm) != 240*22 || isRamp(pcm) != nil {
		t.Errorf("%d samples at %d Hz, %v, %v", len(pcm), rate, isRamp(pcm), err)
	}
}

// Test1AtOnce has the server wait after the first 20 ms of sound until they were heard.
func Test1AtOnce(t *testing.T) {
	heard := make(chan struct{})
	v := voice(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(ramp(480))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-heard:
			_, _ = w.Write(ramp(480))
		case <-r.Context().Done():
		}
	}, Options{})
	n := 0
	for a, err := range v.Speak(t.Context(), media.Of("Hello.")) {
		if err != nil {
			t.Fatal(err)
		}
		if n += len(a.PCM); n == 480 {
			close(heard)
		}
	}
	if n != 960 {
		t.Errorf("%d samples", n)
	}
}

// Test2LongPhrase is spoken in requests of what is allowed, which the service checks.
func Test2LongPhrase(t *testing.T) {
	var asked atomic.Int32
	v := voice(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if _, _, why := refusal(r); why != "" {
			http.Error(w, why, http.StatusBadRequest)
		}
	}, Options{})
	if _, _, err := said(v, strings.Repeat("日本語 été, and so on. ", 1000)); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 5 { // 20,000 characters
		t.Errorf("asked %d times", n)
	}
}

// Test6TruncatedBody breaks the connection at many places, also in the middle of a sample.
func Test6TruncatedBody(t *testing.T) {
	for _, n := range []int{1, 2, 959, 960, 961, 5001} {
		v := voice(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(append(ramp(480), ramp(480*10)...)[:n])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, Options{})
		pcm, _, err := said(v, "Hello.")
		fails(t, err, provider.ErrTruncated, "EOF")
		if n >= looked && len(pcm) != n/2 {
			t.Errorf("%d samples of %d bytes", len(pcm), n)
		}
	}
}

// TestReset breaks the connection instead of answering.
func TestReset(t *testing.T) {
	_, _, err := said(voice(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Options{}), "Hello.")
	fails(t, err, provider.ErrUnavailable, "EOF")
}

func Test8Timeouts(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name   string
		limits provider.Limits
		gap    time.Duration
		pieces [][]byte
		n      int
		says   string
	}{
		{"no answer", provider.Limits{First: 60 * ms}, 0, nil, 0, "no first sound within 60ms"},
		{"silence after sound", provider.Limits{Gap: 60 * ms}, 0, [][]byte{ramp(480)}, 480, "no next sound within 60ms"},
		{"on and on", provider.Limits{Total: 200 * ms}, 40 * ms, slices.Repeat([][]byte{ramp(480)}, 50), -1, "no end of the answer within 200ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, gone := slow(tt.gap, tt.pieces...)
			pcm, _, err := said(voice(t, h, Options{Limits: tt.limits}), "Hello.")
			fails(t, err, provider.ErrUnavailable, tt.says)
			var late *provider.Timeout
			if !errors.As(err, &late) || tt.n >= 0 && len(pcm) != tt.n {
				t.Errorf("%d samples, error %v", len(pcm), err)
			}
			wait(t, gone, "the end of the request at the server")
		})
	}
}

// TestSlowConsumer holds the loop for longer than any limit.
func TestSlowConsumer(t *testing.T) {
	v := voice(t, speaks, Options{Limits: provider.Limits{First: 2 * time.Second, Gap: 50 * time.Millisecond, Total: 2 * time.Second}})
	n := 0
	for _, err := range v.Speak(t.Context(), media.Of("Hello.")) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n <= 2 {
			time.Sleep(120 * time.Millisecond)
		}
	}
}

// Test9CancelClosesTheBody cancels 20 times before the answer, in it and in a silence of it: the call ends and the
// server sees that.
func Test9CancelClosesTheBody(t *testing.T) {
	gone := errors.New("the caller has hung up")
	for name, pieces := range map[string][][]byte{"before": nil, "in sound": {ramp(4800)}} {
		t.Run(name, func(t *testing.T) {
			var times []time.Duration
			for range 20 {
				h, left := slow(0, pieces...)
				ctx, cancel := context.WithCancelCause(t.Context())
				var at time.Time
				v := voice(t, func(w http.ResponseWriter, r *http.Request) {
					time.AfterFunc(15*time.Millisecond, func() { at = time.Now(); cancel(gone) })
					h(w, r)
				}, Options{})
				var err error
				for _, err = range v.Speak(ctx, media.Of("Hello.")) {
				}
				times = append(times, time.Since(at))
				if err != gone {
					t.Errorf("error %v", err)
				}
				wait(t, left, "the end of the request at the server")
			}
			slices.Sort(times)
			if times[10] > 50*time.Millisecond || times[19] > 500*time.Millisecond {
				t.Errorf("took %v in the median, %v at worst", times[10], times[19])
			}
		})
	}
}

// TestLeaving leaves the loop in a body that goes on.
func TestLeaving(t *testing.T) {
	h, gone := slow(0, ramp(480))
	for range voice(t, h, Options{}).Speak(t.Context(), media.Of("Hello.")) {
		break
	}
	wait(t, gone, "the end of the request at the server")
}

// TestHeldOpen has the server end a sound and not the body: that is no error, and soon over.
func TestHeldOpen(t *testing.T) {
	for _, piece := range [][]byte{[]byte(delta(ramp(480)) + speechDone), wavOf(24000, 1, 16, -1, "", ramp(480))} {
		h, gone := slow(0, piece)
		begun := time.Now()
		pcm, _, err := said(voice(t, h, Options{}), "Hello.")
		if err != nil || len(pcm) != 480 || time.Since(begun) > 3*time.Second {
			t.Errorf("%d samples, %v after %v", len(pcm), err, time.Since(begun))
		}
		wait(t, gone, "the end of the request at the server")
	}
}

// Test10NothingToSay asks for nothing.
func Test10NothingToSay(t *testing.T) {
	v := voice(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") }, Options{})
	if pcm, _, err := said(v, "", " \n", "…", "—!", "👩‍👩‍👧"); err != nil || len(pcm) > 0 {
		t.Errorf("%d samples, %v", len(pcm), err)
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
	v, err := New(Options{BaseURL: "http://" + addr + "/v1", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, _, err = said(v, "Hello.")
	fails(t, err, provider.ErrUnavailable, "refused")
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestConnect reaches a server that accepts and then says nothing in TLS.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	v, err := New(Options{BaseURL: "https://" + l.Addr().String() + "/v1", Key: key, Limits: provider.Limits{Connect: 60 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = said(v, "Hello.")
	fails(t, err, provider.ErrUnavailable, "TLS handshake timeout")
}

// TestReuse speaks five phrases over one connection, in every form.
func TestReuse(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{"pcm": speaks, "events": eventsOf(1000),
		"wav": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wavOf(24000, 1, 16, -1, "", ramp(9000))) }} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			srv := httptest.NewUnstartedServer(h)
			srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					opened.Add(1)
				}
			}
			srv.Start()
			defer srv.Close()
			v, err := New(Options{BaseURL: srv.URL + "/v1", Key: key})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if _, _, err := said(v, "One.", "Two.", "Three.", "Four.", "Five."); err != nil {
				t.Fatal(err)
			}
			if n := opened.Load(); n != 1 {
				t.Errorf("%d connections for 5 phrases", n)
			}
		})
	}
}

// BenchmarkSpeak is the time from a phrase to its first frame, of a server that answers at once, beside that of a
// bare request; and what a frame of 20 ms costs.
func BenchmarkSpeak(b *testing.B) {
	body := ramp(24000)
	v := voice(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	}, Options{})
	times := map[string][]time.Duration{}
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		first := true
		for _, err := range v.Speak(b.Context(), media.Of("Hello.")) {
			if err != nil {
				b.Fatal(err)
			}
			if first {
				times[""] = append(times[""], time.Since(begun))
				first = false
			}
		}
		begun = time.Now()
		resp, err := v.http.Post(v.o.BaseURL, "application/json", strings.NewReader("{}"))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = resp.Body.Read(make([]byte, 960))
		times["bare-"] = append(times["bare-"], time.Since(begun))
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	for name, d := range times {
		slices.Sort(d)
		b.ReportMetric(d[len(d)/2].Seconds()*1000, name+"p50-ms")
		b.ReportMetric(d[len(d)*99/100].Seconds()*1000, name+"p99-ms")
	}
}

// BenchmarkFrame is what a frame costs once a sound comes, in PCM and in events.
func BenchmarkFrame(b *testing.B) {
	pcm := string(ramp(24000 * 60))
	var events strings.Builder
	for i := 0; i < len(pcm); i += 4800 {
		events.WriteString(delta([]byte(pcm[i:min(i+4800, len(pcm))])))
	}
	for name, body := range map[string]string{"pcm": pcm, "events": events.String() + speechDone} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			frames := 0
			for b.Loop() {
				ctx, watch := provider.NewWatch(b.Context(), 0)
				s := speech{Voice: &Voice{}, watch: watch, yield: nil, rate: 24000}
				s.yield = func(_ tts.Audio, _ error) bool { frames++; return ctx.Err() == nil }
				sound, _, err := open(strings.NewReader(body), "", 24000)
				if err == nil {
					err = s.play(sound)
				}
				if err != nil {
					b.Fatal(err)
				}
				watch.Stop()
			}
			if frames != b.N*3000 {
				b.Fatal(fmt.Sprint(frames))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
		})
	}
}
