package rtc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/media"
)

func TestRenumber(t *testing.T) {
	const clock = 48000
	type in struct {
		ssrc uint32
		seq  uint16
		time uint32
		at   time.Duration
	}
	ms := time.Millisecond
	for _, c := range []struct {
		name string
		in   []in
		want string // number:timestamp of each, the first as 0:0
	}{
		{"plain", []in{{1, 5, 0, 0}, {1, 6, 960, 20 * ms}}, "0:0 1:960"},
		{"wraps", []in{{1, 65535, 1<<32 - 960, 0}, {1, 0, 0, 20 * ms}, {1, 1, 960, 40 * ms}}, "0:0 1:960 2:1920"},
		{"lost", []in{{1, 5, 0, 0}, {1, 8, 2880, 60 * ms}}, "0:0 3:2880"},
		{"late", []in{{1, 5, 0, 0}, {1, 7, 1920, 40 * ms}, {1, 6, 960, 41 * ms}, {1, 8, 2880, 60 * ms}}, "0:0 2:1920 1:960 3:2880"},
		{"late before the first", []in{{1, 5, 960, 0}, {1, 4, 0, ms}, {1, 6, 1920, 20 * ms}}, "0:0 -1:-960 1:960"},
		{"silent", []in{{1, 5, 0, 0}, {1, 6, 96000, 2000 * ms}}, "0:0 1:96000"},
		{"another source", []in{{1, 5, 0, 0}, {2, 900, 77, 100 * ms}, {2, 901, 77 + 960, 120 * ms}}, "0:0 1:4800 2:5760"},
		{"another source at once", []in{{1, 5, 0, 0}, {2, 900, 77, 0}}, "0:0 1:960"},
		{"numbers start again", []in{{1, 500, 0, 0}, {1, 440, 960, 20 * ms}, {1, 441, 1920, 40 * ms}}, "0:0 1:960 2:1920"},
		{"numbers jump", []in{{1, 500, 0, 0}, {1, 20000, 960, 20 * ms}}, "0:0 1:960"},
		{"time jumps back", []in{{1, 5, 96000, 0}, {1, 6, 0, 20 * ms}, {1, 7, 960, 40 * ms}}, "0:0 1:960 2:1920"},
		{"time jumps ahead", []in{{1, 5, 0, 0}, {1, 6, 60 * clock, 20 * ms}}, fmt.Sprintf("0:0 1:%d", 60*clock)},
	} {
		r := renumber{clock: clock}
		var got []string
		var first media.Packet
		for i, p := range c.in {
			out := media.Packet{SSRC: p.ssrc, Seq: p.seq, Time: p.time, At: p.at}
			r.step(&out)
			if i == 0 {
				first = out
			}
			got = append(got, fmt.Sprintf("%d:%d", int16(out.Seq-first.Seq), int32(out.Time-first.Time)))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
		if first.Seq != firstNumber || first.Time != c.in[0].time {
			t.Errorf("%s: begins with %d, %d", c.name, first.Seq, first.Time)
		}
	}
}

// TestRenumberSkip: what is left out leaves no gap.
func TestRenumberSkip(t *testing.T) {
	r := renumber{clock: 48000}
	a := media.Packet{Seq: 10, Time: 0}
	r.step(&a)
	r.skip()
	b := media.Packet{Seq: 12, Time: 1920}
	r.step(&b)
	if b.Seq != a.Seq+1 || b.Time != 1920 {
		t.Errorf("%d:%d after %d:%d", b.Seq, b.Time, a.Seq, a.Time)
	}
}
