package cassette

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"parley/media"
	"parley/stt"
)

// Recognizer is the recorded recognizer. It listens to nothing but where its input is: what was recorded comes as soon as as
// much has been given as had been then, and as long after, but in the order in which it came. A flush gets the Final of the recorded flush nearest to it, in
// the time that it took then; if none was within 150 ms, the words that were known by then. A call that begins later on the
// timeline hears what follows from there. A call that failed fails again, the one of the same number.
func (c *Cassette) Recognizer() stt.Recognizer {
	var mu sync.Mutex
	calls := 0
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			mu.Lock()
			calls++
			h := hearing{c: c, call: calls}
			mu.Unlock()
			h.run(ctx, in, yield)
		}
	})
}

// hearing is one call to Recognize.
type hearing struct {
	c    *Cassette
	call int

	any   bool          // a frame was given
	heard time.Duration // the end of the newest
	next  int           // of the items
	given int           // Finals before this are given
	last  stt.Result    // the Final with a text that was last on its way
	told  stt.Result    // that was last given
	fails bool          // the recorded error is on its way or was

	items  []due // what comes by itself
	finals []due // what was asked for
}

// due is a result, or an error, and when it comes.
type due struct {
	when time.Time
	came int // its place in the record's log
	res  stt.Result
	err  error
}

// place is what a frame of the input tells.
type place struct {
	at, end time.Duration
	flush   bool
}

func (h *hearing) run(ctx context.Context, in media.Source[stt.Audio], yield func(stt.Result, error) bool) {
	own, cancel := context.WithCancel(ctx)
	input := make(chan place)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(input)
		for a := range in(own) {
			select {
			case input <- place{a.At, a.At + a.Duration(), a.Flush}:
			case <-own.Done():
				return
			}
		}
	})
	defer reader.Wait()
	defer cancel()
	if err := h.converse(ctx, input, yield); err != nil {
		yield(stt.Result{}, err)
	}
}

// converse runs until the input has ended and all is said, the consumer leaves (then without an error), ctx ends or the
// call fails as it failed.
func (h *hearing) converse(ctx context.Context, input <-chan place, yield func(stt.Result, error) bool) error {
	h.failing()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		queue := h.first()
		if queue == nil && input == nil {
			return nil
		}
		var come <-chan time.Time
		if queue != nil {
			d := (*queue)[0]
			left := time.Until(d.when)
			if left <= 0 {
				*queue = (*queue)[1:]
				if d.err != nil {
					return d.err
				}
				d.res.Words = slices.Clone(d.res.Words)
				if !h.stale(d.res) && !yield(d.res, nil) {
					return nil
				}
				continue
			}
			timer.Reset(left)
			come = timer.C
		}
		select {
		case p, ok := <-input:
			if !ok {
				input = nil
				h.end()
				continue
			}
			h.take(p)
		case <-come:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// stale tells a Partial that would take back what a Final has told, because the flush came sooner than in the record.
func (h *hearing) stale(r stt.Result) bool {
	if r.Kind == stt.Final {
		h.told = r
	}
	return r.Kind == stt.Partial && h.told.Text != "" && r.Start == h.told.Start && r.End <= h.told.End
}

// first is the queue whose head comes first; nil if both are empty.
func (h *hearing) first() *[]due {
	switch {
	case len(h.items) == 0 && len(h.finals) == 0:
		return nil
	case len(h.items) == 0 || len(h.finals) > 0 && h.finals[0].before(h.items[0]):
		return &h.finals
	}
	return &h.items
}

func (d due) before(e due) bool {
	return d.when.Before(e.when) || d.when.Equal(e.when) && d.came < e.came
}

// take hears a frame.
func (h *hearing) take(p place) {
	all := &h.c.heard
	if !h.any {
		h.any = true
		for h.next < len(all.items) && all.items[h.next].heard <= p.at {
			h.next++ // before this call's time
		}
		for h.given < len(all.finals) && all.finals[h.given].at < p.at {
			h.given++
		}
	}
	h.heard = max(h.heard, p.end)
	for ; h.next < len(all.items) && all.items[h.next].heard <= h.heard; h.next++ {
		h.come(all.items[h.next])
	}
	h.failing()
	if p.flush {
		h.flush(p)
	}
}

// failing lets the call fail if it did and has heard as much.
func (h *hearing) failing() {
	e, ok := h.c.heard.ends[h.call]
	if ok && !h.fails && (!e.any || h.any && e.heard <= h.heard) {
		h.fails = true
		h.come(e)
	}
}

// come puts what came by itself on its way. What came after a Final does not overtake it: the engine may have taken no more
// audio meanwhile.
func (h *hearing) come(i item) {
	d := due{time.Now().Add(i.after), i.came, i.res, i.err}
	for _, f := range h.finals {
		if f.came <= d.came && d.when.Before(f.when) {
			d.when = f.when
		}
	}
	h.items = later(h.items, d)
}

// later puts d at the end of a queue; it does not overtake what is there.
func later(queue []due, d due) []due {
	if n := len(queue); n > 0 && d.when.Before(queue[n-1].when) {
		d.when = queue[n-1].when
	}
	return append(queue, d)
}

// flush answers one. Words of Finals that nothing asked for this time come before it as Partials.
func (h *hearing) flush(p place) {
	all := &h.c.heard
	i := all.nearest(p.at)
	var f final
	if i >= 0 {
		f = all.finals[i]
	}
	res, came := f.res, f.came
	if i < 0 || (f.at-p.at).Abs() > covered {
		res, came = all.said(p.at), math.MaxInt
		if res.Text == "" || res.Text == h.last.Text && res.Start == h.last.Start && p.at-res.End > forgotten {
			res = stt.Result{Start: p.at, End: p.at}
		}
		h.c.miss(Miss{Engine: hears, Call: h.call, Asked: fmt.Sprintf("flush at %v", p.at), Used: res.Text, Why: "there was no flush within 150 ms of it"})
	}
	when := time.Now().Add(f.after)
	for ; h.given <= i; h.given++ {
		if f := all.finals[h.given].res; f.Text != "" && f.Start < res.Start && (h.last.Text == "" || f.Start > h.last.Start) {
			f.Kind = stt.Partial
			h.finals = later(h.finals, due{when, came, f, nil})
		}
	}
	if res.Text != "" {
		h.last = res
	}
	res.Kind, res.End = stt.Final, max(res.End, p.at, res.Start)
	h.finals = later(h.finals, due{when, came, res, nil})
}

// end is the input's end: a Final that was asked for in the record and not here comes nevertheless.
func (h *hearing) end() {
	all := &h.c.heard
	for i := len(all.finals) - 1; i >= h.given; i-- {
		if f := all.finals[i]; f.at <= h.heard && f.res.Text != "" && (f.res.Text != h.last.Text || f.res.Start != h.last.Start) {
			h.flush(place{at: f.at, end: h.heard})
			return
		}
	}
}
