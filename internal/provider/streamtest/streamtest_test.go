package streamtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoop(t *testing.T) {
	failed := errors.New("failed")
	stop := make(chan struct{})
	defer close(stop)
	type yield = func(int, error) bool
	tests := []struct {
		name   string
		stream iter.Seq2[int, error]
		says   string // by Sound; "" is nothing
	}{
		{"good", func(y yield) { _ = y(1, nil) && y(2, nil) }, ""},
		{"error last", func(y yield) { _ = y(1, nil) && y(0, failed) }, ""},
		{"error not last", func(y yield) { _ = y(0, failed) && y(1, nil) && y(0, failed) }, "2 items came after the error"},
		{"panic", func(yield) { panic("ouch") }, "panicked: ouch"},
		{"hung", func(yield) { <-stop }, "did not end in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := Failures(t, []Check{{"x", func(t testing.TB) {
				Loop(Call[int]{Stream: tt.stream}, nil, 50*time.Millisecond, All).Sound(t)
			}}}, "x")
			if tt.says == "" && len(said) > 0 || !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("said %q, want %q", said, tt.says)
			}
		})
	}
}

func TestPoints(t *testing.T) {
	if got := points(3); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("of 3: %v", got)
	}
	if got := points(1); !slices.Equal(got, []int{1}) {
		t.Errorf("of 1: %v", got)
	}
	got := points(1000)
	if len(got) != rounds || got[0] != 1 || got[rounds-1] != 1000 || !slices.IsSorted(got) {
		t.Errorf("of 1000: %v", got)
	}
}

func TestFeed(t *testing.T) {
	complaint := func(f *Feed[int]) string {
		return strings.Join(Failures(t, []Check{{"x", f.After}}, "x"), "\n")
	}
	t.Run("left as it should be", func(t *testing.T) {
		f := &Feed[int]{Items: []int{1, 2, 3}}
		var got []int
		for range 2 { // what was not yielded stays for the next reader
			ctx, cancel := context.WithCancel(t.Context())
			for v := range f.Source(ctx) {
				got = append(got, v)
				if v == 2 {
					break
				}
			}
			cancel()
		}
		if !slices.Equal(got, []int{1, 2, 3}) || f.Opened() != 2 || complaint(f) != "" {
			t.Errorf("got %v, opened %d times, %q", got, f.Opened(), complaint(f))
		}
	})
	t.Run("read twice at once", func(t *testing.T) {
		f := &Feed[int]{Items: []int{1, 2}}
		ctx, cancel := context.WithCancel(t.Context())
		for range f.Source(ctx) {
			for range f.Source(ctx) {
				break
			}
			break
		}
		cancel()
		if !strings.Contains(complaint(f), "two goroutines") {
			t.Errorf("said %q", complaint(f))
		}
	})
	t.Run("still being read", func(t *testing.T) {
		f := &Feed[int]{Items: []int{1}}
		for range f.Source(t.Context()) {
			if s := complaint(f); !strings.Contains(s, "still being read") || !strings.Contains(s, "not canceled") {
				t.Errorf("said %q", s)
			}
		}
	})
	t.Run("held and spoiled", func(t *testing.T) {
		spoiled := 0
		f := &Feed[int]{Items: []int{1, 2}, Hold: true, Spoil: func(v int) { spoiled += v }}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for range f.Source(ctx) {
		}
		if ctx.Err() == nil || spoiled != 3 {
			t.Errorf("ended with ctx %v, spoiled %d", ctx.Err(), spoiled)
		}
	})
}
