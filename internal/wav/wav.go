// Package wav reads and writes WAV files as mono 16-bit audio, and measures how loud it is.
//
// It reads what people have: PCM of 8, 16, 24 and 32 bits and 32-bit floats, plain or WAVE_FORMAT_EXTENSIBLE,
// any number of channels (averaged to one), any rate, foreign chunks, headers that a crash or a pipe left without
// a length. It writes 16-bit mono files that are readable at every moment, also after a crash.
// The layout is that of Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF).
package wav

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// ErrFormat is the class of all errors about files that are not WAV files this package can read.
var ErrFormat = errors.New("not a readable WAV file")

// MaxRate is the highest sample rate accepted, in samples a second. The lowest is 1000.
const MaxRate = 768000

const minRate = 1000

// Audio is mono 16-bit audio at Rate samples a second.
type Audio struct {
	Rate int
	PCM  []int16
}

// Duration is how long the audio lasts.
func (a Audio) Duration() time.Duration {
	if a.Rate <= 0 {
		return 0
	}
	return time.Duration(len(a.PCM)) * time.Second / time.Duration(a.Rate)
}

// ReadFile is [Decode] of a file; its errors name the file.
func ReadFile(path string, max time.Duration) (Audio, error) {
	f, err := os.Open(path)
	if err != nil {
		return Audio{}, fmt.Errorf("open WAV: %w", err)
	}
	defer f.Close()
	a, err := Decode(f, max)
	if err != nil {
		return a, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// Decode reads a WAV file and mixes its channels to one. It holds no more than max of audio: a longer file is an
// error, and what the header promises is never allocated before it was read. A file that ends before its header
// says so gives the audio that is there and an error that is [io.ErrUnexpectedEOF]. All other errors about the
// content are [ErrFormat]. A file without samples is no error.
func Decode(r io.Reader, max time.Duration) (Audio, error) {
	d := decoder{r: r}
	if err := d.header(); err != nil {
		return Audio{}, err
	}
	return d.samples(max)
}

// Level is the RMS of pcm around its mean, in dBFS: 0 for a square wave at full scale, −3 for such a sine. An
// offset does not count: some recordings carry one that is louder than their silence. Silence is −120.
func Level(pcm []int16) float64 {
	var sum, squares float64
	for _, s := range pcm {
		sum += float64(s)
		squares += float64(s) * float64(s)
	}
	n := float64(len(pcm))
	power := (squares - sum*sum/n) / n / (1 << 30)
	if !(power > 1e-12) {
		return -120
	}
	return 10 * math.Log10(power)
}
