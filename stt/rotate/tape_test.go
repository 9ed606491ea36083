package rotate

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestTape(t *testing.T) {
	tp := tape{rate: 1000}
	tp.add(10*time.Second, []int16{1, 2, 3})
	tp.fill(2)
	tp.add(10005*ms, []int16{4})
	if tp.start() != 0 || tp.end() != 6 {
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
		{0, 99, []int16{1, 2, 3, 0, 0, 4}, 6},
		{1, 5, []int16{2, 3}, 3},
		{-9, 2, []int16{1}, 1}, // forgotten: from the first on
		{6, 9, nil, 6},
		{200, 9, nil, 200},
	}
	for _, tt := range tests {
		if got, next := read(tt.from, tt.size); !slices.Equal(got, tt.want) || next != tt.next {
			t.Errorf("from %d: %v and then %d", tt.from, got, next)
		}
	}
	tp.forget(4)
	tp.forget(-50)
	if got, _ := read(0, 99); !slices.Equal(got, []int16{0, 4}) || tp.end() != 6 {
		t.Errorf("after forgetting %v to %d", got, tp.end())
	}
	tp.forget(1000)
	tp.add(20*time.Second, []int16{5})
	if got, next := read(0, 99); !slices.Equal(got, []int16{5}) || next != 7 || tp.at(6) != 20*time.Second {
		t.Errorf("begun again: %v to %d", got, next)
	}
}

func TestTapeTells(t *testing.T) {
	tp := tape{rate: 1000}
	if tp.at(5) != 0 || tp.count(1500*ms) != 1500 || tp.lasts(1500) != 1500*ms {
		t.Errorf("empty: %v, %d, %v", tp.at(5), tp.count(1500*ms), tp.lasts(1500))
	}
	tp.add(10*time.Second, make([]int16, 100))
	tp.add(10100*ms, make([]int16, 100))
	tp.fill(500)
	tp.add(10200*ms, make([]int16, 100))
	for place, want := range map[int64]time.Duration{0: 10 * time.Second, 150: 10150 * ms, 200: 10200 * ms, 500: 10200 * ms, 700: 10200 * ms, 750: 10250 * ms} {
		if got := tp.at(place); got != want {
			t.Errorf("sample %d is at %v, want %v", place, got, want)
		}
	}
	if tp.forget(720); tp.start() != 720 || tp.at(750) != 10250*ms || len(tp.marks) != 1 || tp.end() != 800 {
		t.Errorf("from %d, %v, end %d", tp.start(), tp.marks, tp.end())
	}
	for range 400 {
		tp.add(tp.at(tp.end()), make([]int16, 100))
	}
	if len(tp.marks) != 1 || tp.at(tp.start())+tp.lasts(tp.end()-tp.start()) != tp.at(tp.end()) {
		t.Errorf("%v, from %v to %v", tp.marks, tp.at(tp.start()), tp.at(tp.end()))
	}
}
