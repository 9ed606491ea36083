package media

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"
)

// How much a Playout keeps. Whatever can be flushed may be long: what waits here is dropped by an
// interruption, and lets the next phrase be made while this one is spoken.
const (
	playoutAhead  = 3 * time.Second      // speech not yet sent
	playoutBack   = 3 * time.Second      // speech already sent, for Resume: what a lost path can swallow before that is noticed
	playoutFade   = 5 * time.Millisecond // at every edge that speech does not have by itself
	playoutRefill = 10                   // frames of room that Play is woken for
	playoutGrid   = 10 * time.Millisecond
	playoutStall  = 200 * time.Millisecond // the process stood still: skip, do not burst
)

// Playout owns the downlink clock: 20 ms frames on absolute deadlines for the life of the call. Play puts
// speech into it; Run sends. Safe for concurrent use.
type Playout struct {
	rate  int
	out   outlets
	floor chan struct{} // held by the Play that speaks
	room  chan struct{} // has room for one: speech was sent or cut
	wake  chan struct{} // has room for one: speech came to a silent line

	mu      sync.Mutex
	speech  speech
	play    int  // which Play speaks: a late cut of an earlier one is ignored
	held    bool // nothing is sent
	ended   bool // no more speech will come from this Play
	over    bool // this Play was cut: it queues nothing more
	cutting bool // what is queued is only the tail that is faded out
	voiced  bool // the last frame had speech
	fadeIn  bool
	stats   PlayoutStats
}

// outlets are what Run calls.
type outlets struct {
	sink  func(Frame)
	watch func(spoken Frame, sent time.Duration)
	free  func(at time.Duration) bool
}

// PlayoutStats counts what a listener could have noticed.
type PlayoutStats struct {
	Frames    uint64 // frames with speech
	Underruns uint64 // speech was not there in time
	Skipped   uint64 // frames left out because the process stood still
}

// NewPlayout makes a playout of mono audio at rate samples a second. sink is called by Run once every
// 20 ms and must not block: the frame's At is the tick's number times 20 ms (but see Early), its PCM is empty when
// there is nothing to say and otherwise valid until sink returns. It panics if 20 ms is no whole number of
// samples.
func NewPlayout(rate int, sink func(Frame)) *Playout {
	if rate <= 0 || rate%50 != 0 {
		panic(fmt.Sprintf("media: a playout cannot run at %d samples a second", rate))
	}
	one := func() chan struct{} { return make(chan struct{}, 1) }
	return &Playout{rate: rate, out: outlets{sink: sink}, floor: one(), room: one(), wake: one(), speech: newSpeech(rate)}
}

// Rate is what Play's frames must have, in samples a second.
func (p *Playout) Rate() int { return p.rate }

// Watch has f called by Run after every frame of speech, with that frame, valid until f returns, and the place in the
// speech that was sent. f must not block. It is set once, before Run.
func (p *Playout) Watch(f func(spoken Frame, sent time.Duration)) { p.out.watch = f }

// Stats is a snapshot of the counters.
func (p *Playout) Stats() PlayoutStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Run sends a frame every 20 ms until ctx is done and returns its cause. Ticks lie on absolute deadlines,
// so a late one does not delay the next; speech on a silent line may move them, see Early.
func (p *Playout) Run(ctx context.Context) error {
	start := time.Now()
	// All playouts of a process tick together, at one of two moments: waking up costs more than a tick.
	start = start.Add(playoutGrid - time.Duration(start.UnixNano()%int64(playoutGrid)))
	timer := time.NewTimer(time.Until(start.Add(FrameDuration)))
	defer timer.Stop()
	pcm := make([]int16, p.rate/50)
	for at := FrameDuration; ; timer.Reset(time.Until(start.Add(at))) {
		select {
		case <-timer.C:
			at += p.skip(time.Since(start) - at)
			p.tick(at, pcm)
			at += FrameDuration
		case <-p.wake:
			at = p.early(time.Since(start), at)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// skip is how much is left out by a tick that is so late, in whole frames.
func (p *Playout) skip(late time.Duration) time.Duration {
	if late <= playoutStall {
		return 0
	}
	late = late.Truncate(FrameDuration)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Skipped += uint64(late / FrameDuration)
	return late
}

func (p *Playout) tick(at time.Duration, pcm []int16) {
	f := Frame{At: at, Rate: p.rate}
	sent, spoke := p.next(pcm)
	if spoke {
		f.PCM = pcm
	}
	p.out.sink(f)
	if spoke && p.out.watch != nil {
		p.out.watch(f, sent)
	}
}

// next fills pcm with the next frame of speech.
func (p *Playout) next(pcm []int16) (sent time.Duration, spoke bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held || p.cutting || !p.ready() {
		return p.fall(pcm)
	}
	p.speech.take(pcm)
	if p.fadeIn {
		fade(pcm[:min(len(pcm), p.fadeLen())], false)
	}
	p.fadeIn, p.voiced = false, true
	p.stats.Frames++
	if left := p.speech.left(); left == 0 || !p.ended && left < p.speech.ahead-playoutRefill*len(pcm) {
		p.signal()
	}
	return p.speech.sent(), true
}

// ready says whether there is a frame of speech, or the last of it.
func (p *Playout) ready() bool {
	left := p.speech.left()
	return left >= p.rate/50 || p.ended && left > 0
}

// fall gives the frame after speech that stops in the middle: its next 5 ms, faded, are not counted as
// sent.
func (p *Playout) fall(pcm []int16) (time.Duration, bool) {
	tail := min(p.speech.left(), p.fadeLen())
	fell := p.voiced && tail > 0
	if fell {
		clear(pcm)
		p.speech.peek(pcm[:tail])
		fade(pcm[:tail], true)
	}
	if p.voiced && !p.ended && !p.held && !p.cutting {
		p.stats.Underruns++
		p.fadeIn = true
	}
	p.voiced = false
	if p.cutting {
		p.cutting = false
		p.speech.drop()
	}
	p.signal()
	return p.speech.sent(), fell
}

func (p *Playout) fadeLen() int { return int(int64(p.rate) * int64(playoutFade) / int64(time.Second)) }

func (p *Playout) signal() { ring(p.room) }

// ring puts something into a channel that has room for one.
func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Play speaks and waits until all is sent; one at a time, a second waits. When ctx ends the line is silent
// within one frame, whatever the speech source is doing; Play returns when that source has. On an error
// from speech what is queued is still said. sent is a place in the speech: only that was said.
// Frames must have the playout's rate.
func (p *Playout) Play(ctx context.Context, speech iter.Seq2[Frame, error]) (sent time.Duration, err error) {
	select {
	case p.floor <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-p.floor }()
	play := p.begin()
	stop := context.AfterFunc(ctx, func() { p.cut(play) })
	defer stop()
	err = p.fill(ctx, speech)
	p.finish()
	for p.unsent() && ctx.Err() == nil {
		select {
		case <-p.room:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		p.cut(play)
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.speech.sent(), err
}

func (p *Playout) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.play++
	p.speech.begin()
	p.ended, p.over, p.cutting = false, false, false
	return p.play
}

func (p *Playout) fill(ctx context.Context, speech iter.Seq2[Frame, error]) error {
	for f, err := range speech {
		if err != nil {
			return err
		}
		if len(f.PCM) > 0 && f.Rate != p.rate {
			return fmt.Errorf("play speech: it has %d samples a second, the line %d", f.Rate, p.rate)
		}
		for pcm := f.PCM; ctx.Err() == nil; {
			n := p.push(pcm)
			if pcm = pcm[n:]; len(pcm) == 0 {
				break
			}
			select {
			case <-p.room:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// push queues as much of pcm as there is room for.
func (p *Playout) push(pcm []int16) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return len(pcm)
	}
	n := p.speech.push(pcm)
	p.hurry()
	return n
}

// finish says that no more speech comes and fades the last of it.
func (p *Playout) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if !p.over {
		fade(p.speech.last(p.fadeLen()), true)
	}
	p.hurry()
}

func (p *Playout) unsent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.speech.left() > 0
}

// cut drops what this play has queued, but for the tail that is faded out.
func (p *Playout) cut(play int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if play != p.play || p.over {
		return
	}
	p.ended, p.over, p.cutting = true, true, p.voiced
	p.speech.keep(p.fadeLen())
	if !p.voiced {
		p.speech.drop()
	}
	p.signal()
}

// Hold pauses at once on a possible interruption, also a Play that has not begun: the line is silent
// within one frame. It returns the place in the speech that was sent.
func (p *Playout) Hold() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
	return p.speech.sent()
}

// Resume ends a Hold and repeats the last back of speech, at most 3 s: from a quiet place at most 150 ms from there, if there
// is one, which most often lies between two words. Sound that goes on is faded in.
func (p *Playout) Resume(back time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		return
	}
	p.held = false
	if !p.cutting && !p.voiced {
		p.fadeIn = p.speech.rewind(int(int64(back)*int64(p.rate)/int64(time.Second))) || p.speech.sent() > 0
	}
	p.hurry()
}

// fade ramps pcm linearly in place, down to zero or up from it.
func fade(pcm []int16, down bool) {
	for i := range pcm {
		k := i
		if down {
			k = len(pcm) - 1 - i
		}
		pcm[i] = int16(int(pcm[i]) * k / len(pcm))
	}
}
