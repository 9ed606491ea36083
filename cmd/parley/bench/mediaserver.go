package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/corpus"
	"parley/media"
	"parley/media/line"
	"parley/media/resample"
	"parley/media/rtc"
	"parley/web"
)

// MediaServerCmd is the server of the media job: calls with everything but an agent. Each caller's packets are
// decoded and their gaps fixed, both directions are tapped as by a recorder, and speech is said to the caller.
type MediaServerCmd struct {
	Talk float64 `default:"1" env:"-" help:"Share of the time in which it speaks."`
	Bare bool    `env:"-" help:"No server but the least that any could do: a decoder, an encoder and a socket."`
}

// spurt is how long the server speaks at a time, when it does not speak all the time.
const spurt = 4 * time.Second

// late is what GET /debug/late tells: how late the server's own ticks are, beside a bare ticker's of the same process.
type late struct {
	P99MS    float64 `json:"p99Ms"`
	TickerMS float64 `json:"tickerMs"`
	Frames   uint64  `json:"frames"`
}

// Run serves until ctx ends.
func (c *MediaServerCmd) Run(ctx context.Context, out io.Writer) error {
	pcm, err := monologue()
	if err != nil {
		return err
	}
	if c.Bare {
		return bareServer(ctx, out, pcm, c.Talk)
	}
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		return err
	}
	defer e.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	m := mediaServer{talk: c.Talk, pcm: pcm}
	s := &web.Server{Endpoint: e, Converse: m.converse}
	mux := http.NewServeMux()
	mux.Handle("/", s.Handler())
	mux.HandleFunc("GET /debug/stats", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(serve.ReadStats(r.URL.Query().Has("gc"))) // a reader who has left is not told
	})
	mux.HandleFunc("GET /debug/late", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m.late.report())
	})
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { _ = h.Serve(ln) }) // it ends with Close
	all.Go(func() { m.late.ticker(ctx) })
	fmt.Fprintf(out, "listening on http://%s\n", ln.Addr())
	<-ctx.Done()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer done()
	_ = s.Drain(stop) // its error says only that calls were cut short
	return h.Close()
}

// monologue is human speech at the rate of a Playout.
func monologue() ([]int16, error) {
	all, err := speech(shortest, longest)
	if err != nil {
		return nil, err
	}
	u := all[0]
	if len(all) > 8 {
		u = corpus.Join(100*time.Millisecond, all[:8]...)
	}
	r := resample.New(u.Rate, media.SpeakRate)
	return r.Flush(r.Process(u.PCM, nil)), nil
}

type mediaServer struct {
	talk float64
	pcm  []int16
	late lateness
}

// converse is one call. Its goroutines: the call itself, the uplink, the playout, the speaker and the recorder.
func (m *mediaServer) converse(ctx context.Context, s *web.Session) error {
	call := s.Call
	up, err := line.NewUp(line.UpOptions{Rate: media.ListenRate})
	if err != nil {
		return err
	}
	down, err := line.NewDown(line.DownOptions{Rate: media.SpeakRate, Send: call.Send})
	if err != nil {
		return err
	}
	heard := call.Up().Tap(250, media.DropOldest)
	recUp, recDown := call.Up().Tap(1500, media.DropNewest), call.Down().Tap(1500, media.DropNewest)
	ctx, end := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer call.Close()
	all.Go(func() { end(call.Run(context.WithoutCancel(ctx))) })
	select {
	case <-call.Connected():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	clock := m.late.clock()
	out := media.NewPlayout(media.SpeakRate, func(f media.Frame) {
		clock.tick(f.At)
		down.Write(f)
	})
	all.Go(func() { _ = out.Run(ctx) }) // it ends with ctx only
	all.Go(func() { m.speak(ctx, out) })
	all.Go(func() { forget(ctx, recUp, recDown) })
	frames := uint64(0)
	for range up.Frames(call.Now, heard)(ctx) {
		frames++
	}
	m.late.count(frames)
	return context.Cause(ctx)
}

// forget takes both directions as a recorder would, from its buffer once in a while, and forgets them.
func forget(ctx context.Context, taps ...*media.Tap[media.Packet]) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, t := range taps {
			for _, ok, _ := t.Next(); ok; _, ok, _ = t.Next() {
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, t := range taps {
				t.Close()
			}
			return
		}
	}
}

// speak says the monologue from somewhere on: all the time, or in spurts.
func (m *mediaServer) speak(ctx context.Context, out *media.Playout) {
	at := rand.IntN(len(m.pcm)) // callers must not all hear the same at once
	rest := time.Duration(0)
	if m.talk < 1 {
		rest = time.Duration(float64(spurt) * (1 - m.talk) / m.talk)
		if sleep(ctx, rand.N(spurt+rest)) != nil {
			return
		}
	}
	for ctx.Err() == nil {
		length := int(spurt.Seconds() * media.SpeakRate)
		_, _ = out.Play(ctx, m.say(&at, length)) // ctx is the only reason to fail
		if rest > 0 && sleep(ctx, rest) != nil {
			return
		}
	}
}

// say yields n samples of the monologue from at on, which it moves.
func (m *mediaServer) say(at *int, n int) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		for n > 0 {
			some := m.pcm[*at:min(len(m.pcm), *at+n, *at+media.SpeakRate/10)]
			n -= len(some)
			if *at += len(some); *at == len(m.pcm) {
				*at = 0
			}
			if !yield(media.Frame{Rate: media.SpeakRate, PCM: some}, nil) {
				return
			}
		}
	}
}

// lateness gathers how late ticks are.
type lateness struct {
	mu     sync.Mutex
	ticks  [lateBins]uint64 // of 100 µs
	bare   [lateBins]uint64
	frames uint64
}

const (
	lateBins = 2000
	lateBin  = 100 * time.Microsecond
)

// tickClock measures one playout: its ticks against the most punctual one.
type tickClock struct {
	to    *lateness
	start time.Time
	least time.Duration
	n     int
}

func (l *lateness) clock() *tickClock { return &tickClock{to: l, start: time.Now()} }

func (c *tickClock) tick(at time.Duration) {
	d := time.Since(c.start) - at
	if c.n++; c.n <= 50 { // the first second finds the punctual one
		if c.n == 1 || d < c.least {
			c.least = d
		}
		return
	}
	c.least = min(c.least, d)
	c.to.add(&c.to.ticks, d-c.least)
}

func (l *lateness) add(to *[lateBins]uint64, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to[max(0, min(int(d/lateBin), lateBins-1))]++
}

func (l *lateness) count(frames uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames += frames
}

// ticker is a bare ticker of this process.
func (l *lateness) ticker(ctx context.Context) {
	for ctx.Err() == nil {
		some, done := context.WithTimeout(ctx, time.Second)
		for _, d := range bareTicker(some) {
			l.add(&l.bare, d)
		}
		done()
	}
}

func (l *lateness) report() late {
	l.mu.Lock()
	defer l.mu.Unlock()
	p99 := func(bins *[lateBins]uint64) float64 {
		all := uint64(0)
		for _, n := range bins {
			all += n
		}
		seen := uint64(0)
		for i, n := range bins {
			if seen += n; all > 0 && seen*100 >= all*99 {
				return (time.Duration(i+1) * lateBin).Seconds() * 1000
			}
		}
		return 0
	}
	return late{P99MS: p99(&l.ticks), TickerMS: p99(&l.bare), Frames: l.frames}
}
