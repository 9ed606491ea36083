package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
	"parley/llm/script"
)

// does is one step of a scripted model: it waits, then writes, fails or ends.
type does struct {
	wait time.Duration
	text string
	call bool
	err  error
	end  llm.Reason
}

// model does the same at each request, and keeps what it was asked.
type model struct {
	steps []does
	mu    sync.Mutex
	asked []llm.Request
	open  int // requests under way
}

func (m *model) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		m.mu.Lock()
		m.asked = append(m.asked, req)
		m.open++
		m.mu.Unlock()
		defer func() { m.mu.Lock(); m.open--; m.mu.Unlock() }()
		for _, s := range m.steps {
			select {
			case <-time.After(s.wait):
			case <-ctx.Done():
				yield(llm.Delta{}, context.Cause(ctx))
				return
			}
			d := llm.Delta{Text: s.text, End: s.end}
			if s.call {
				d = llm.Delta{Call: &llm.Call{ID: "1", Name: "book", Arguments: []byte("{}")}}
			}
			if !yield(d, s.err) || s.err != nil {
				return
			}
		}
	}
}

func (m *model) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

func says(parts ...string) *model {
	m := &model{}
	for _, p := range parts {
		m.steps = append(m.steps, does{text: p})
	}
	m.steps = append(m.steps, does{end: llm.Stop})
	return m
}

// after is m with a step put in before step n, where it ends.
func (m *model) until(n int, last does) *model {
	return &model{steps: append(slices.Clone(m.steps[:n]), last)}
}

var errDown = fmt.Errorf("ask: %w", provider.ErrUnavailable)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func chained(t *testing.T, o Options, models ...llm.Model) *Chain {
	t.Helper()
	var links []Link
	for i, m := range models {
		links = append(links, Link{Name: string(rune('A' + i)), Model: m})
	}
	c, err := New(o, links...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answerOf is the text and the end that a model gives, and the notes that are told meanwhile.
func answerOf(ctx context.Context, m llm.Model) (text string, end llm.Reason, notes []string, err error) {
	var mu sync.Mutex
	ctx = provider.Noting(ctx, func(n provider.Note) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case n.Used != nil:
			lost := ""
			if n.Used.Lost {
				lost = " lost"
			}
			notes = append(notes, "used "+n.Provider+lost)
		default:
			notes = append(notes, n.Provider+"→"+n.Next)
		}
	})
	var b strings.Builder
	for d, e := range m.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "What is the capital of France?"}}}) {
		b.WriteString(d.Text)
		end, err = d.End, e
	}
	return b.String(), end, notes, err
}

func TestTheContractOfAModel(t *testing.T) {
	stub := func() llm.Model { return script.New(script.Options{Answers: []string{"One two three four five."}}) }
	for name, c := range map[string]*Chain{
		"one":               chained(t, Options{}, stub()),
		"the second":        chained(t, Options{}, says().until(0, does{err: errDown}), stub()),
		"with a hedge":      chained(t, Options{Hedge: time.Millisecond}, stub(), stub()),
		"hedged by its own": chained(t, Options{Hedge: time.Millisecond}, stub()),
	} {
		stuck := chained(t, Options{Hedge: time.Millisecond}, &model{steps: []does{{wait: time.Hour}}}, &model{steps: []does{{wait: time.Hour}}})
		t.Run(name, func(t *testing.T) {
			llmtest.Run(t, llmtest.Options{New: func(testing.TB) llm.Model { return c }, Stuck: func(testing.TB) llm.Model { return stuck }})
		})
	}
}

// Wherever the first model breaks off, the second one goes on from there, and no word is said twice.
func TestTheNextGoesOn(t *testing.T) {
	first := says("The capital ", "of France ", "is Paris, ", "of course.")
	for name, last := range map[string]does{
		"it fails": {err: errDown}, "it is cut": {err: provider.ErrTruncated}, "it ends without an end": {}, "quota": {err: provider.ErrQuota}, "it stalls": {wait: time.Hour},
	} {
		for n := range len(first.steps) {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					second := says("is Paris, ", "of course.")
					want := "The capital of France is Paris, of course."
					switch {
					case n == 0:
						second = says("The capital of France is Paris, ", "of course.")
					case n == 1:
						second = says("of France is Paris, ", "of course.")
					case n == 3:
						second = says("Paris, of course.") // it says the last word again
					case n == 4:
						second = says()
					}
					a := first.until(n, last)
					began := time.Now()
					text, end, notes, err := answerOf(t.Context(), chained(t, Options{}, a, second))
					if n == 4 && text == "The capital of France is Paris, of " { // what was not a whole word is lost
						want = text
					}
					if strings.Join(strings.Fields(text), " ") != strings.TrimSpace(want) || end != llm.Stop || err != nil {
						t.Errorf("got %q, %q, %v", text, end, err)
					}
					if !slices.Contains(notes, "A→B") || a.open+second.open != 0 {
						t.Errorf("notes %q, %d and %d requests open", notes, a.open, second.open)
					}
					if took := time.Since(began); took > 5*time.Second+time.Millisecond {
						t.Errorf("it took %v", took)
					}
					if asked := second.asked[0].Messages; n > 0 && (len(asked) != 3 || asked[1].Role != llm.Agent || asked[1].Text == "" || asked[2].Text != goOn) {
						t.Errorf("the second was asked %+v", asked)
					}
				})
			})
		}
	}
}

func TestAnEmptyAnswerIsAnAnswer(t *testing.T) {
	second := says("no")
	text, end, notes, err := answerOf(t.Context(), chained(t, Options{}, says(), second))
	if text != "" || end != llm.Stop || err != nil || second.requests() != 0 || slices.Contains(notes, "A→B") {
		t.Errorf("got %q, %q, %v, %q", text, end, err, notes)
	}
}

// After a call of a tool nobody else is asked: it may have run.
func TestToolsRunOnce(t *testing.T) {
	second := says("no")
	a := &model{steps: []does{{text: "Well, "}, {call: true}, {err: errDown}}}
	_, _, _, err := answerOf(t.Context(), chained(t, Options{}, a, second))
	if !errors.Is(err, provider.ErrUnavailable) || second.requests() != 0 {
		t.Errorf("%v after %d requests", err, second.requests())
	}
}

func TestAllFail(t *testing.T) {
	_, _, notes, err := answerOf(t.Context(), chained(t, Options{}, says().until(0, does{err: errDown}), says().until(0, does{err: provider.ErrQuota})))
	if !errors.Is(err, provider.ErrUnavailable) || errors.Is(err, provider.ErrQuota) || !strings.Contains(err.Error(), "A: ") || !strings.Contains(err.Error(), "B: ") || !slices.Equal(notes, []string{"A→B", "B→"}) {
		t.Errorf("%v, %q", err, notes)
	}
}

// The caller who leaves is no failure of the model.
func TestLeavingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &model{steps: []does{{wait: time.Second}}}
		c := chained(t, Options{}, a, says("no"))
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, _, notes, err := answerOf(ctx, c); !errors.Is(err, context.DeadlineExceeded) || len(notes) > 0 {
				t.Errorf("%v, %q", err, notes)
			}
			cancel()
		}
		if !c.links.Breakers[0].Closed() {
			t.Error("the breaker is open")
		}
	})
}

// A model that is down is not asked by every caller, and asked again when its probe has come through.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := says().until(0, does{err: errDown}), says("Fine.")
		c := chained(t, Options{}, a, b)
		ctx, cancel := context.WithCancel(t.Context())
		var tending sync.WaitGroup
		tending.Go(func() { c.Tend(ctx) })
		synctest.Wait()
		for range 10 {
			if text, _, _, err := answerOf(ctx, c); text != "Fine." || err != nil {
				t.Fatalf("%q, %v", text, err)
			}
		}
		if n := a.requests(); n != 3 {
			t.Errorf("it was asked %d times while it was down", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := a.requests(); n != 4 || c.links.Breakers[0].Closed() {
			t.Errorf("%d requests after the first probe", n)
		}
		a.mu.Lock()
		a.steps = says("Back.").steps
		a.mu.Unlock()
		time.Sleep(11 * time.Second)
		if text, _, _, err := answerOf(ctx, c); text != "Back." || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		cancel()
		tending.Wait()
	})
}

func TestWhenAllBreakersAreOpenAllAreTried(t *testing.T) {
	a, b := says("One."), says("Two.")
	c := chained(t, Options{}, a, b)
	for _, b := range c.links.Breakers {
		b.Failed(provider.ErrAuth)
	}
	if text, _, _, err := answerOf(t.Context(), c); text != "One." || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestHedge(t *testing.T) {
	const ms = time.Millisecond
	late := func(d time.Duration, text string) *model {
		return &model{steps: []does{{wait: d, text: text}, {end: llm.Stop}}}
	}
	for _, tt := range []struct {
		name  string
		links []llm.Model
		text  string
		took  time.Duration
		notes []string
	}{
		{"the first is soon", []llm.Model{late(300*ms, "A."), late(0, "B.")}, "A.", 300 * ms, []string{"used A"}},
		{"the second is sooner", []llm.Model{late(900*ms, "A."), late(100*ms, "B.")}, "B.", 500 * ms, []string{"used B"}},
		{"the first is sooner after all", []llm.Model{late(500*ms, "A."), late(300*ms, "B.")}, "A.", 500 * ms, []string{"used A"}},
		{"the first fails", []llm.Model{&model{steps: []does{{wait: 100 * ms, err: errDown}}}, late(100*ms, "B.")}, "B.", 200 * ms, []string{"A→B", "used B"}},
		{"it said nothing that can be spoken", []llm.Model{&model{steps: []does{{text: " … "}, {wait: time.Second, text: "A."}}}, late(100*ms, "B.")}, "B.", 500 * ms,
			[]string{"used A lost", "used B"}},
		{"one alone", []llm.Model{late(600*ms, "A.")}, "A.", 600 * ms, []string{"used A"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				text, end, notes, err := answerOf(t.Context(), chained(t, Options{Hedge: 400 * ms}, tt.links...))
				slices.Sort(notes)
				if text != tt.text || end != llm.Stop || err != nil || time.Since(began) != tt.took || !slices.Equal(notes, tt.notes) {
					t.Errorf("%q, %q, %v after %v: %q", text, end, err, time.Since(began), notes)
				}
			})
		})
	}
}

// The hedge of one model alone is a second request to it.
func TestWarm(t *testing.T) {
	cold, warm := &warmer{model: says(), err: errDown}, &warmer{model: says()}
	for name, tt := range map[string]struct {
		models []llm.Model
		fails  bool
	}{
		"it can": {[]llm.Model{warm}, false}, "it cannot be": {[]llm.Model{says()}, false}, "it fails": {[]llm.Model{cold}, true},
		"the next one can": {[]llm.Model{cold, warm}, false}, "the next one cannot be": {[]llm.Model{cold, says()}, false}, "all fail": {[]llm.Model{cold, cold}, true},
	} {
		warm.times = 0
		err := chained(t, Options{}, tt.models...).Warm(t.Context(), llm.Request{})
		if (err != nil) != tt.fails || tt.fails && !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if want := slices.Contains(tt.models, llm.Model(warm)); (warm.times == 1) != want {
			t.Errorf("%s: warmed %d times", name, warm.times)
		}
	}
}

type warmer struct {
	*model
	err   error
	times int
}

func (w *warmer) Warm(context.Context, llm.Request) error {
	w.times++
	return w.err
}

func TestHedgeOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		m := llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
			if n.Add(1) == 1 {
				return (&model{steps: []does{{wait: time.Hour}}}).Generate(ctx, llm.Request{})
			}
			return says("Second.").Generate(ctx, llm.Request{})
		})
		text, _, _, err := answerOf(t.Context(), chained(t, Options{Hedge: 400 * time.Millisecond}, m))
		if text != "Second." || err != nil || n.Load() != 2 {
			t.Errorf("%q, %v, %d requests", text, err, n.Load())
		}
	})
}

func TestUsage(t *testing.T) {
	var got []provider.Usage
	ctx := provider.Noting(t.Context(), func(n provider.Note) { got = append(got, *n.Used) })
	told := llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			_ = yield(llm.Delta{Text: "Hi."}, nil) && yield(llm.Delta{Usage: &llm.Usage{Prompt: 7, Cached: 2, Completion: 3}}, nil) && yield(llm.Delta{End: llm.Stop}, nil)
		}
	})
	for _, m := range []llm.Model{told, says("Twelve chars")} {
		if _, _, _, err := answerOf(ctx, chained(t, Options{}, m)); err != nil {
			t.Fatal(err)
		}
	}
	want := []provider.Usage{{Prompt: 7, Cached: 2, Completion: 3}, {Prompt: 8, Completion: 3, Guessed: true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSequel(t *testing.T) {
	for _, tt := range []struct{ said, text, want string }{
		{"The capital of France is", " Paris.", " Paris."},
		{"The capital of France is", "Paris.", " Paris."},
		{"The capital of France is ", "Paris.", "Paris."},
		{"The capital of France is ", "of France is Paris.", "Paris."},
		{"The capital of France is ", "The capital of France is Paris.", "Paris."},
		{"The capital of France is ", "is Paris.", "is Paris."}, // so short a word may be meant
		{"It is Paris", ", of course.", ", of course."},
		{"It is Paris ", "Paris, of course.", "of course."},
		{"It ", "", ""},
	} {
		w := words{said: tt.said}
		got := w.add(tt.text) + w.rest()
		if got != tt.want {
			t.Errorf("%q then %q: %q, want %q", tt.said, tt.text, got, tt.want)
		}
	}
}

// Whatever a model writes, in whatever pieces, comes out whole and in order.
func FuzzWords(f *testing.F) {
	f.Add("One two three.", 3)
	f.Add("日本語です。 \xff e\u0301", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		w := words{begun: true}
		var got strings.Builder
		for rest, n := text, max(1, size%9); rest != ""; {
			k := min(n, len(rest))
			got.WriteString(w.add(rest[:k]))
			rest = rest[k:]
		}
		got.WriteString(w.rest())
		if got.String() != text {
			t.Errorf("%q became %q", text, got.String())
		}
		s := words{said: text}
		if out := s.add("again " + text); len(out)+len(s.rest()) > len(text)+7 {
			t.Errorf("more than was written: %q", out)
		}
	})
}

func BenchmarkChainOfOne(b *testing.B) {
	m := says(slices.Repeat([]string{"word "}, 50)...)
	for name, m := range map[string]llm.Model{"direct": llm.ModelFunc(m.quick), "chain": mustNew(Link{Name: "A", Model: llm.ModelFunc(m.quick)})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				for _, err := range m.Generate(b.Context(), llm.Request{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func mustNew(l ...Link) *Chain {
	c, err := New(Options{}, l...)
	if err != nil {
		panic(err)
	}
	return c
}

func (m *model) quick(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		for _, s := range m.steps {
			if !yield(llm.Delta{Text: s.text, End: s.end}, nil) {
				return
			}
		}
	}
}
