package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
	"parley/media/rtc"
)

// How the echo is made.
const (
	echoGain    = 0.1                    // −20 dB
	echoNoise   = -50.0                  // dBFS: a room, in every second call
	echoLook    = 3 * time.Second        // of an answer that comes back
	echoSettle  = 700 * time.Millisecond // between two
	echoPerCall = 7                      // answers in a call: a delay each call, found anew
	echoRing    = 4 * media.ListenRate   // samples that lie between loudspeaker and microphone, and much more
	echoShort   = 30 * time.Millisecond  // delays
	echoLong    = 200 * time.Millisecond
)

// echoCall is a call whose loudspeaker is heard by its microphone. It sends a packet every 20 ms.
type echoCall struct {
	call  *rtc.Call
	delay time.Duration
	noise []int16
	dec   codec.Decoder
	enc   codec.Encoder

	mu       sync.Mutex
	air      [echoRing]int16 // what the microphone hears, from the connection on
	heard    []caller.Packet
	back     []int16 // what was sent, for the control
	messages []caller.Message
	since    time.Duration // the connection, on the call's clock
	base     time.Duration // arrival of the first packet
	first    uint32        // its RTP time
	any      bool
}

// echoes is a run of answers that come back.
type echoes struct {
	all []stood

	mu      sync.Mutex
	control share // answers in whose echo the voice detector alone hears a voice
	ear     *neural
}

// judge has the voice detector hear what was sent, by itself: where it hears no voice, nothing is proved.
func (r *echoes) judge(pcm []int16, look time.Duration, from []time.Duration) error {
	stream := r.ear.detector.Open()
	voiced := make([]time.Duration, len(from))
	for i := 0; i+frame20 <= len(pcm); i += frame20 {
		at := media.Samples(i, media.ListenRate)
		scores, err := stream.Score(media.Frame{At: at, Rate: media.ListenRate, PCM: pcm[i : i+frame20]})
		if err != nil {
			return err
		}
		for _, s := range scores {
			for k, f := range from {
				if s.Voice >= 0.5 && s.At >= f && s.At < f+look {
					voiced[k] += hop
				}
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range voiced {
		r.control.add(v >= 2*hop)
	}
	return nil
}

const (
	frame20 = media.ListenRate / 50
	hop     = 32 * time.Millisecond // of the voice detector
)

// run makes calls of echoPerCall answers each, so many at once.
func (r *echoes) run(ctx context.Context, url string, calls int) (late figures, err error) {
	ticks, stop := context.WithCancel(ctx)
	var ticking, all sync.WaitGroup
	ticking.Go(func() { late = punctuality(ticks) })
	q := &queue{n: (len(r.all) + echoPerCall - 1) / echoPerCall}
	var mu sync.Mutex
	var errs []error
	for i := range min(calls, q.n) {
		all.Go(func() {
			err := sleep(ctx, time.Duration(i)*spread/time.Duration(calls))
			for n, ok := q.take(); ok && err == nil; n, ok = q.take() {
				err = r.call(ctx, url, n)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("caller %d: %w", i+1, err))
			}
		})
	}
	all.Wait()
	stop()
	ticking.Wait()
	return late, errors.Join(errs...)
}

// call is the n-th call.
func (r *echoes) call(ctx context.Context, url string, n int) (err error) {
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	call, _, err := dial(ctx, nil, e, url)
	if err != nil {
		return err
	}
	c := &echoCall{call: call, delay: placed(n, echoShort, echoLong)}
	if n%2 == 1 {
		c.noise = corpus.PinkNoise(5*time.Second, echoNoise, uint64(n))
	}
	if err := c.prepare(); err != nil {
		call.Close()
		return err
	}
	up := call.Up().Tap(256, media.DropNewest)
	return alive(ctx, call, func() error {
		if err := connected(ctx, call); err != nil {
			return err
		}
		ctx, cancel := context.WithCancelCause(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer call.Close() // ends the tap and the messages
		defer cancel(nil)
		c.since = call.Now()
		all.Go(func() { cancel(c.listen(up)) })
		all.Go(func() { c.read(ctx) })
		all.Go(func() { cancel(c.speak(ctx)) })
		return r.talk(ctx, c, n)
	})
}

func (c *echoCall) prepare() (err error) {
	audio := c.call.Audio().Codec
	if c.dec, err = codec.NewDecoder(audio, media.ListenRate); err != nil {
		return fmt.Errorf("prepare call: %w", err)
	}
	if c.enc, err = codec.NewEncoder(audio, media.ListenRate, codec.EncoderOptions{Voice: true}); err != nil {
		return fmt.Errorf("prepare call: %w", err)
	}
	return nil
}

func (c *echoCall) now() time.Duration { return c.call.Now() - c.since }

// talk asks for one answer after the other and judges each.
func (r *echoes) talk(ctx context.Context, c *echoCall, n int) error {
	if _, err := c.told(ctx, "state", 0); err != nil {
		return fmt.Errorf("wait for the conversation: %w", err)
	}
	var from []time.Duration
	for i := n * echoPerCall; i < min((n+1)*echoPerCall, len(r.all)); i++ {
		asked := c.now()
		if !c.call.Post([]byte(`{"type":"text","text":"Please tell me more."}`)) {
			return errors.New("ask for an answer: the data channel is closed")
		}
		began, err := c.answer(ctx, asked)
		if err != nil {
			return fmt.Errorf("wait for an answer to what was typed: %w", err)
		}
		if err := sleep(ctx, echoLook+overLook); err != nil {
			return err
		}
		until := began + echoLook
		from = append(from, began)
		c.mu.Lock()
		heard, messages := c.heard, c.messages
		c.mu.Unlock()
		r.all[i] = stand(heard, began, until, speechGap, interrupted(messages, began, until))
		r.all[i].Spoke = true // it was heard to begin
		if !c.call.Post([]byte(`{"type":"text","text":"Stop."}`)) {
			return errors.New("have the agent stop: the data channel is closed")
		}
		if err := sleep(ctx, echoSettle); err != nil {
			return err
		}
	}
	c.mu.Lock()
	back := c.back
	c.mu.Unlock()
	return r.judge(back, echoLook, from)
}

// answer waits for the first sound of an answer that the server tells of.
func (c *echoCall) answer(ctx context.Context, from time.Duration) (time.Duration, error) {
	told, err := c.told(ctx, "latency", from)
	for err == nil {
		c.mu.Lock()
		p, ok := caller.FirstAudible(c.heard, told-overLook/2)
		c.mu.Unlock()
		if ok {
			return p.At, nil
		}
		if c.now() > told+promptWait {
			return 0, errLate
		}
		err = sleep(ctx, 10*time.Millisecond)
	}
	return 0, err
}

// told waits for a message and says when it came.
func (c *echoCall) told(ctx context.Context, kind string, from time.Duration) (time.Duration, error) {
	for limit := c.now() + promptWait; c.now() < limit; {
		c.mu.Lock()
		i := slices.IndexFunc(c.messages, func(m caller.Message) bool { return m.Type == kind && m.At >= from })
		var at time.Duration
		if i >= 0 {
			at = c.messages[i].At
		}
		c.mu.Unlock()
		if i >= 0 {
			return at, nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errLate
}

// read keeps the server's messages until the call ends.
func (c *echoCall) read(ctx context.Context) {
	for raw := range c.call.Messages()(ctx) {
		var known struct{ Type string }
		_ = json.Unmarshal(raw, &known) // any text may come
		c.mu.Lock()
		c.messages = append(c.messages, caller.Message{At: c.now(), Type: known.Type, Raw: raw})
		c.mu.Unlock()
	}
}

// listen plays what arrives: into the air, each sample at the place that its RTP time gives it.
func (c *echoCall) listen(up *media.Tap[media.Packet]) error {
	pcm := make([]int16, int(codec.MaxDuration/time.Millisecond)*media.ListenRate/1000)
	for _, p := range up.All(context.Background()) { // it ends with the call
		n, err := c.dec.Decode(p.Payload, pcm)
		if err != nil {
			return fmt.Errorf("hear: %w", err)
		}
		c.play(p, pcm[:n])
	}
	return nil
}

func (c *echoCall) play(p media.Packet, pcm []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := p.At - c.since
	if !c.any {
		c.any, c.base, c.first = true, at, p.Time
	}
	place := c.base + time.Duration(int32(p.Time-c.first))*time.Second/media.ClockRate
	c.heard = append(c.heard, caller.Packet{At: at, Place: place, Long: media.Samples(len(pcm), media.ListenRate), Level: wav.Level(pcm)})
	from := max(0, samplesOf(place+c.delay))
	for i, s := range pcm {
		c.air[(from+i)%echoRing] += int16(math.Round(echoGain * float64(s)))
	}
}

// speak sends what the microphone hears: packet n, the 20 ms up to n × 20 ms.
func (c *echoCall) speak(ctx context.Context) error {
	start := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	frame := make([]int16, frame20)
	for n := 0; ; n++ {
		wait.Reset(time.Until(start.Add(time.Duration(n) * media.FrameDuration)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil
		}
		c.hear(n, frame)
		buf := make([]byte, codec.MaxPayload) // a payload is never written again
		size, err := c.enc.Encode(frame, buf)
		if err != nil {
			return fmt.Errorf("speak: %w", err)
		}
		c.call.Send(media.Packet{Seq: uint16(n), Time: uint32(n) * media.ClockRate / 50, Marker: n == 0, Level: -1, Payload: buf[:size]})
	}
}

// hear takes 20 ms out of the air.
func (c *echoCall) hear(n int, frame []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range frame {
		k := (n-1)*frame20 + i
		frame[i] = 0
		if k >= 0 {
			frame[i], c.air[k%echoRing] = c.air[k%echoRing], 0
			if len(c.noise) > 0 {
				frame[i] += c.noise[k%len(c.noise)]
			}
		}
	}
	c.back = append(c.back, frame...)
}
