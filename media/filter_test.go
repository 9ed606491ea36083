package media_test

import (
	"context"
	"fmt"
	"iter"

	"parley/media"
)

// A filter takes frames and gives frames: an echo canceller, a noise gate, a meter. This one silences what is soft.
func ExampleThrough() {
	gate := func(in iter.Seq[media.Frame]) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			for f := range in {
				for i, s := range f.PCM {
					if s > -100 && s < 100 {
						f.PCM[i] = 0
					}
				}
				if !yield(f) {
					return
				}
			}
		}
	}
	caller := media.Of(media.Frame{Rate: 16000, PCM: []int16{7, -3000, 50, 900}})
	for f := range media.Through(caller, gate)(context.Background()) {
		fmt.Println(f.PCM)
	}
	// Output: [0 -3000 0 900]
}
