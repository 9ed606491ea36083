package line

import (
	"fmt"
	"time"

	"parley/media"
	"parley/media/resample"
)

const framesPerSecond = int(time.Second / media.FrameDuration)

// converter changes the rate of one stream. The stream is delayed by half a filter, 46 samples at the lower rate, and for that
// each call gives as many samples as its input lasts: a frame for a frame.
type converter struct {
	resampler *resample.Resampler // nil: the rates are the same
	out       []int16
}

// newConverter makes a converter for frames of 20 ms, which must be whole samples at both rates.
func newConverter(from, to int) (converter, error) {
	if from == to {
		return converter{}, nil
	}
	if from%framesPerSecond != 0 || to%framesPerSecond != 0 {
		return converter{}, fmt.Errorf("convert %d Hz to %d Hz: a frame of 20 ms is not whole samples", from, to)
	}
	if err := resample.Check(from, to); err != nil {
		return converter{}, err
	}
	c := converter{resampler: resample.New(from, to)}
	c.out = c.resampler.Process(make([]int16, from/10), nil) // the stream begins after silence
	return c, nil
}

// convert takes a piece of the stream that lasts a whole number of samples at both rates. What it returns is valid until the
// next call.
func (c *converter) convert(in []int16) []int16 {
	if c.resampler == nil {
		return in
	}
	c.out = c.resampler.Process(in, c.out[:0])
	return c.out
}
