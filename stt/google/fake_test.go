package google

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/provider"
	"parley/internal/provider/google/googletest"
	"parley/media"
	"parley/stt"
	"parley/stt/rotate"
)

var own *googletest.Own

func TestMain(m *testing.M) {
	var err error
	if own, err = googletest.New(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// The language that the servers of these tests understand: word n is 200 ms of samples of the value
// 100·(n+1), silence is 0. A word that a stream has only a part of is heard as "wn~".
const wordLength = 200 * time.Millisecond

func word(n int) []int16 {
	return slices.Repeat([]int16{int16(100 * (n + 1))}, int(wordLength*media.ListenRate/time.Second))
}

func words(from, to int) (pcm []int16) {
	for n := from; n <= to; n++ {
		pcm = append(pcm, word(n)...)
	}
	return pcm
}

func spoken(from, to int) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("w%d", n))
	}
	return strings.Join(all, " ")
}

// piece is a part of what a server says.
type piece struct {
	text  string
	end   time.Duration
	words []stt.Word
	final bool
}

// saying is one message of a server.
type saying struct {
	pieces []piece
	mark   rotate.Mark
	at     time.Duration
	fault  *status.Status // inside the message; version 1 only
	bare   bool           // a result without alternatives
}

// ear is how a server hears.
type ear struct {
	rate    int
	n       int // samples heard
	value   int16
	run     int
	open    []stt.Word // of no final
	voice   bool
	quiet   int
	told    bool // something was final
	perText int  // words in a final while nobody pauses
}

func (e *ear) when(n int) time.Duration { return media.Samples(n, e.rate) }

// hear takes audio and returns what there is to say.
func (e *ear) hear(data []byte) (out []saying) {
	full := int(wordLength * time.Duration(e.rate) / time.Second)
	before := len(e.open)
	for ; len(data) >= 2; data = data[2:] {
		v := int16(binary.LittleEndian.Uint16(data))
		if v != e.value {
			e.broken()
			e.value, e.run = v, 0
		}
		e.n++
		e.run++
		if v == 0 {
			if e.quiet++; e.voice && e.quiet == e.rate*3/10 {
				e.voice = false
				out = append(out, e.final()...)
				out = append(out, saying{mark: rotate.Ended, at: e.when(e.n)})
				before = len(e.open)
			}
			continue
		}
		e.quiet = 0
		if !e.voice {
			e.voice = true
			out = append(out, saying{mark: rotate.Began, at: e.when(e.n)})
		}
		if e.run == full {
			e.open = append(e.open, stt.Word{Text: fmt.Sprintf("w%d", v/100-1), Start: e.when(e.n - full), End: e.when(e.n)})
			e.run = 0
		}
	}
	if len(e.open) >= e.perText {
		return append(out, e.final()...)
	}
	if len(e.open) > before {
		out = append(out, e.interim())
	}
	return out
}

// broken is a word that was not heard to its end.
func (e *ear) broken() {
	if e.value != 0 && e.run > 0 {
		e.open = append(e.open, stt.Word{Text: fmt.Sprintf("w%d~", e.value/100-1), Start: e.when(e.n - e.run), End: e.when(e.n)})
	}
}

func text(w []stt.Word, spaced bool) string {
	var all []string
	for _, w := range w {
		all = append(all, w.Text)
	}
	s := strings.Join(all, " ")
	if spaced && s != "" {
		s = " " + s
	}
	return s
}

// interim is in two pieces, the second less certain, as Google has them.
func (e *ear) interim() saying {
	last := len(e.open) - 1
	s := saying{}
	if last > 0 {
		s.pieces = append(s.pieces, piece{text: text(e.open[:last], e.told), end: e.open[last-1].End})
	}
	s.pieces = append(s.pieces, piece{text: text(e.open[last:], e.told || last > 0), end: e.open[last].End})
	return s
}

func (e *ear) final() []saying {
	if len(e.open) == 0 {
		return nil
	}
	w := e.open
	e.open = nil
	p := piece{text: text(w, e.told), end: w[len(w)-1].End, words: w, final: true}
	e.told = true
	return []saying{{pieces: []piece{p}}}
}

// plan is what a server does with one stream.
type plan struct {
	refuse error         // at once
	life   time.Duration // of audio, or since its beginning; then it ends with late
	late   error
	cut    int   // after so many words it ends with err, without a last word; 0: never
	err    error // nil: as if all were well
	deaf   bool  // it reads and says nothing, not even at the end
	stuck  bool  // it does not even read
	idle   time.Duration
	slow   time.Duration // before every message
	first  []saying      // said when the first audio has come
	enough int           // after so many words it wants no more
	mute   bool          // it hears nothing
}

// stream is what a server saw of one stream.
type seen struct {
	config  any
	sizes   []int
	words   []string
	half    bool
	begun   time.Time
	samples int
}

// fake is a server of both versions.
type fake struct {
	plans   func(n int) plan // of stream n, from 0
	perText int

	mu      sync.Mutex
	streams []*seen
	header  []string // authorization of each
	addr    string
	conns   *atomic.Int32
	busy    int // streams under way
}

// side is one stream as a version's server offers it.
type side struct {
	ctx  context.Context
	rate int
	conf any
	recv func() ([]byte, error)
	send func(saying) error
}

func (f *fake) serve(s side) error {
	defer f.enter()()
	f.mu.Lock()
	n := len(f.streams)
	rec := &seen{config: s.conf, begun: time.Now()}
	f.streams = append(f.streams, rec)
	p := plan{}
	if f.plans != nil {
		p = f.plans(n)
	}
	f.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	if p.stuck {
		<-s.ctx.Done()
		return s.ctx.Err()
	}
	return f.talk(s, p, rec)
}

type heard struct {
	data []byte
	err  error
}

func (f *fake) talk(s side, p plan, rec *seen) error {
	e := &ear{rate: s.rate, perText: f.perText}
	if e.perText == 0 {
		e.perText = 1000
	}
	audio := make(chan heard)
	go func() { // ends with the stream
		for {
			data, err := s.recv()
			select {
			case audio <- heard{data, err}:
			case <-s.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	total, first := 0, true
	var end, quiet <-chan time.Time
	if p.life > 0 {
		end = time.After(p.life)
	}
	for {
		if p.idle > 0 {
			quiet = time.After(p.idle)
		}
		var h heard
		select {
		case <-end:
			return p.late
		case <-quiet:
			return p.late
		case h = <-audio:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		if h.err == io.EOF {
			f.mu.Lock()
			rec.half = true
			f.mu.Unlock()
			if p.deaf {
				<-s.ctx.Done()
				return s.ctx.Err()
			}
			time.Sleep(p.slow)
			e.broken()
			for _, m := range e.final() {
				if err := f.say(s, rec, m); err != nil {
					return err
				}
			}
			return nil
		}
		if h.err != nil {
			return h.err
		}
		if len(h.data) > 25600 {
			return status.Error(codes.InvalidArgument, "audio chunk is too large")
		}
		f.mu.Lock()
		rec.sizes = append(rec.sizes, len(h.data))
		rec.samples += len(h.data) / 2
		f.mu.Unlock()
		if p.life > 0 && e.when(rec.samples) > p.life {
			return p.late
		}
		if p.mute || p.deaf {
			continue
		}
		if first {
			first = false
			for _, m := range p.first {
				if err := f.say(s, rec, m); err != nil {
					return err
				}
			}
		}
		for _, m := range e.hear(h.data) {
			time.Sleep(p.slow)
			if err := f.say(s, rec, m); err != nil {
				return err
			}
		}
		total = len(rec.words) + len(e.open) // only this goroutine writes them
		if p.cut > 0 && total >= p.cut {
			return p.err
		}
		if p.enough > 0 && total >= p.enough {
			if err := f.say(s, rec, saying{mark: rotate.Enough, at: e.when(e.n)}); err != nil {
				return err
			}
			for h.err == nil { // what comes still is not heard
				h = <-audio
			}
			for _, m := range e.final() {
				if err := f.say(s, rec, m); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

func (f *fake) say(s side, rec *seen, m saying) error {
	for _, p := range m.pieces {
		if p.final {
			f.mu.Lock()
			for _, w := range p.words {
				rec.words = append(rec.words, w.Text)
			}
			f.mu.Unlock()
		}
	}
	return s.send(m)
}

// count is how many streams there were.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.streams)
}

// start runs the server on the loopback until the test ends.
func (f *fake) start(t testing.TB, opts ...grpc.ServerOption) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, f.conns = googletest.Counted(l)
	srv := grpc.NewServer(opts...)
	registerV1(srv, f)
	registerV2(srv, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	f.addr = l.Addr().String()
	t.Cleanup(func() {
		srv.Stop()
		<-served
		f.idleness(t)
	})
}

// client is a Recognizer of the server.
func (f *fake) client(t testing.TB, o Options) *Recognizer {
	t.Helper()
	if f.addr == "" {
		f.start(t)
	}
	if o.Endpoint == "" {
		o.Endpoint = "http://" + f.addr
	}
	if o.Version == 2 && o.Cloud.Project == "" {
		o.Cloud.Project = "proj"
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// input builds a caller's audio.
type caller struct {
	at     time.Duration
	frames []stt.Audio
}

func (i *caller) add(pcm []int16, voice bool) *caller {
	for f := range slices.Chunk(pcm, media.ListenRate/50) {
		a := stt.Audio{Frame: media.Frame{At: i.at, Rate: media.ListenRate, PCM: f}, Voice: voice}
		i.frames = append(i.frames, a)
		i.at += a.Duration()
	}
	return i
}

func (i *caller) say(from, to int) *caller { return i.add(words(from, to), true) }
func (i *caller) hush(d time.Duration) *caller {
	return i.add(make([]int16, d*media.ListenRate/time.Second), false)
}

func (i *caller) flush() *caller {
	i.frames = append(i.frames, stt.Audio{Frame: media.Frame{At: i.at, Rate: media.ListenRate}, Flush: true})
	return i
}

func (i *caller) wait(d time.Duration) *caller { // nothing comes; the timeline goes on
	i.frames = append(i.frames, stt.Audio{Frame: media.Frame{At: -d}})
	i.at += d
	return i
}

func talk() *caller { return &caller{at: 10 * time.Second} }

// source is the frames at a pace: speed 0 is as fast as they are read.
func (i *caller) source(speed float64) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			due := time.Now()
			for _, a := range i.frames {
				d := time.Duration(float64(a.Duration()) / max(speed, 1))
				if a.At < 0 {
					d = -a.At // in its own time
				}
				if speed > 0 || a.At < 0 {
					due = due.Add(d)
					select {
					case <-time.After(time.Until(due)):
					case <-ctx.Done():
						return
					}
				}
				if a.At >= 0 && !yield(a) {
					return
				}
			}
		}
	}
}

// all runs a call to its end.
func all(t testing.TB, r *Recognizer, in media.Source[stt.Audio]) ([]stt.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []stt.Result
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			own.Safe(t, err)
			return out, err
		}
		out = append(out, res)
	}
	return out, nil
}

// finals are the texts of the Finals.
func finals(results []stt.Result) (texts []string) {
	for _, r := range results {
		if r.Kind == stt.Final {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

func kinds(results []stt.Result, k stt.Kind) (n int) {
	for _, r := range results {
		if r.Kind == k {
			n++
		}
	}
	return n
}

// expect runs a call that must end well with these Finals.
func expect(t testing.TB, r *Recognizer, in media.Source[stt.Audio], want ...string) []stt.Result {
	t.Helper()
	out, err := all(t, r, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := finals(out); !slices.Equal(got, want) {
		t.Fatalf("heard %q, want %q", got, want)
	}
	return out
}

// fails runs a call that must end with an error of a class that says so.
func fails(t testing.TB, r *Recognizer, in media.Source[stt.Audio], class error, says string) {
	t.Helper()
	_, err := all(t, r, in)
	if !errors.Is(err, class) || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %v that says %q", err, class, says)
	}
	var e *provider.Error
	if !errors.As(err, &e) {
		t.Errorf("error %v is no provider.Error", err)
	}
}

// enter counts a request; what it returns, its end.
func (f *fake) enter() (leave func()) {
	count := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy += n
	}
	count(1)
	return func() { count(-1) }
}

// idleness waits until nothing is under way at the server.
func (f *fake) idleness(t testing.TB) {
	t.Helper()
	for range 5000 {
		f.mu.Lock()
		n := f.busy
		f.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the server is still busy")
}
