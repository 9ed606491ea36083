package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"parley/internal/corpus"
	"parley/media"
	"parley/media/record"
	"parley/media/rtc"
)

// connectTime is how long a call over loopback may take to come about.
const connectTime = 10 * time.Second

// lab makes calls and reads their records.
type lab struct {
	endpoint *rtc.Endpoint
	dir      string
	delay    time.Duration // of the codec
	stamp    string        // of the recordings' ids
}

// taped is a call that was made: agent is the side that answered and that the record is of.
type taped struct {
	bundle        string
	agent, caller *side
	repeated      int // times it had been made in vain before
}

// triesMost is how often a call is made during which the computer was too busy.
const triesMost = 3

// tape makes a call, and makes it again if the computer was too busy for it: what was recorded then tells of the computer.
func (l lab) tape(ctx context.Context, name string, agent, caller *side) (t taped, err error) {
	for n := range triesMost {
		id := fmt.Sprintf("%s-%s", l.stamp, name)
		if n > 0 {
			id = fmt.Sprintf("%s-again-%d", id, n)
		}
		t, err = l.once(ctx, id, agent.fresh(), caller.fresh())
		if t.repeated = n; !errors.Is(err, errBusy) {
			break
		}
	}
	if err != nil {
		return t, fmt.Errorf("call %s: %w", name, err)
	}
	return t, nil
}

// once makes a call, records it as a server does, has both sides speak, and hangs up.
func (l lab) once(ctx context.Context, id string, agent, caller *side) (t taped, err error) {
	out, offer, err := l.endpoint.Offer(ctx)
	if err != nil {
		return t, err
	}
	defer out.Close()
	in, answer, err := l.endpoint.Answer(ctx, offer)
	if err != nil {
		return t, err
	}
	defer in.Close()
	if err := out.Accept(answer); err != nil {
		return t, err
	}
	a := in.Audio()
	w, err := record.New(l.dir, record.Manifest{
		ID: id, Start: in.Start(), Build: record.ThisBuild(), Codec: a.Codec, Events: a.Events, Clock: record.Clock{Source: "monotonic"},
	}, record.Options{})
	if err != nil {
		return t, err
	}
	const depth = 250
	taps := record.Taps{
		Up: in.Up().Tap(depth, media.DropNewest), Down: in.Down().Tap(depth, media.DropNewest),
		Controls: in.Controls().Tap(depth, media.DropNewest),
	}
	agent.call, caller.call = in, out
	caller.offset = out.Start().Sub(in.Start())
	live, over := context.WithCancelCause(ctx)
	defer over(nil)
	rolling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var calls, writer sync.WaitGroup
	for _, c := range []*rtc.Call{in, out} {
		calls.Go(func() { over(c.Run(context.WithoutCancel(ctx))) })
	}
	var broken error
	writer.Go(func() { broken = w.Run(rolling, in.Now, taps) })
	err = talk(live, agent, caller)
	in.Close()
	out.Close()
	calls.Wait()
	stop()
	writer.Wait()
	if err = errors.Join(err, broken); err != nil {
		return t, err
	}
	folder, err := record.Folder(id)
	return taped{bundle: filepath.Join(l.dir, folder), agent: agent, caller: caller}, err
}

// talk waits for the connection and has both sides speak at the same time.
func talk(ctx context.Context, sides ...*side) error {
	limit := time.NewTimer(connectTime)
	defer limit.Stop()
	for _, s := range sides {
		select {
		case <-s.call.Connected():
		case <-limit.C:
			return fmt.Errorf("no connection over loopback within %v", connectTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	errs := make([]error, len(sides))
	var all sync.WaitGroup
	for i, s := range sides {
		all.Go(func() { errs[i] = s.speak(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// call makes call number n, with chirps and speech in both directions, and measures it.
func (l lab) call(ctx context.Context, n int, seed uint64, length time.Duration, voices []corpus.Utterance) (c call, err error) {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	agent, caller := &side{script: write(r, length, voices)}, &side{script: write(r, length, voices)}
	t, err := l.tape(ctx, fmt.Sprint("call-", n+1), agent, caller)
	if err != nil {
		return c, err
	}
	b, err := record.Open(t.bundle)
	if err != nil {
		return c, err
	}
	defer b.Close()
	c = call{Length: b.Duration().Seconds(), Repeated: t.repeated}
	if c.Down, err = l.direction(b, record.Down, t.agent); err == nil {
		c.Up, err = l.direction(b, record.Up, t.caller)
	}
	return c, err
}

// loss makes the call in which the caller's packets are lost for two seconds.
func (l lab) loss(ctx context.Context) (m loss, err error) {
	caller := &side{script: long(), bare: true}
	t, err := l.tape(ctx, "loss", &side{}, caller)
	if err != nil {
		return m, err
	}
	b, err := record.Open(t.bundle)
	if err != nil {
		return m, err
	}
	defer b.Close()
	m = loss{Sent: media.Samples(len(caller.script[0].pcm), rate).Seconds(), NotSent: media.Samples((lostTo-lostFrom)*frame, rate).Seconds(), Repeated: t.repeated}
	pcm, classes, err := track(b, record.Up)
	if err != nil {
		return m, err
	}
	m.Kept = (classes.Sum() - classes[record.NotCaptured]).Seconds()
	m.Concealed = classes[record.Concealed].Seconds()
	var at [2]float64
	place := t.caller.places()
	for i, sample := range lossChirps {
		near := place(0, sample).Seconds() * rate
		ok := false
		if at[i], ok = find(chirp(), pcm, near-search, near+search); !ok {
			m.Lost = true
		}
	}
	m.Apart = (at[1] - at[0]) / rate
	m.ApartSent = float64(lossChirps[1]-lossChirps[0]) / rate
	return m, nil
}
