package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/media"
	"parley/web"
)

// How the callers behave.
const (
	promptWait = 8 * time.Second // for the first sound of an answer to what was typed
	replyWait  = 8 * time.Second // for the answer to an interruption to begin
	settleWait = 500 * time.Millisecond
	standLook  = 2 * time.Second  // after a sound
	answerMost = 25 * time.Second // of an answer, then another is asked for
)

// queue hands out events by number to the calls that are under way.
type queue struct {
	mu      sync.Mutex
	next, n int
}

func (q *queue) take() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next >= q.n {
		return 0, false
	}
	q.next++
	return q.next - 1, true
}

// phones makes so many calls at once until n events are dealt with. The load is that of this process and how late its bare ticker was.
func phones(ctx context.Context, url string, calls, n int, script func(context.Context, *caller.Caller, *queue) error) (late figures, err error) {
	ticks, stop := context.WithCancel(ctx)
	var ticking, all sync.WaitGroup
	ticking.Go(func() { late = punctuality(ticks) })
	q := &queue{n: n}
	var mu sync.Mutex
	var errs []error
	for i := range min(calls, n) {
		all.Go(func() {
			err := sleep(ctx, time.Duration(i)*spread/time.Duration(calls))
			if err == nil {
				err = caller.Run(ctx, url, caller.Options{}, func(ctx context.Context, c *caller.Caller) error { return script(ctx, c, q) })
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

// punctuality is how late a bare timer of this process is, every 20 ms.
func punctuality(ctx context.Context) (late figures) {
	start := time.Now()
	for n := 1; ; n++ {
		due := start.Add(time.Duration(n) * media.FrameDuration)
		if sleep(ctx, time.Until(due)) != nil {
			return late
		}
		late = append(late, time.Since(due))
	}
}

// answering is an answer that began to be heard.
type answering struct {
	turn  int
	began time.Duration // first audible packet
	told  time.Duration // the message that it began
}

// prompt types something and waits for the answer.
func prompt(ctx context.Context, c *caller.Caller) (answering, error) {
	err := limited(ctx, promptWait, func(ctx context.Context) error {
		_, err := c.Expect(ctx, "state", 0) // the conversation has begun
		return err
	})
	if err != nil {
		return answering{}, err
	}
	from := c.Now()
	if !c.Post([]byte(`{"type":"text","text":"Please tell me more about all of that."}`)) {
		return answering{}, errors.New("the data channel is closed")
	}
	return begun(ctx, c, from, promptWait)
}

// begun waits for an answer to begin.
func begun(ctx context.Context, c *caller.Caller, from, limit time.Duration) (a answering, err error) {
	err = limited(ctx, limit, func(ctx context.Context) error {
		m, err := c.Expect(ctx, "latency", from)
		if err != nil {
			return err
		}
		var l web.Latency
		if err := json.Unmarshal(m.Raw, &l); err != nil {
			return fmt.Errorf("read the server's message: %w", err)
		}
		p, err := c.Answer(ctx, m.At-overLook/2)
		a = answering{l.Turn, p.At, m.At}
		return err
	})
	return a, err
}

// cut is one interruption, and what came of it.
type cut struct {
	answering // what is interrupted
	said      caller.Said
	next      answering // the answer to it; turn 0: there was none
	yielded
	text history
}

// history is what the server has of an answer.
type history struct {
	generated, heard string
	ended            bool
	told             string // to the model, of the agent's words, when the next turn was answered
	asked            bool
}

// cuts is a run of interruptions.
type cuts struct {
	speech []corpus.Utterance
	gap    time.Duration
	all    []cut
}

// cutPlace is when an answer is interrupted, counted from its first packet: at a moment that knows nothing of words and frames.
func cutPlace(i int) time.Duration {
	return 300*time.Millisecond + placed(i, 0, 3500*time.Millisecond) + time.Duration(i%20)*time.Millisecond
}

// call interrupts one answer after the other: what interrupts is answered, and that is interrupted next.
func (r *cuts) call(ctx context.Context, c *caller.Caller, q *queue) error {
	var mine []int
	var a answering
	for i, ok := q.take(); ok; i, ok = q.take() {
		e := &r.all[i]
		mine = append(mine, i)
		if a.turn == 0 {
			var err error
			if a, err = prompt(ctx, c); err != nil {
				return fmt.Errorf("wait for an answer to what was typed: %w", err)
			}
		}
		e.answering = a
		if err := c.Until(ctx, a.began+cutPlace(i)); err != nil {
			return err
		}
		var err error
		if e.said, err = c.Say(ctx, r.speech[i%len(r.speech)].PCM); err != nil {
			return err
		}
		a, err = begun(ctx, c, e.said.First, replyWait)
		if err != nil && !errors.Is(err, errLate) {
			return err
		}
		e.next = a
		if a.turn == 0 { // be sure that the next prompt finds it silent or speaking of its own accord
			if err := sleep(ctx, settleWait); err != nil {
				return err
			}
		}
	}
	if err := sleep(ctx, settleWait); err != nil {
		return err
	}
	heard, messages := c.Heard(-time.Hour), c.Messages(0)
	for _, i := range mine {
		r.all[i].judge(heard, messages, r.gap)
	}
	return nil
}

func (e *cut) judge(heard []caller.Packet, messages []caller.Message, gap time.Duration) {
	next := time.Duration(-1)
	if p, ok := onset(heard, e.next.told); ok && e.next.turn > 0 {
		next = p.At
	}
	if p, ok := onset(heard, e.told); ok {
		e.began = p.At
	}
	e.yielded = yield(heard, e.began, e.said, next, gap)
	e.text = remembered(messages, e.turn, e.next.turn)
}

// remembered is what the messages tell of the answer to a turn, and of what the model was told when the next was answered.
func remembered(messages []caller.Message, turn, next int) (h history) {
	for _, m := range messages {
		switch m.Type {
		case "agent":
			var s web.Said
			if json.Unmarshal(m.Raw, &s) == nil && s.Turn == turn && s.Done {
				h.generated, h.heard, h.ended = s.Generated, s.Heard, true
			}
		case "told":
			var t toldHistory
			if next > 0 && json.Unmarshal(m.Raw, &t) == nil && t.Turn == next {
				h.told, h.asked = strings.TrimSpace(strings.TrimSuffix(t.Agent, "…")), true
			}
		}
	}
	return h
}

// interrupted says whether the server calls an answer interrupted by a message from one time to another.
func interrupted(messages []caller.Message, from, until time.Duration) bool {
	return slices.ContainsFunc(messages, func(m caller.Message) bool {
		var s web.Said
		return m.Type == "agent" && m.At >= from && m.At <= until && json.Unmarshal(m.Raw, &s) == nil && s.Interrupted
	})
}

// sounds is a run of sounds of one kind, made while the agent speaks.
type sounds struct {
	row string
	all []stood
}

// soundOf is the sound of event i: each time at another pitch and level, as in simulated time.
func soundOf(row string, i int) []int16 {
	var pcm []int16
	_, f := math.Modf(float64(i) * 0.7548776662)
	switch row {
	case rowHum:
		pcm = pitched(corpus.MmHm().PCM, 0.8+0.45*f)
	case rowCough:
		pcm = pitched(corpus.Cough().PCM, 0.8+0.45*f)
	default:
		pcm = corpus.PinkNoise(placed(i, 200*time.Millisecond, 1200*time.Millisecond), speechLevel-4, uint64(i+1))
	}
	gain := math.Pow(10, -4*float64(i%4)/20)
	for k, s := range pcm {
		pcm[k] = int16(math.Round(float64(s) * gain))
	}
	return pcm
}

// call makes sounds while one long answer goes on, or another where that was stopped.
func (r *sounds) call(ctx context.Context, c *caller.Caller, q *queue) error {
	var a answering
	for i, ok := q.take(); ok; i, ok = q.take() {
		if a.turn == 0 || c.Now()-a.began > answerMost {
			var err error
			if a, err = prompt(ctx, c); err != nil {
				return fmt.Errorf("wait for an answer to what was typed: %w", err)
			}
		}
		if err := c.Until(ctx, max(c.Now(), a.began)+placed(i, 100*time.Millisecond, 400*time.Millisecond)); err != nil {
			return err
		}
		said, err := c.Say(ctx, soundOf(r.row, i))
		if err != nil {
			return err
		}
		if said == (caller.Said{}) {
			return fmt.Errorf("%s %d was not audible", r.row, i)
		}
		until := said.Last + standLook
		if err := c.Until(ctx, until+overLook); err != nil {
			return err
		}
		r.all[i] = stand(c.Heard(said.First-time.Second), said.First, until, humGap, interrupted(c.Messages(said.First), said.First, until))
		if r.all[i].Stopped {
			a = answering{}
		}
	}
	return nil
}
