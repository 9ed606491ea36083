package line

import (
	"fmt"
	"testing"
	"time"

	"parley/media"
)

func TestOutage(t *testing.T) {
	const frame = media.FrameDuration
	for _, c := range []struct {
		name string
		lost string // a letter for each 100 ms: . heard, x lost
		path [2]int // from and to which letter the connection knows that the path is lost
		want string // when told what
	}{
		{"clean", "..........", [2]int{}, ""},
		{"a short burst", "...xx.....xx...", [2]int{}, ""},
		{"half a second", "...xxx....", [2]int{}, "600ms lost since 300ms, 620ms back, "},
		{"an outage", "..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..", [2]int{20, 46}, "500ms lost since 200ms, 4.62s back, "},
		{"one who stops sending", "..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..xxxxxx....", [2]int{}, "500ms lost since 200ms, 2.7s back, "},
		{"twice", ".xxxx..xxxx..", [2]int{}, "400ms lost since 100ms, 520ms back, 1s lost since 700ms, 1.12s back, "},
	} {
		var g Outage
		got := ""
		at := time.Duration(0)
		for i, letter := range c.lost {
			for range 5 {
				f := media.Frame{At: at, Rate: 16000, PCM: make([]int16, 320), Lost: letter == 'x'}
				at += frame
				if changed, lost, since := g.Step(f, i >= c.path[0] && i < c.path[1]); changed && lost {
					got += fmt.Sprintf("%v lost since %v, ", at, since)
				} else if changed {
					got += fmt.Sprintf("%v back, ", at)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}
