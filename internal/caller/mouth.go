package caller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"parley/internal/wav"
	"parley/media"
	"parley/media/rtc"
)

const frameSamples = Rate / 50

// Said is when something was said: the send times of its first and its last audible packet. Both are zero if none
// was audible.
type Said struct{ First, Last time.Duration }

// mouth sends a packet every 20 ms.
type mouth struct {
	voice voice
	send  func(media.Packet)
	floor chan struct{} // held by the Say that speaks, or the Press

	mu   sync.Mutex
	job  *job
	key  *key
	lose int // audible packets still to be lost
}

// job is what a Say wants said.
type job struct {
	pcm  []int16
	said Said
	done chan struct{}
}

func newMouth(call *rtc.Call) (*mouth, error) {
	v, err := newVoice(call.Audio().Codec)
	if err != nil {
		return nil, err
	}
	return &mouth{voice: v, send: call.Send, floor: make(chan struct{}, 1)}, nil
}

// Say speaks pcm and returns when its last packet has been sent. One at a time: a second waits. When ctx ends, what
// was not sent is not said.
func (c *Caller) Say(ctx context.Context, pcm []int16) (Said, error) {
	m := c.mouth
	select {
	case m.floor <- struct{}{}:
	case <-ctx.Done():
		return Said{}, context.Cause(ctx)
	}
	defer func() { <-m.floor }()
	j := &job{pcm: pcm, done: make(chan struct{})}
	m.put(j)
	select {
	case <-j.done:
		return j.said, nil
	case <-ctx.Done():
		m.put(nil)
		m.mu.Lock()
		defer m.mu.Unlock()
		return j.said, context.Cause(ctx)
	}
}

// Lose makes the next n audible packets get lost on their way: they are numbered but not sent.
func (c *Caller) Lose(n int) {
	c.mouth.mu.Lock()
	defer c.mouth.mu.Unlock()
	c.mouth.lose += n
}

func (m *mouth) put(j *job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.job = j
}

// take moves the next 20 ms into frame.
func (m *mouth) take(frame []int16) *job {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(frame)
	if m.job == nil {
		return nil
	}
	n := copy(frame, m.job.pcm)
	m.job.pcm = m.job.pcm[n:]
	return m.job
}

// sent notes that a packet of j has left, and says whether it must be lost.
func (m *mouth) sent(j *job, at time.Duration, level float64) (lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if level > Audible {
		if m.lose > 0 {
			m.lose--
			lost = true
		}
		if j != nil && j.said == (Said{}) {
			j.said.First = at
		}
		if j != nil {
			j.said.Last = at
		}
	}
	if j != nil && j == m.job && len(j.pcm) == 0 {
		m.job = nil
		close(j.done)
	}
	return lost
}

// speak sends from the connection to the end of ctx. Packet n leaves n × 20 ms after the first; after a stall the
// missed ones follow at once, as from a sender whose audio went on.
func (c *Caller) speak(ctx context.Context, fail context.CancelCauseFunc) {
	m := c.mouth
	start := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	frame := make([]int16, frameSamples)
	for n := 0; ; n++ {
		j := m.take(frame)
		level := wav.Level(frame)
		payload, err := m.voice.encode(frame)
		if err != nil {
			fail(fmt.Errorf("speak: %w", err))
			return
		}
		due := start.Add(time.Duration(n) * media.FrameDuration)
		wait.Reset(time.Until(due))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		at := c.Now()
		p := media.Packet{Seq: uint16(n), Time: m.voice.ticks(n), Marker: n == 0, Level: -1, Payload: payload}
		m.dial(&p)
		if !m.sent(j, at, level) {
			m.send(p)
		}
		c.log.sent(Packet{At: at, Place: due.Sub(start), Long: media.FrameDuration, Level: level})
	}
}
