package console

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"

	"parley/media/record"
)

// channels are the sides that a WAV file has, by what the query calls them.
var channels = map[string][]int{"": {0, 1}, "both": {0, 1}, "caller": {0}, "agent": {1}}

// wavHead is the length of the header of a WAV file.
const wavHead = 44

// wavReader reads a WAV file that is not there as such: a header, then the samples of some sides in turn. A place that is
// still being made is waited for.
type wavReader struct {
	*derived
	wait  func(side, samples int) error
	sides []int
	head  []byte
	at    int64
}

func newWAV(ctx context.Context, d *derived, which []int) *wavReader {
	w := &wavReader{derived: d, sides: which, wait: func(side, samples int) error { return d.wait(ctx, side, samples) }}
	w.head = head(len(which), d.rate, uint32(w.size()-wavHead))
	return w
}

func (w *wavReader) frame() int64 { return 2 * int64(len(w.sides)) }
func (w *wavReader) size() int64  { return wavHead + w.frame()*int64(w.total) }

// head is the header of a WAV file of so many bytes of 16-bit samples.
func head(channels, rate int, size uint32) []byte {
	h := binary.LittleEndian.AppendUint32([]byte("RIFF"), 36+size)
	h = append(h, "WAVEfmt \x10\x00\x00\x00\x01\x00"...) // 16 bytes follow, PCM
	h = binary.LittleEndian.AppendUint16(h, uint16(channels))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(2*channels*rate))
	h = binary.LittleEndian.AppendUint16(h, uint16(2*channels))
	h = append(h, "\x10\x00data"...)
	return binary.LittleEndian.AppendUint32(h, size)
}

// Seek implements io.Seeker.
func (w *wavReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.at
	case io.SeekEnd:
		offset += w.size()
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	w.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (w *wavReader) Read(p []byte) (n int, err error) {
	if w.at < wavHead {
		n = copy(p, w.head[w.at:])
		w.at += int64(n)
		return n, nil
	}
	first := (w.at - wavHead) / w.frame()
	skip := int((w.at - wavHead) % w.frame())
	count := min(int64(w.total)-first, max(1, int64(min(len(p), 1<<16))/w.frame()))
	if count <= 0 {
		return 0, io.EOF
	}
	frames := make([]byte, count*w.frame())
	for i, side := range w.sides {
		if err := w.wait(side, int(first+count)); err != nil {
			return 0, err
		}
		one := make([]byte, 2*count)
		if _, err := w.files[side].ReadAt(one, 2*first); err != nil {
			return 0, fmt.Errorf("read derived sound: %w", err)
		}
		for j := range count {
			copy(frames[j*w.frame()+2*int64(i):], one[2*j:2*j+2])
		}
	}
	n = copy(p, frames[skip:])
	w.at += int64(n)
	return n, nil
}

// sound answers with a WAV file.
func (c *Console) sound(w http.ResponseWriter, r *http.Request) {
	side, ok := channels[r.URL.Query().Get("side")]
	if !ok {
		fail(w, http.StatusBadRequest, "side is both, caller or agent")
		return
	}
	it, err := c.derived(r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	defer c.shelf.put(it)
	wav := newWAV(r.Context(), it.derived, side)
	if wav.size() > math.MaxUint32 {
		fail(w, http.StatusRequestEntityTooLarge, "so long a sound is no WAV file: use parley rec export")
		return
	}
	if err := wav.wait(side[0], min(1, it.total)); err != nil { // before it is too late to say so
		c.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "audio/wav")
	w.Header().Set("Etag", fmt.Sprintf(`"%d-%d-%d"`, it.start.UnixNano(), it.total, slices.Max(side)+len(side)))
	http.ServeContent(w, r, "", it.start, wav)
}

// peaks answers with the waveforms and classes of both sides as they are made.
func (c *Console) peaks(w http.ResponseWriter, r *http.Request) {
	it, err := c.derived(r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	defer c.shelf.put(it)
	w.Header().Set("Content-Type", "application/octet-stream") // a refusal replaces it
	w.Header().Set("Parley-Bucket", strconv.FormatFloat(float64(it.bucket)/float64(it.rate), 'g', -1, 64))
	out := http.NewResponseController(w)
	for n := 0; ; {
		up, down, ended, more, err := it.look(n)
		body := make([]byte, 0, 6*len(up))
		for i := range up {
			for _, p := range []Peak{up[i], down[i]} {
				body = append(body, byte(p.Min), byte(p.Max), byte(p.Class))
			}
		}
		n += len(up)
		var bad error
		if len(body) > 0 {
			_, bad = w.Write(body)
		}
		switch {
		case err != nil && n == 0:
			c.refuse(w, r, err)
			return
		case err != nil || bad != nil:
			panic(http.ErrAbortHandler) // the reader must not take it for the end
		}
		if ended {
			return
		}
		_ = out.Flush() // a writer that cannot is one that sends all at the end
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// derived is what is derived of the recording that a request names; put it back.
func (c *Console) derived(r *http.Request) (*item, error) {
	id := r.PathValue("id")
	it, err := c.shelf.get(id, func() (*record.Bundle, error) { return c.opt.Archive.Open(id) })
	if err != nil {
		c.shelf.forget(id)
	}
	return it, err
}
