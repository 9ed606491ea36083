package chain

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
)

func links(names ...string) *Links {
	l := &Links{Stage: "llm", Logger: slog.New(slog.DiscardHandler)}
	for _, n := range names {
		l.Add(n, nil)
	}
	return l
}

func TestCall(t *testing.T) {
	var notes []string
	ctx := provider.Noting(t.Context(), func(n provider.Note) { notes = append(notes, n.Stage+" "+n.Provider+"→"+n.Next) })
	l := links("A", "B", "C")
	l.Breakers[1].Failed(provider.ErrAuth)
	c := l.Call()
	if c.Next() != 0 || c.Other(0) != 2 || c.Other(2) != 0 {
		t.Errorf("next %d, others %d and %d", c.Next(), c.Other(0), c.Other(2))
	}
	c.Failed(ctx, 0, provider.ErrUnavailable)
	c.Failed(ctx, 0, provider.ErrUnavailable) // is told once
	if c.Next() != 2 || c.Other(2) != 2 {
		t.Errorf("next %d, other %d", c.Next(), c.Other(2))
	}
	c.Failed(ctx, 2, provider.ErrAuth)
	if c.Next() != 1 {
		t.Errorf("next %d: the one with an open breaker is left", c.Next())
	}
	c.Last = true
	c.Failed(ctx, 1, provider.ErrAuth)
	if c.Next() != -1 || c.Err().Error() != "A: unavailable; C: not authorized; B: not authorized" {
		t.Errorf("next %d, error %v", c.Next(), c.Err())
	}
	if want := []string{"llm A→C", "llm C→B", "llm B→"}; !slices.Equal(notes, want) {
		t.Errorf("notes %q", notes)
	}
	c.Last = false
	c.Worked(1)
	if !l.Breakers[1].Closed() || c.Next() != 0 {
		t.Errorf("next %d after one has worked", c.Next())
	}
}

func TestOneAlone(t *testing.T) {
	ctx := provider.Noting(t.Context(), func(n provider.Note) { t.Errorf("note %+v", n) })
	c := links("A").Call()
	c.Failed(ctx, 0, provider.ErrQuota)
	if c.Err() != provider.ErrQuota || c.Next() != -1 || c.Breakers[0].Closed() {
		t.Error(c.Err(), c.Next())
	}
}

func TestTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := links("A", "B")
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var probed []int
		var tending sync.WaitGroup
		tending.Go(func() {
			l.Tend(ctx, func(_ context.Context, i int) error {
				mu.Lock()
				defer mu.Unlock()
				if probed = append(probed, i); len(probed) == 1 {
					return provider.ErrUnavailable
				}
				return nil
			})
		})
		l.Breakers[1].Failed(provider.ErrAuth)
		time.Sleep(time.Minute)
		cancel()
		tending.Wait()
		if !slices.Equal(probed, []int{1, 1}) || !l.Breakers[1].Closed() {
			t.Errorf("probed %v", probed)
		}
	})
}

func TestFailures(t *testing.T) {
	odd := errors.New("odd")
	late := fmt.Errorf("ask: %w", &provider.Timeout{What: "token", After: time.Second})
	refused := &provider.Error{Class: provider.ErrAuth, Status: 401}
	slow := &provider.Error{Class: provider.ErrQuota, Status: 429, RetryAfter: time.Minute}
	both := fmt.Errorf("%w: %w", provider.ErrAuth, provider.ErrTruncated)
	for _, tt := range []struct {
		errs  []error
		class error
	}{
		{[]error{refused, late}, provider.ErrUnavailable},
		{[]error{refused, refused}, provider.ErrAuth},
		{[]error{refused, both}, provider.ErrAuth},
		{[]error{refused, provider.ErrBadRequest}, provider.ErrBadRequest},
		{[]error{slow, refused}, provider.ErrQuota},
		{[]error{slow, provider.ErrTruncated}, provider.ErrTruncated},
		{[]error{refused, odd}, nil},
	} {
		err := fmt.Errorf("recognize speech: %w", failures(tt.errs))
		for _, class := range classes {
			if errors.Is(err, class) != (class == tt.class) {
				t.Errorf("%v: is %v: %v", err, class, class != tt.class)
			}
		}
		if got := provider.NamedClass(provider.ClassName(err)); got != tt.class {
			t.Errorf("%v has the class %v", err, got)
		}
		for _, e := range tt.errs {
			if !strings.Contains(err.Error(), e.Error()) {
				t.Errorf("%q does not tell of %q", err, e)
			}
		}
	}
	var told *provider.Error
	if err := failures([]error{refused, slow}); !errors.As(err, &told) || told.RetryAfter != time.Minute {
		t.Errorf("%v is told as %v", err, told)
	}
	var timeout *provider.Timeout
	if err := failures([]error{refused, odd}); errors.As(err, &timeout) || !errors.Is(err, odd) || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// phrases is an input that counts how many it has given.
func phrases(given *int, all ...string) func(context.Context) iter.Seq[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			for _, p := range all {
				if *given++; !yield(p) || ctx.Err() != nil {
					return
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Text
		given := 0
		var reader sync.WaitGroup
		reader.Go(func() { x.Read(t.Context(), phrases(&given, "a", "b", "c")) })
		synctest.Wait()
		if given != 0 {
			t.Errorf("%d phrases were read before anybody wanted one", given)
		}
		var got [2][]string
		var readers sync.WaitGroup
		for k := range got {
			readers.Go(func() {
				for i := range 2 {
					p, ok := x.Next(t.Context(), i)
					got[k] = append(got[k], fmt.Sprint(p, ok))
				}
			})
		}
		readers.Wait()
		synctest.Wait()
		if want := []string{"atrue", "btrue"}; given != 2 || !slices.Equal(got[0], want) || !slices.Equal(got[1], want) {
			t.Errorf("%d phrases were read, got %q", given, got)
		}
		x.Forget(1)
		x.Forget(0)
		if _, ok := x.At(0); ok {
			t.Error("a phrase was not forgotten")
		}
		if p, ok := x.At(1); p != "b" || !ok || x.Over(3) {
			t.Errorf("%q, %v, over %v", p, ok, x.Over(3))
		}
		if p, ok := x.Next(t.Context(), 2); p != "c" || !ok {
			t.Errorf("%q, %v", p, ok)
		}
		if p, ok := x.Next(t.Context(), 3); p != "" || ok || !x.Over(3) || x.Over(2) {
			t.Errorf("%q, %v behind the end", p, ok)
		}
		x.Forget(100)
		if _, ok := x.Next(t.Context(), 5); ok {
			t.Error("a phrase behind the end")
		}
		reader.Wait()
	})
}

func TestTextUnderACtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Text
		ctx, cancel := context.WithCancel(t.Context())
		given := 0
		var all sync.WaitGroup
		all.Go(func() { x.Read(ctx, phrases(&given, "a", "b")) })
		if p, ok := x.Next(ctx, 0); p != "a" || !ok {
			t.Errorf("%q, %v", p, ok)
		}
		own, leave := context.WithCancel(ctx)
		time.AfterFunc(time.Second, leave)
		cancel()
		all.Wait()
		if _, ok := x.Next(own, 1); ok || x.Over(1) {
			t.Error("a phrase of a text that was left")
		}
		if (&Text{}).Over(0) {
			t.Error("the end of a text that nobody read")
		}
		var never Text
		never.Read(own, phrases(&given))
	})
}
