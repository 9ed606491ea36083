package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"parley/media"
	"parley/media/rtc"
)

// heard is what the callers who stay have heard: how late each packet was, against the most punctual one before it.
type heard struct {
	late   figures
	ticker figures // of this process, meanwhile
}

// over is the share of packets that came later than limit.
func (h heard) over(limit time.Duration) rate {
	return rate{count(h.late, func(d time.Duration) bool { return d > limit }), len(h.late)}
}

// stay has some callers call until stop. so gives what they have heard since it was last asked.
func (c *churn) stay(ctx context.Context) (so func() heard, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var now heard
	var all sync.WaitGroup
	for range c.Steady {
		all.Go(func() {
			err := c.listen(ctx, func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now.late = append(now.late, d)
			})
			if err != nil && ctx.Err() == nil {
				c.note("stay", err)
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			some, done := context.WithTimeout(ctx, time.Second)
			late := bareTicker(some)
			done()
			mu.Lock()
			now.ticker = append(now.ticker, late...)
			mu.Unlock()
		}
	})
	so = func() heard {
		mu.Lock()
		defer mu.Unlock()
		was := now
		now = heard{}
		return was
	}
	return so, func() { cancel(); all.Wait() }
}

// listen calls, keeps silent, and tells how late each packet of the server's keepalive and speech is.
func (c *churn) listen(ctx context.Context, each func(time.Duration)) (err error) {
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	call, err := dial(ctx, e, c.url)
	if err != nil {
		return err
	}
	up := call.Up().Tap(256, media.DropNewest)
	return alive(ctx, call, func() error {
		if err := connected(ctx, call); err != nil {
			return err
		}
		var all sync.WaitGroup
		defer all.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		all.Go(func() { chat(ctx, call) })
		var first, least time.Duration
		var start uint32
		n := 0
		for _, p := range up.All(ctx) {
			if n == 0 {
				first, start = p.At, p.Time
			}
			d := p.At - first - time.Duration(int32(p.Time-start))*time.Second/media.ClockRate
			if n++; n <= 50 {
				least = min(least, d)
				continue
			}
			least = min(least, d)
			each(d - least)
		}
		return nil
	})
}

// chat keeps the call alive with packets, and the agent talking: it types again and again.
func chat(ctx context.Context, call *rtc.Call) {
	start := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	silence := []byte{0xfc, 0xff, 0xfe}
	for n := 0; ; n++ {
		wait.Reset(time.Until(start.Add(time.Duration(n) * media.FrameDuration)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		call.Send(media.Packet{Seq: uint16(n), Time: uint32(n) * media.ClockRate / 50, Level: -1, Payload: silence})
		if n%250 == 50 {
			call.Post([]byte(`{"type":"text","text":"Please tell me a story that lasts as long as you can make it last, and do not stop before you are asked to."}`))
		}
	}
}

func watchFor(ctx context.Context, so func() heard, d time.Duration) (heard, error) {
	if err := sleep(ctx, 2*time.Second); err != nil {
		return heard{}, err
	}
	so()
	if err := sleep(ctx, d); err != nil {
		return heard{}, err
	}
	return so(), nil
}

func (c *churn) printSteady(out io.Writer, calm, busy heard) {
	if c.Steady == 0 {
		return
	}
	line := func(name string, h heard) {
		fmt.Fprintf(out, "  %-10s p50 %s  p99 %s  max %s, later than %v: %v; a bare ticker in this process: p99 %s  max %s\n", name,
			millis(h.late.at(50)), millis(h.late.at(99)), millis(h.late.at(100)), lateLimit, h.over(lateLimit), millis(h.ticker.at(99)), millis(h.ticker.at(100)))
	}
	fmt.Fprintf(out, "packets that the %d who stayed received, lateness:\n", c.Steady)
	line("before", calm)
	line("meanwhile", busy)
}
