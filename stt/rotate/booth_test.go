package rotate

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/media"
	"parley/stt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// booth is a provider in this process. It hears words: word n is 200 ms of the sample n; a word of which a part is
// missing is heard as "wn~". Silence of 300 ms settles what was said, and so does the end of the audio.
type booth struct {
	life  func(n int) time.Duration // of stream n, from 0: after so much audio it ends with cut; nil, 0: never
	cut   error
	open  func(n int) error     // what becomes of the opening of stream n
	first func(n int) time.Time // before it nothing is said; then all of it
	deaf  bool                  // it says nothing
	timed bool                  // words have times

	mu      sync.Mutex
	streams []*seat
	now     int // open
	most    int
}

// seat is one stream of a booth.
type seat struct {
	heard int // samples
	pcm   []int16
	sizes []int
	ended bool
	value int16
	run   int
	words []stt.Word
	late  []Reply // not said yet
	gone  bool
}

const rate = 16000

func (b *booth) count() (streams, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.streams), b.most
}

func when(samples int) time.Duration { return media.Samples(samples, rate) }

// link opens a stream.
func (b *booth) link(ctx context.Context, _ int) (Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.streams)
	if b.open != nil {
		if err := b.open(n); err != nil {
			b.streams = append(b.streams, &seat{})
			return Link{}, err
		}
	}
	s := &seat{}
	b.streams = append(b.streams, s)
	b.now++
	b.most = max(b.most, b.now)
	said, done := make(chan Reply, 1000), make(chan error, 1)
	life := time.Duration(0)
	if b.life != nil {
		life = b.life(n)
	}
	end := func(err error) {
		if !s.gone {
			s.gone = true
			done <- err
		}
	}
	return Link{
		Send: func(data []byte) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if s.gone {
				return io.ErrClosedPipe
			}
			s.sizes = append(s.sizes, len(data))
			s.late = append(s.late, s.hear(data, b.timed)...)
			if b.first == nil || !time.Now().Before(b.first(n)) {
				for _, r := range s.late {
					if !b.deaf {
						said <- r
					}
				}
				s.late = nil
			}
			if life > 0 && when(s.heard) >= life {
				end(b.cut)
			}
			return nil
		},
		Finish: func() error {
			b.mu.Lock()
			defer b.mu.Unlock()
			s.ended = true
			if s.over(); len(s.words) > 0 && !b.deaf && !s.gone {
				said <- s.settle(b.timed)
			}
			end(io.EOF)
			return nil
		},
		Recv: func() (Reply, error) {
			select {
			case r := <-said:
				return r, nil
			default:
			}
			select {
			case r := <-said:
				return r, nil
			case err := <-done:
				select {
				case r := <-said:
					done <- err
					return r, nil
				default:
					return Reply{}, err
				}
			case <-ctx.Done():
				return Reply{}, &Failure{Err: ctx.Err(), Cut: Passing}
			}
		},
		Close: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.now--
		},
	}, nil
}

func (s *seat) hear(data []byte, timed bool) (out []Reply) {
	for ; len(data) >= 2; data = data[2:] {
		v := int16(binary.LittleEndian.Uint16(data))
		s.pcm = append(s.pcm, v)
		if v != s.value {
			if s.over() {
				out = append(out, Reply{Open: s.part(timed)})
			}
			s.value, s.run = v, 0
		}
		s.heard++
		s.run++
		if s.value == 0 && s.run == rate*3/10 && len(s.words) > 0 {
			out = append(out, s.settle(timed))
		}
	}
	return out
}

// over is the end of a word; false if there is none.
func (s *seat) over() bool {
	if s.value == 0 || s.run == 0 {
		return false
	}
	text := fmt.Sprintf("w%d", s.value)
	if s.run < rate/5 {
		text += "~"
	}
	s.words = append(s.words, stt.Word{Text: text, Start: when(s.heard - s.run), End: when(s.heard)})
	s.run = 0
	return true
}

func (s *seat) part(timed bool) Part {
	var text []string
	for _, w := range s.words {
		text = append(text, w.Text)
	}
	p := Part{Text: strings.Join(text, " "), Start: s.words[0].Start, End: s.words[len(s.words)-1].End}
	if timed {
		p.Words = slices.Clone(s.words)
	}
	return p
}

func (s *seat) settle(timed bool) Reply {
	p := s.part(true)
	if !timed {
		p.Words = nil
	}
	s.words = nil
	return Reply{Settled: p}
}

// options are those of a call to the booth.
func (b *booth) options(steady bool) Options {
	o := Options{
		Open: b.link, Chunk: 100 * ms, Rotate: time.Hour, Late: 2 * time.Hour,
		Limits: Limits{Connect: time.Second, Absent: 20 * time.Second, First: 10 * time.Second, Gap: 10 * time.Second, Settle: 5 * time.Second},
		Again:  Again{Tries: 3, Pause: 100 * ms, Busy: 500 * ms},
	}
	if steady {
		o.Steady = &Steady{Idle: 30 * time.Second, Settle: 400 * ms, Wait: 1500 * ms}
	}
	return o
}

// caller builds a caller's audio.
type caller struct {
	at     time.Duration
	frames []stt.Audio
}

func talk() *caller { return &caller{at: 10 * time.Second} }

func (c *caller) add(pcm []int16, voice bool) *caller {
	for f := range slices.Chunk(pcm, rate/50) {
		a := stt.Audio{Frame: media.Frame{At: c.at, Rate: rate, PCM: f}, Voice: voice}
		c.frames = append(c.frames, a)
		c.at += a.Duration()
	}
	return c
}

// say is words from one number to another, 60 ms between them.
func (c *caller) say(from, to int) *caller {
	for n := from; n <= to; n++ {
		c.add(slices.Concat(slices.Repeat([]int16{int16(n)}, rate/5), make([]int16, rate*60/1000)), true)
	}
	return c
}

func (c *caller) hush(d time.Duration) *caller {
	return c.add(make([]int16, d*rate/time.Second), false)
}

func (c *caller) flush() *caller {
	c.frames = append(c.frames, stt.Audio{Frame: media.Frame{At: c.at, Rate: rate}, Flush: true})
	return c
}

// source is the frames at the pace of real time, or as fast as they are read.
func (c *caller) source(real bool) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			begun := time.Now()
			for _, a := range c.frames {
				if real {
					select {
					case <-time.After(time.Until(begun.Add(a.At - 10*time.Second + a.Duration()))):
					case <-ctx.Done():
						return
					}
				}
				if !yield(a) {
					return
				}
			}
		}
	}
}

func spoken(from, to int) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("w%d", n))
	}
	return strings.Join(all, " ")
}

// outcome is what a call gave.
type outcome struct {
	results []stt.Result
	finals  []string
	err     error
}

func run(t testing.TB, o Options, in media.Source[stt.Audio]) (out outcome) {
	t.Helper()
	for r, err := range Recognize(t.Context(), in, o, "hear") {
		if err != nil {
			out.err = err
			continue
		}
		out.results = append(out.results, r)
		if r.Kind == stt.Final {
			out.finals = append(out.finals, r.Text)
		}
		at := r.Start
		for _, w := range r.Words {
			if w.Start < at || w.End < w.Start || w.End > r.End {
				t.Errorf("word %+v of %+v", w, r)
			}
			at = w.Start
		}
	}
	return out
}
