package openai

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
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

// TestUtterances shows how audio is divided. The service says a word for every 100 ms.
func TestUtterances(t *testing.T) {
	second := rep("v", 50)
	for _, tt := range []struct {
		name, in string
		want     string
		asked    int32
	}{
		{"nothing", "", "", 0},
		{"12 silence is not sent", rep(".", 20) + "!", "final 10.4s-10.4s", 0},
		{"one", ".." + second + rep(".", 20) + "!", "onset 10.04s|final 10.04s-11.44s " + rep("la ", 12), 1},
		{"too short for OpenAI", "vv!", "onset 10s|final 10s-10.04s la la", 1},
		{"flushed again in silence", second + "!" + rep(".", 20) + "!", "onset 10s|final 10s-11s " + rep("la ", 10) + "|final 10s-11.4s " + rep("la ", 10), 1},
		{"gone on", second + rep(".", 40) + "!" + second + "!", "onset 10s|final 10s-11.8s " + rep("la ", 12) + "|final 10s-12.8s " + rep("la ", 28), 2},
		{"another", second + rep(".", 70) + "!" + second + "!", "onset 10s|final 10s-12.4s " + rep("la ", 12) + "|onset 12.4s|final 12.4s-13.4s " + rep("la ", 10), 2},
		{"not flushed", second, "onset 10s|final 10s-11s " + rep("la ", 10), 1},
		{"not flushed, then another", second + rep(".", 70) + second, "onset 10s|final 10s-11s " + rep("la ", 12) + "|onset 12.4s|final 12.4s-13.4s " + rep("la ", 10), 2},
		{"on and on", rep(second, 31) + "!", "onset 10s|final 10s-40s " + rep("la ", 300) + "|onset 40s|final 40s-41s " + rep("la ", 10), 2},
		{"long, cut at a pause", rep(second, 21) + rep(".", 10) + second + "!", "onset 10s|final 10s-31s " + rep("la ", 212) + "|onset 31.2s|final 31.2s-32.2s " + rep("la ", 10), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			r := recognizer(t, says(func(w http.ResponseWriter, a asked) { n.Add(1); plain(w, a) }), Options{})
			got, err := told(r, paced(frames(tt.in)))
			want := strings.ReplaceAll(tt.want, " |", "|")
			if err != nil || order(got) != order(strings.TrimSpace(want)) || n.Load() != tt.asked {
				t.Errorf("got  %s, %v, asked %d times\nwant %s, %d times", got, err, n.Load(), want, tt.asked)
			}
		})
	}
}

// order is a stream in short with its parts in alphabetical order: an Onset may come before or after the Final of what
// was before it.
func order(s string) string {
	parts := strings.Split(s, "|")
	slices.Sort(parts)
	return strings.Join(parts, "|")
}

// paced gives the server a moment after each flush, so that Finals do not share a request.
func paced(in media.Source[stt.Audio]) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for a := range in(ctx) {
				if !yield(a) {
					return
				}
				if a.Flush {
					time.Sleep(30 * time.Millisecond)
				}
			}
		}
	}
}

// TestShared has Finals wait for a slow request: those of one utterance share the next, and none is lost.
func TestShared(t *testing.T) {
	var n atomic.Int32
	free := make(chan struct{})
	r := recognizer(t, says(func(w http.ResponseWriter, a asked) {
		if n.Add(1) == 1 {
			<-free
		}
		plain(w, a)
	}), Options{})
	var read atomic.Int32
	in := frames(rep("vvvvv!", 20) + rep("v", 50))
	counted := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for a := range in(ctx) {
				if read.Add(1) == 5*mostJobs+1 {
					time.AfterFunc(50*time.Millisecond, func() {
						if n := read.Load(); n > 5*mostJobs+1 {
							t.Errorf("%d frames were read with %d Finals waiting", n, mostJobs)
						}
						close(free)
					})
				}
				if !yield(a) {
					return
				}
			}
		}
	}
	got, err := told(r, counted)
	if err != nil || strings.Count(got, "final") != 21 || !strings.HasSuffix(got, "final 10s-13s "+strings.TrimSpace(rep("la ", 30))) {
		t.Errorf("got %s, %v", got, err)
	}
	if k := n.Load(); k < 3 || k > 21-(mostJobs-2) { // the first alone, then all that waited, then as they come
		t.Errorf("asked %d times", k)
	}
}

// TestOnceMore has the first request fail: the second is sent the same, and no word is lost.
func TestOnceMore(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter){
		"reset":      func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"503":        func(w http.ResponseWriter) { http.Error(w, "busy", http.StatusServiceUnavailable) },
		"cut answer": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"text":"la`) },
		"cut stream": func(w http.ResponseWriter) { _, _ = io.WriteString(w, delta("la la")) },
	} {
		for _, stream := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var n atomic.Int32
				r := recognizer(t, says(func(w http.ResponseWriter, a asked) {
					if n.Add(1) == 1 {
						fault(w)
						return
					}
					plain(w, a)
				}), Options{Stream: stream})
				got, err := told(r, frames(rep("v", 50)+"!"))
				if err != nil || !strings.HasSuffix(got, "final 10s-11s "+strings.TrimSpace(rep("la ", 10))) || n.Load() != 2 {
					t.Errorf("got %s, %v, asked %d times", got, err, n.Load())
				}
			})
		}
	}
}

func TestTimeouts(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name   string
		stream bool
		limits provider.Limits
		gap    time.Duration
		events []string
		says   string
	}{
		{"no answer", false, provider.Limits{First: 60 * ms}, 0, nil, "no text within 60ms"},
		{"half an answer", false, provider.Limits{First: 60 * ms}, 0, []string{`{"text":`}, "no text within 60ms"},
		{"no events", true, provider.Limits{First: 60 * ms}, 0, nil, "no text within 60ms"},
		{"pings only", true, provider.Limits{First: 100 * ms}, 30 * ms, []string{":\n\n", ":\n\n", "data: {}\n\n", ":\n\n"}, "no text within 100ms"},
		{"silence after text", true, provider.Limits{Gap: 60 * ms}, 0, []string{delta("Hi")}, "no next text within 60ms"},
		{"on and on", true, provider.Limits{Total: 200 * ms}, 40 * ms, slices.Repeat([]string{delta("Hi")}, 50), "no end of the answer within 200ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events [][]byte
			for _, e := range tt.events {
				events = append(events, []byte(e))
			}
			h, gone := slow(tt.gap, events...)
			_, err := told(recognizer(t, h, Options{Stream: tt.stream, Limits: tt.limits}), frames("vvvvv!"))
			fails(t, err, provider.ErrUnavailable, tt.says)
			var late *provider.Timeout
			if !errors.As(err, &late) {
				t.Errorf("error %v is no Timeout", err)
			}
			wait(t, gone, "the end of the request at the server")
		})
	}
}

// TestCancel cancels 20 times in a request, and in a stream's silence: the call ends and the server sees that.
func TestCancel(t *testing.T) {
	hung := errors.New("the caller has hung up")
	for name, tt := range map[string]struct {
		o      Options
		pieces [][]byte
	}{"file": {}, "half an answer": {Options{}, [][]byte{[]byte(`{"te`)}}, "stream": {Options{Stream: true}, [][]byte{[]byte(delta("Hi"))}}} {
		t.Run(name, func(t *testing.T) {
			var times []time.Duration
			for range 20 {
				h, left := slow(0, tt.pieces...)
				ctx, cancel := context.WithCancelCause(t.Context())
				var at time.Time
				r := recognizer(t, func(w http.ResponseWriter, r *http.Request) {
					time.AfterFunc(15*time.Millisecond, func() { at = time.Now(); cancel(hung) })
					h(w, r)
				}, tt.o)
				var err error
				for _, err = range r.Recognize(ctx, frames("vvvvv!")) {
				}
				times = append(times, time.Since(at))
				if err != hung {
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

// TestSlowConsumer holds the loop for longer than any limit, in a stream.
func TestSlowConsumer(t *testing.T) {
	r := recognizer(t, says(pieces), Options{Stream: true, Limits: provider.Limits{First: 2 * time.Second, Gap: 60 * time.Millisecond, Total: 2 * time.Second}})
	for _, err := range r.Recognize(t.Context(), frames(rep("v", 50)+"!")) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(130 * time.Millisecond)
	}
}

// TestHeldOpen has the server end the text and not the body.
func TestHeldOpen(t *testing.T) {
	h, gone := slow(0, []byte(textDone("Hi")))
	begun := time.Now()
	got, err := told(recognizer(t, h, Options{Stream: true}), frames("vvvvv!"))
	if err != nil || got != "onset 10s|final 10s-10.1s Hi" || time.Since(begun) > 3*time.Second {
		t.Errorf("%s, %v after %v", got, err, time.Since(begun))
	}
	wait(t, gone, "the end of the request at the server")
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
	for _, stream := range []bool{false, true} {
		r, err := New(Options{BaseURL: "http://" + addr + "/v1", Key: key, Stream: stream})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, err = told(r, frames("vvvvv!"))
		fails(t, err, provider.ErrUnavailable, "refused")
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
	}
}

// TestConnect reaches a server that accepts and then says nothing in TLS.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, stream := range []bool{false, true} {
		r, err := New(Options{BaseURL: "https://" + l.Addr().String() + "/v1", Key: key, Stream: stream, Limits: provider.Limits{Connect: 60 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = told(r, frames("vvvvv!"))
		fails(t, err, provider.ErrUnavailable, "TLS handshake timeout")
	}
}

func TestRates(t *testing.T) {
	r := recognizer(t, says(plain), Options{})
	frame := func(at time.Duration, rate int) stt.Audio {
		return stt.Audio{Frame: media.Frame{At: at, Rate: rate, PCM: make([]int16, rate/10)}, Voice: true, Flush: true}
	}
	for _, rates := range [][]int{{0}, {-8000}, {7999}, {48001}, {16000, 24000}} {
		var in []stt.Audio
		for i, rate := range rates {
			f := frame(time.Duration(i)*100*time.Millisecond, max(rate, 100))
			f.Rate = rate
			in = append(in, f)
		}
		_, err := told(r, media.Of(in...))
		fails(t, err, provider.ErrBadRequest, "one rate from 8000 to 48000")
	}
	if _, err := told(r, media.Of(frame(0, 8000), frame(5*time.Second, 48000))); err != nil {
		t.Errorf("two utterances of different rates: %v", err)
	}
}

// TestReuse asks five times over one connection, in every form.
func TestReuse(t *testing.T) {
	for name, tt := range map[string]struct {
		h http.HandlerFunc
		o Options
	}{"file": {says(plain), Options{}}, "stream": {says(pieces), Options{Stream: true}}, "whole": {says(plain), Options{Stream: true}}} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			srv := httptest.NewUnstartedServer(tt.h)
			srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					opened.Add(1)
				}
			}
			srv.Start()
			defer srv.Close()
			tt.o.BaseURL, tt.o.Key = srv.URL+"/v1", key
			r, err := New(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for range 5 {
				if _, err := told(r, frames(rep("v", 50)+"!")); err != nil {
					t.Fatal(err)
				}
			}
			if n := opened.Load(); n != 1 {
				t.Errorf("%d connections for 5 utterances", n)
			}
		})
	}
}

// BenchmarkFinal is the time from a Flush to its Final, of two seconds of speech and a server that answers at once,
// beside that of a bare request with as much in it.
func BenchmarkFinal(b *testing.B) {
	for name, o := range map[string]Options{"file": {}, "stream": {Stream: true}} {
		b.Run(name, func(b *testing.B) {
			r := recognizer(b, func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				if o.Stream {
					_, _ = io.WriteString(w, textDone("Hi"))
					return
				}
				_, _ = io.WriteString(w, `{"text":"Hi"}`)
			}, o)
			times := map[string][]time.Duration{}
			for b.Loop() {
				var flushed time.Time
				in := frames(rep("v", 100) + "!")
				marked := func(ctx context.Context) iter.Seq[stt.Audio] {
					return func(yield func(stt.Audio) bool) {
						for a := range in(ctx) {
							if a.Flush {
								flushed = time.Now()
							}
							if !yield(a) {
								return
							}
						}
					}
				}
				for res, err := range r.Recognize(b.Context(), marked) {
					if err != nil {
						b.Fatal(err)
					}
					if res.Kind == stt.Final {
						times[""] = append(times[""], time.Since(flushed))
					}
				}
				begun := time.Now()
				resp, err := r.http.Post(r.o.BaseURL, "audio/wav", strings.NewReader(rep("x", 64000)))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				times["bare-"] = append(times["bare-"], time.Since(begun))
			}
			for name, d := range times {
				slices.Sort(d)
				b.ReportMetric(d[len(d)/2].Seconds()*1000, name+"p50-ms")
				b.ReportMetric(d[len(d)*99/100].Seconds()*1000, name+"p99-ms")
			}
		})
	}
}

// BenchmarkHear is what a frame of 20 ms of voice costs: an hour of it in utterances of 10 s.
func BenchmarkHear(b *testing.B) {
	b.ReportAllocs()
	pcm := make([]int16, 320)
	var e ear
	at := time.Duration(0)
	for i := 0; b.Loop(); i++ {
		if i%500 == 0 {
			e.close()
			e.jobs = e.jobs[:0]
		}
		e.hear(stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}, Voice: true})
		at += media.FrameDuration
	}
}

// BenchmarkOpen100 is what a call costs in memory that has heard five seconds of an utterance, of a hundred at once.
func BenchmarkOpen100(b *testing.B) {
	r := recognizer(b, says(plain), Options{})
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(b.Context())
		done, heard := make(chan struct{}), make(chan struct{})
		for range 100 {
			speech := frames(rep("v", 250))
			in := func(ctx context.Context) iter.Seq[stt.Audio] {
				return func(yield func(stt.Audio) bool) {
					for a := range speech(ctx) {
						if !yield(a) {
							return
						}
					}
					heard <- struct{}{}
					<-ctx.Done()
				}
			}
			go func() {
				for range r.Recognize(ctx, in) {
				}
				done <- struct{}{}
			}()
		}
		for range 100 {
			<-heard
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100/1024, "KB/stream")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines-100)/100, "goroutines/stream")
		cancel()
		for range 100 {
			<-done
		}
	}
}
