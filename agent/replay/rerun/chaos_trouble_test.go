package rerun

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// trouble is a way in which an engine goes wrong for a while. Package fault has them by the number of a call; these come and go
// with the time, and hit the beginning of a call, too.
type trouble struct {
	name  string
	early bool  // it comes before anything has; else in the middle
	err   error // what calls end with then; nil: they just end
	how   manner
}

type manner uint8

const (
	ends    manner = iota // with err
	hangs                 // until ctx ends
	pauses                // for two seconds
	slow                  // ten times as slow as usual
	empty                 // a good end without anything
	garbage               // nonsense first
)

var troubles = []trouble{
	{"unavailable", true, provider.ErrUnavailable, ends},
	{"auth", true, provider.ErrAuth, ends},
	{"quota", true, provider.ErrQuota, ends},
	{"bad request", true, provider.ErrBadRequest, ends},
	{"truncated", true, provider.ErrTruncated, ends},
	{"ends at once", true, nil, ends},
	{"hangs at first", true, nil, hangs},
	{"hangs in the middle", false, nil, hangs},
	{"cut in the middle", false, provider.ErrTruncated, ends},
	{"fails in the middle", false, provider.ErrUnavailable, ends},
	{"ends in the middle", false, nil, ends},
	{"pauses in the middle", false, nil, pauses},
	{"slow", true, nil, slow},
	{"empty", true, nil, empty},
	{"garbage", true, nil, garbage},
}

const broken = "\xff\xfe\x00\x1b\u202e\xc3<|im_end|><|im_start|>"

var errLeft = errors.New("the loop was left")

// patient is an engine of a chain that has a trouble.
type patient struct {
	trouble
	link   int
	sick   func() bool // now
	middle int         // items before the middle
	log    *ward
}

// ward is what the engines of a conversation did.
type ward struct {
	mu     sync.Mutex
	since  func() time.Duration
	hits   []visit // troubles
	served []visit // results
}

// visit is what an engine did, and when.
type visit struct {
	kind string
	link int
	at   time.Duration
}

func (w *ward) hit(kind string, link int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hits = append(w.hits, visit{kind, link, w.since()})
}

func (w *ward) serves(kind string, link int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served = append(w.served, visit{kind, link, w.since()})
}

// last is the link of a kind that served last between two moments; negative: none.
func (w *ward) last(kind string, from, to time.Duration) int {
	for _, v := range slices.Backward(w.served) {
		if v.kind == kind && v.at >= from && v.at < to {
			return v.link
		}
	}
	return -1
}

// model is m with the trouble.
func (p patient) model(m llm.Model) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			in := m.Generate(ctx, req)
			if p.sick() {
				p.log.hit("llm", p.link)
				c := course[llm.Delta]{first: 9 * thinksFirst, next: 9 * thinksNext, odd: llm.Delta{Text: broken}, none: []llm.Delta{{End: llm.Stop}}}
				c.last = func(d llm.Delta) bool { return d.End != "" }
				in = take(ctx, p, c, in)
			}
			for d, err := range in {
				if d.End != "" {
					p.log.serves("llm", p.link)
				}
				if !yield(d, err) {
					return
				}
			}
		}
	})
}

// voice is v with the trouble.
func (p patient) voice(v tts.Voice) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			in := v.Speak(ctx, text)
			if p.sick() {
				p.log.hit("tts", p.link)
				odd := tts.Audio{Frame: media.Frame{At: -time.Second, Rate: 12347, PCM: make([]int16, 7)},
					Words: []tts.Word{{Text: broken, Start: time.Hour, End: -time.Hour}}}
				in = take(ctx, p, course[tts.Audio]{first: 9 * speaksFirst, next: 50 * ms, odd: odd}, in)
			}
			for a, err := range in {
				if len(a.PCM) > 100 {
					p.log.serves("tts", p.link)
				}
				if !yield(a, err) {
					return
				}
			}
		}
	})
}

// course is what a trouble does to a stream of one kind.
type course[T any] struct {
	first, next time.Duration // how much later items come that are slow
	odd         T             // nonsense
	none        []T           // an answer that is empty
	last        func(T) bool  // is the item the end of an answer? nil: none is
}

// take is a stream with a trouble. Its own end is in the middle at the latest.
func take[T any](ctx context.Context, p patient, c course[T], in iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		meets := func() (over bool) {
			over, why := p.befalls(ctx)
			if why != nil {
				yield(zero, why)
			}
			return over
		}
		if p.early && meets() {
			return
		}
		if p.how == garbage && !yield(c.odd, nil) {
			return
		}
		if p.how == empty {
			emptied(ctx, c, in, yield)
			return
		}
		n, met := 0, p.early
		for v, err := range in {
			if err == nil && p.how == slow {
				if err = rest(ctx, c.first); err != nil {
					v = zero
				}
				c.first = c.next
			}
			if !met && err == nil && (n == p.middle || c.last != nil && c.last(v)) {
				if met = true; meets() {
					return
				}
			}
			if n++; !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// emptied takes a stream to its end and gives nothing of it.
func emptied[T any](ctx context.Context, c course[T], in iter.Seq2[T, error], yield func(T, error) bool) {
	for v, err := range in {
		if err != nil {
			yield(v, err)
			return
		}
	}
	for _, v := range c.none {
		if !yield(v, nil) {
			return
		}
	}
}

// befalls has the trouble happen; over says that it ended the stream, and with what.
func (p patient) befalls(ctx context.Context) (over bool, err error) {
	switch p.how {
	case hangs:
		return true, rest(ctx, math.MaxInt64)
	case pauses:
		err = rest(ctx, 2*time.Second)
		return err != nil, err
	case ends:
		return true, p.err
	}
	return false, nil
}

// recognizer is r with the trouble: an early one meets whatever comes first, another one a Final. A call that begins meanwhile
// meets an early one at once.
func (p patient) recognizer(r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			if p.early && (p.how == ends || p.how == hangs) && p.sick() {
				p.log.hit("stt", p.link)
				if _, err := p.befalls(ctx); err != nil {
					yield(stt.Result{}, err)
				}
				return
			}
			for res, err := range r.Recognize(ctx, in) {
				var over bool
				if err == nil && p.sick() {
					if over, err = p.met(ctx, &res, yield); errors.Is(err, errLeft) {
						return
					}
				}
				if err != nil {
					yield(stt.Result{}, err)
				}
				if err != nil || over {
					return
				}
				if res.Kind == stt.Final && res.Text != "" {
					p.log.serves("stt", p.link)
				}
				if !yield(res, nil) {
					return
				}
			}
		}
	})
}

// met does to a result what the trouble does.
func (p patient) met(ctx context.Context, res *stt.Result, yield func(stt.Result, error) bool) (over bool, err error) {
	if res.Kind != stt.Final && (!p.early || p.how > pauses) {
		if p.how == empty {
			res.Text = ""
		}
		return false, nil
	}
	p.log.hit("stt", p.link)
	switch p.how {
	case slow:
		return false, rest(ctx, 9*hearsFinal)
	case empty:
		res.Text, res.Words = "", nil
		return false, nil
	case garbage:
		if !yield(stt.Result{Kind: stt.Final, Text: broken, Start: -time.Hour, End: -2 * time.Hour}, nil) {
			return true, errLeft
		}
		return false, nil
	}
	return p.befalls(ctx)
}
