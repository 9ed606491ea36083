package google

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

func TestTape(t *testing.T) {
	var tp tape
	tp.put(100, []int16{1, 2, 3})
	tp.put(105, []int16{4})
	if tp.start() != 100 || tp.end() != 106 {
		t.Fatalf("from %d to %d", tp.start(), tp.end())
	}
	read := func(from int64, size int) (pcm []int16, next int64) {
		buf := make([]byte, size)
		n, next := tp.read(from, buf)
		for i := 0; i < n; i += 2 {
			pcm = append(pcm, int16(binary.LittleEndian.Uint16(buf[i:])))
		}
		return pcm, next
	}
	tests := []struct {
		from int64
		size int
		want []int16
		next int64
	}{
		{100, 99, []int16{1, 2, 3, 0, 0, 4}, 106},
		{101, 5, []int16{2, 3}, 103},
		{0, 2, []int16{1}, 101}, // forgotten: from the first on
		{106, 9, nil, 106},
		{200, 9, nil, 200},
	}
	for _, tt := range tests {
		if got, next := read(tt.from, tt.size); !slices.Equal(got, tt.want) || next != tt.next {
			t.Errorf("from %d: %v and then %d", tt.from, got, next)
		}
	}
	tp.forget(104)
	tp.forget(50)
	if got, _ := read(0, 99); !slices.Equal(got, []int16{0, 4}) || tp.end() != 106 {
		t.Errorf("after forgetting %v to %d", got, tp.end())
	}
	tp.forget(1000)
	tp.put(500, []int16{5})
	if got, next := read(0, 99); !slices.Equal(got, []int16{5}) || next != 501 {
		t.Errorf("begun again: %v to %d", got, next)
	}
}

func TestJoin(t *testing.T) {
	tests := []struct {
		in   []string
		want string
	}{
		{[]string{"to be", " or not", " to be"}, "to be or not to be"},
		{[]string{"one", "two"}, "one two"},
		{[]string{"one", ", two", "."}, "one, two."},
		{[]string{"今日は", "いい天気"}, "今日はいい天気"},
		{[]string{"สวัสดี", "ครับ"}, "สวัสดีครับ"},
		{[]string{"¿qué", "¿cómo"}, "¿qué ¿cómo"},
		{[]string{"שלום", " עולם"}, "שלום עולם"},
		{[]string{"", " ", "e\u0301te\u0301", ""}, "e\u0301te\u0301"},
	}
	for _, tt := range tests {
		var b strings.Builder
		for _, s := range tt.in {
			join(&b, s)
		}
		if b.String() != tt.want {
			t.Errorf("%q becomes %q", tt.in, b.String())
		}
	}
}

func TestFailed(t *testing.T) {
	err := failedV1(status.Error(codes.Internal, "a\xff\n"+strings.Repeat("日", 500)+" Bearer abc"))
	if s := err.Error(); len(s) > 400 || strings.Contains(s, "\n") || !utf8.ValidString(s) || !strings.HasSuffix(s, "…") {
		t.Errorf("error %q", s)
	}
	for _, err := range []error{longV1, quietV1} {
		if e := failedV1(err); judge(e) != limit || !errors.Is(e, provider.ErrUnavailable) {
			t.Errorf("%v is judged %v", e, judge(e))
		}
	}
	for _, err := range []error{longV2, quietV2} {
		if e := failedV2(err); judge(e) != limit {
			t.Errorf("%v is judged %v", e, judge(e))
		}
	}
	if e := failedV1(context.DeadlineExceeded); !errors.Is(e, provider.ErrUnavailable) {
		t.Errorf("error %v", e)
	}
	if e := failedV1(errors.New("no token")); !errors.Is(e, provider.ErrAuth) || judge(e) != fatal {
		t.Errorf("error %v", e)
	}
}

// played is a stream function whose provider answers every message of audio with the next reply of a
// script, and ends a stream when the script says so.
func played(script []byte) *call {
	next := func() (b byte, ok bool) {
		if len(script) == 0 {
			return 0, false
		}
		b, script = script[0], script[1:]
		return b, true
	}
	turn := make(chan struct{}, 1) // the script's owner
	turn <- struct{}{}
	c := &call{
		rotate: 300 * time.Millisecond, limits: limits, events: make(chan event),
		in: input{audio: make(chan stt.Audio), taken: make(chan struct{})},
	}
	c.open = func(ctx context.Context) (link, error) {
		replies, done := make(chan reply, 1), make(chan error, 1)
		return link{
			send: func([]byte) error {
				<-turn
				b, ok := next()
				ms, _ := next()
				turn <- struct{}{}
				r := reply{end: time.Duration(ms) * 10 * time.Millisecond, openEnd: time.Duration(ms/2) * 20 * time.Millisecond}
				switch {
				case !ok || b < 60:
					return nil
				case b < 120:
					r.open = strings.Repeat("x", int(b-59))
				case b < 180:
					r.settled = strings.Repeat("y", int(b-119))
					r.words = []stt.Word{{Text: r.settled, Start: r.openEnd, End: r.end}}
				case b < 200:
					r.mark, r.at = mark(b%4), r.end
				case b < 215:
					done <- io.EOF
					return io.EOF
				case b < 230:
					done <- failedV1(longV1)
					return io.EOF
				case b < 240:
					done <- failedV1(down)
					return io.EOF
				default:
					r.settled, r.open = " y", " x"
				}
				select {
				case replies <- r:
				case <-ctx.Done():
				}
				return nil
			},
			finish: func() error { done <- io.EOF; return nil },
			recv: func() (reply, error) {
				select {
				case r := <-replies:
					return r, nil
				case <-ctx.Done():
					return reply{}, failedV1(ctx.Err())
				case err := <-done:
					select {
					case r := <-replies:
						done <- err
						return r, nil
					default:
						return reply{}, err
					}
				}
			},
		}, nil
	}
	return c
}

// run is a call without a Recognizer around it.
func run(ctx context.Context, c *call, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		c.out.yield = yield
		if err := c.serve(ctx, in); err != nil && !c.out.left {
			yield(stt.Result{}, err)
		}
	}
}

// FuzzReplies looks for replies that break the contract, whatever a provider says and when it ends.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{70, 10, 130, 20, 70, 30, 250, 40, 220, 0, 70, 5, 190, 9}, []byte{1, 1, 1, 1, 3, 1, 1, 0, 2, 0, 0, 1, 1, 1, 3})
	f.Add([]byte{205, 0, 205, 0, 235, 0, 183, 4}, []byte{1, 1, 2, 1, 3, 4, 1, 1})
	f.Fuzz(func(t *testing.T, script, steps []byte) {
		synctest.Test(t, func(t *testing.T) { tell(t, script, steps) }) // pauses take no time there
	})
}

func tell(t *testing.T, script, steps []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in, flushes := &caller{at: 10 * time.Second}, 0
	for _, b := range steps[:min(len(steps), 60)] {
		switch b % 5 {
		case 0:
			in.hush(60 * time.Millisecond)
		case 1, 2:
			in.say(int(b/5), int(b/5))
		case 3:
			in.flush()
			flushes++
		case 4:
			in.at += time.Duration(b) * 20 * time.Millisecond // a gap
		}
	}
	got := 0
	for r, err := range run(ctx, played(script), in.source(0)) {
		if err != nil {
			if provider.ClassName(err) == "" && err != io.EOF {
				t.Errorf("error %v has no class", err)
			}
			return
		}
		if r.Start < 9*time.Second || r.End < r.Start {
			t.Errorf("%+v", r)
		}
		at := r.Start
		for _, w := range r.Words {
			if w.Start < at || w.End < w.Start || w.End > r.End {
				t.Errorf("word %+v of %+v", w, r)
			}
			at = w.Start
		}
		if r.Kind == stt.Final {
			got++
		}
	}
	if got < flushes {
		t.Errorf("%d Finals for %d flushes", got, flushes)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("wrong: Bearer abc.def")
	f.Fuzz(func(t *testing.T, s string) {
		if p := plain(s); len(p) > maxText+4 || strings.ContainsAny(p, "\n\x00") {
			t.Errorf("%q", p)
		}
	})
}
