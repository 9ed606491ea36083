package calibrate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"parley/media"
	"parley/media/line"
	"parley/media/rtc"
)

// errBusy says that this machine was too busy for the pacer.
var errBusy = errors.New("the computer was too busy: speech was not there in time for the pacer")

// side is one end of a call and what it says. It keeps the time of each packet.
type side struct {
	call   *rtc.Call
	offset time.Duration // of its session clock to that of the record
	script []item
	bare   bool // sends nothing but its items, and loses what is to be lost

	voiced  bool // the frame that is written
	packets []packet
	spoken  []int // of packets: those with the items' frames, in their order
	start   uint32
}

// packet is one that was sent, or that was to be lost.
type packet struct {
	place time.Duration // on the RTP clock, since the first
	sent  time.Duration // on the record's session clock
	lost  bool
}

// fresh is a side that has said nothing of it yet.
func (s *side) fresh() *side { return &side{script: s.script, bare: s.bare} }

// speak says the script and waits for its end.
func (s *side) speak(ctx context.Context) error {
	down, err := line.NewDown(line.DownOptions{Rate: rate, Codec: s.call.Audio().Codec, Send: s.send})
	if err != nil {
		return err
	}
	out := media.NewPlayout(rate, func(f media.Frame) {
		if s.voiced = len(f.PCM) > 0; s.voiced || !s.bare {
			down.Write(f)
		}
	})
	own, end := context.WithCancel(ctx)
	var pacer sync.WaitGroup
	pacer.Go(func() { _ = out.Run(own) }) // it ends with own only
	err = s.say(own, out)
	end()
	pacer.Wait()
	frames := 0
	for _, it := range s.script {
		frames += len(it.pcm) / frame
	}
	if n := out.Stats(); err == nil && (n.Underruns > 0 || s.bare && n.Skipped > 0 || len(s.spoken) != frames) {
		return fmt.Errorf("%w: %d times, %d frames skipped, %d of %d said", errBusy, n.Underruns, n.Skipped, len(s.spoken), frames)
	}
	return err
}

func (s *side) say(ctx context.Context, out *media.Playout) error {
	begun := time.Now()
	for _, it := range s.script {
		if err := sleep(ctx, it.at-time.Since(begun)); err != nil {
			return err
		}
		if _, err := out.Play(ctx, frames(it.pcm)); err != nil {
			return err
		}
	}
	return sleep(ctx, 100*time.Millisecond) // the last frame has left
}

func frames(pcm []int16) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		yield(media.Frame{Rate: rate, PCM: pcm}, nil)
	}
}

// send is called by the pacer's goroutine, as the other end of the line is.
func (s *side) send(p media.Packet) {
	if len(s.packets) == 0 {
		s.start = p.Time
	}
	k := packet{place: time.Duration(int32(p.Time-s.start)) * time.Second / media.ClockRate}
	if s.voiced {
		n := len(s.spoken)
		k.lost = s.bare && n >= lostFrom && n < lostTo
		s.spoken = append(s.spoken, len(s.packets))
	}
	k.sent = s.call.Now() + s.offset
	s.packets = append(s.packets, k)
	if !k.lost {
		s.call.Send(p)
	}
}

// places tells where on the record's session clock each item's sample lies: the packet's place on the RTP clock, from where
// on it the most punctual packet was sent.
func (s *side) places() func(item, sample int) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, p := range s.packets {
		if !p.lost {
			least = min(least, p.sent-p.place)
		}
	}
	first := make([]int, len(s.script)) // of spoken
	for i := 1; i < len(first); i++ {
		first[i] = first[i-1] + len(s.script[i-1].pcm)/frame
	}
	return func(i, sample int) time.Duration {
		n := min(sample/frame, len(s.script[i].pcm)/frame-1)
		p := s.packets[s.spoken[first[i]+n]]
		return least + p.place + media.Samples(sample-n*frame, rate)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
