package record

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"parley/media/codec"
)

// wavMost is how many bytes of samples a WAV file holds.
const wavMost = 1<<32 - 1 - 36

// WAV writes the sound of the directions to out, a channel each, as a WAV file of 16-bit samples whose length is told in its
// header, so out may be a pipe. Rate is as for Track.
func (b *Bundle) WAV(out io.Writer, rate int, tracks ...Kind) error {
	rate = codec.Rate(b.Codec, rate)
	total := samples(b.Duration(), rate)
	size := 2 * total * len(tracks)
	if size > wavMost || len(tracks) == 0 {
		return fmt.Errorf("write WAV: %d channels of %v at %d Hz do not fit into a file: choose a lower rate or one channel", len(tracks), b.Duration(), rate)
	}
	w := bufio.NewWriterSize(out, 1<<16)
	w.Write(wavHeader(len(tracks), rate, size)) // its error is that of Flush
	var channels []*channel
	for _, k := range tracks {
		next, stop := iter.Pull2(b.Track(k, rate))
		defer stop()
		channels = append(channels, &channel{next: next})
	}
	var frame []byte
	for range total {
		frame = frame[:0]
		for _, c := range channels {
			v, err := c.sample()
			if err != nil {
				return fmt.Errorf("write WAV: %w", err)
			}
			frame = binary.LittleEndian.AppendUint16(frame, uint16(v))
		}
		if _, err := w.Write(frame); err != nil {
			return fmt.Errorf("write WAV: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write WAV: %w", err)
	}
	return nil
}

// channel gives a track sample by sample.
type channel struct {
	next func() (Piece, error, bool)
	pcm  []int16
}

func (c *channel) sample() (int16, error) {
	for len(c.pcm) == 0 {
		p, err, ok := c.next()
		if err != nil {
			return 0, err
		}
		if !ok { // a record that grew meanwhile
			return 0, nil
		}
		c.pcm = p.PCM
	}
	v := c.pcm[0]
	c.pcm = c.pcm[1:]
	return v, nil
}

func wavHeader(channels, rate, size int) []byte {
	h := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(h[4:], uint32(36+size))
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)
	h = binary.LittleEndian.AppendUint16(h, 1) // PCM
	h = binary.LittleEndian.AppendUint16(h, uint16(channels))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(2*channels*rate))
	h = binary.LittleEndian.AppendUint16(h, uint16(2*channels))
	h = binary.LittleEndian.AppendUint16(h, 16)
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(size))
}
