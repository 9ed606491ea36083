package serve

import (
	"context"
	"strings"
	"sync"
	"time"

	"parley/agent"
	"parley/internal/provider"
	"parley/llm"
	llmfailover "parley/llm/failover"
	"parley/llm/openai"
	"parley/stt"
	sttfailover "parley/stt/failover"
	"parley/tts"
	"parley/tts/cache"
	ttsfailover "parley/tts/failover"
)

type (
	ear   = sttfailover.Link
	mouth = ttsfailover.Link
)

// alone are the limits of an engine that no other can stand in for: its own are shorter.
var alone = provider.Limits{First: time.Minute, Gap: time.Minute}

// warmLimit is how long engines may take to be warmed; they are used before that, too.
const warmLimit = 20 * time.Second

// chains opens the engines of the three kinds and makes one of each kind.
func (k *kit) chains(ctx context.Context, c chosen, e *engines, hedge time.Duration) (err error) {
	limits := func(n int) provider.Limits {
		if n == 1 {
			return alone
		}
		return provider.Limits{}
	}
	var ears []ear
	err = c.stt.open(ctx, k, func(name string, r stt.Recognizer) { ears = append(ears, ear{Name: name, Recognizer: r}) })
	if err != nil {
		return err
	}
	if e.recognizer, err = sttfailover.New(sttfailover.Options{Limits: limits(len(ears)), Logger: k.log}, ears...); err != nil {
		return err
	}
	var mouths []mouth
	err = c.tts.open(ctx, k, func(name string, v tts.Voice) { mouths = append(mouths, mouth{Name: name, Voice: v}) })
	if err != nil {
		return err
	}
	if e.voice, err = ttsfailover.New(ttsfailover.Options{Limits: limits(len(mouths)), Hedge: hedge, Logger: k.log}, mouths...); err != nil {
		return err
	}
	var minds []llmfailover.Link
	err = c.llm.open(ctx, k, func(name string, m llm.Model) { minds = append(minds, llmfailover.Link{Name: name, Model: m}) })
	if err != nil {
		return err
	}
	if e.model, err = llmfailover.New(llmfailover.Options{Limits: limits(len(minds)), Hedge: hedge, Logger: k.log}, minds...); err != nil {
		return err
	}
	if c.local() != nil {
		e.slots = make(chan int, k.slots)
		for i := range k.slots {
			e.slots <- i
		}
	}
	k.behind(ctx, e.recognizer.Tend, e.model.Tend, e.voice.Tend)
	k.warm(ctx, ears, mouths)
	return nil
}

// behind runs what belongs to the engines until they are closed.
func (k *kit) behind(ctx context.Context, all ...func(context.Context)) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(func() { f(ctx) })
	}
	k.onClose(func() error {
		stop()
		running.Wait()
		return nil
	})
}

// warm connects the engines that answer their first call sooner then. One that fails is told of, and tried again by the
// first call.
func (k *kit) warm(ctx context.Context, ears []ear, mouths []mouth) {
	var all []func(context.Context)
	add := func(flag, name string, engine any) {
		w, ok := engine.(stt.Warmer)
		if !ok || name == "local" { // that is warm since it was opened
			return
		}
		all = append(all, func(ctx context.Context) {
			ctx, done := context.WithTimeout(ctx, warmLimit)
			defer done()
			if err := w.Warm(ctx); err != nil && ctx.Err() != context.Canceled {
				k.log.Warn("engine could not be reached ahead of the first call", "engine", flag+" "+name, "err", err)
			}
		})
	}
	for _, l := range ears {
		add("stt", l.Name, l.Recognizer)
	}
	for _, l := range mouths {
		add("tts", l.Name, l.Voice)
	}
	k.behind(ctx, all...)
}

// remember puts a memory in front of the voices for what the agent says in every call, and fills it. In it is also what is
// said when every voice fails.
func (k *kit) remember(ctx context.Context, e *engines, p agent.Profile) {
	p = p.WithDefaults()
	var texts, phrases []string
	for _, t := range []string{p.Greeting, p.CheckIn, p.Goodbye, p.Sorry, p.Pardon, p.Deaf} {
		if t == "-" {
			continue
		}
		texts, phrases = append(texts, t), append(phrases, agent.Phrases(t)...)
	}
	var first *cache.Voice
	e.voice = e.voice.Each(func(_ string, v tts.Voice) tts.Voice {
		c := cache.New(cache.Options{Voice: v, Texts: texts})
		if first == nil {
			first = c
		}
		return c
	})
	k.behind(ctx, func(ctx context.Context) {
		if err := first.Fill(ctx, phrases); err != nil && ctx.Err() == nil {
			k.log.Warn("what the agent says in every call could not be spoken ahead", "err", err)
		}
	})
}

// forCall is the language model as one call uses it: of a local server, a slot of its own as long as there is
// one, so that calls do not throw each other's history out of its cache. done gives it back.
func (e *engines) forCall() (m llm.Model, done func()) {
	if e.slots == nil {
		return e.model, func() {}
	}
	select {
	case n := <-e.slots:
		return e.model.Each(func(name string, m llm.Model) llm.Model {
			if local, ok := m.(*openai.Model); ok && strings.HasPrefix(name, "local") {
				return local.Slot(n)
			}
			return m
		}), func() { e.slots <- n }
	default:
		return e.model, func() {}
	}
}

// mostSlots bounds the conversations that a local language model remembers: each takes about 100 MB.
const mostSlots = 16
