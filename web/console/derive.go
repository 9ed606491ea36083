package console

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"

	"parley/media/record"
)

const (
	soundRate  = 16000            // samples a second, unless the codec has its own
	bucketMost = 1 << 20          // peaks a side, or the buckets become longer
	stride     = 10 * time.Second // of one side, then of the other: the beginning of both is there at once
)

// sides are the directions in the order of all that is derived.
var sides = [...]record.Kind{record.Up, record.Down}

// derived is the sound of a recording and its peaks, which can be read while they are made.
type derived struct {
	rate   int
	total  int // samples a side
	bucket int // samples a peak
	files  [len(sides)]*os.File

	mu     sync.Mutex // of what follows
	made   [len(sides)]int
	peaks  [len(sides)][]Peak
	wake   chan struct{} // closed when there is more
	broken error         // the files cannot be written: there is no sound, but there are peaks
	err    error         // why no more comes
	ended  bool
}

// newDerived makes its files in dir. They have no names there any more when it returns.
func newDerived(dir string, length time.Duration, rate int) (*derived, error) {
	d := &derived{rate: rate, wake: make(chan struct{})}
	d.total = int(length/time.Second)*rate + int(length%time.Second*time.Duration(rate)/time.Second)
	d.bucket = rate / 100
	for d.total/d.bucket > bucketMost {
		d.bucket *= 2
	}
	for i := range d.files {
		f, err := os.CreateTemp(dir, ".parley-sound-*")
		if err == nil {
			d.files[i] = f
			err = os.Remove(f.Name())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make room for a sound: %w", err), d.close())
		}
	}
	return d, nil
}

// close lets the files go.
func (d *derived) close() (err error) {
	for _, f := range d.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// run derives all of it from a bundle. It is called once.
func (d *derived) run(ctx context.Context, b *record.Bundle) {
	var makers [len(sides)]*maker
	for i, k := range sides {
		next, stop := iter.Pull2(b.Track(k, d.rate))
		defer stop()
		makers[i] = &maker{next: next, bucket: d.bucket}
	}
	step := int(stride/time.Second) * d.rate
	for until := step; ; until += step {
		for i, m := range makers {
			if m.to(min(until, d.total)); until >= d.total {
				m.flush()
			}
			d.take(i, m)
		}
		if ctx.Err() != nil || until >= d.total || makers[0].err != nil || makers[1].err != nil {
			d.end(errors.Join(context.Cause(ctx), makers[0].err, makers[1].err))
			return
		}
	}
}

// take keeps what a maker has made.
func (d *derived) take(side int, m *maker) {
	_, err := d.files[side].Write(m.pcm)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made[side] = m.made
	d.peaks[side] = append(d.peaks[side], m.peaks...)
	d.broken = errors.Join(d.broken, err)
	m.pcm, m.peaks = m.pcm[:0], m.peaks[:0]
	d.stirLocked()
}

func (d *derived) stirLocked() {
	close(d.wake)
	d.wake = make(chan struct{})
}

func (d *derived) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.ended = err, true
	d.stirLocked()
}

// look returns how far it has come: the peaks of both sides from number n on, as many as there are of both; when there
// will be no more; and what tells that there is more.
func (d *derived) look(n int) (up, down []Peak, ended bool, more <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	both := max(n, min(len(d.peaks[0]), len(d.peaks[1])))
	return d.peaks[0][n:both], d.peaks[1][n:both], d.ended, d.wake, d.err
}

// wait waits until the samples of a side before the given one are in its file.
func (d *derived) wait(ctx context.Context, side, samples int) error {
	for {
		d.mu.Lock()
		made, ended, more, err := d.made[side], d.ended, d.wake, errors.Join(d.broken, d.err)
		d.mu.Unlock()
		switch {
		case err != nil:
			return err
		case made >= samples:
			return nil
		case ended:
			return fmt.Errorf("a sound of %d samples ends after %d", samples, made)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Peak is what a bucket of a side sounds like. As bytes: the three of the caller, then those of the agent, bucket by
// bucket; how long a bucket is stands in the answer's header Parley-Bucket, in seconds.
type Peak struct {
	Min, Max int8         // the upper eight bits of its least and greatest sample
	Class    record.Class // of most of its samples
}

// maker makes samples and peaks of a track.
type maker struct {
	next   func() (record.Piece, error, bool)
	bucket int
	made   int // samples
	pcm    []byte
	peaks  []Peak
	err    error

	rest  []int16 // of a piece
	class record.Class
	open  Peak
	in    int    // samples in the open bucket
	of    [8]int // which class they have
}

// to makes what comes before the given sample, or all there is.
func (m *maker) to(until int) {
	for m.made < until && m.err == nil {
		if len(m.rest) == 0 {
			p, err, ok := m.next()
			if err != nil || !ok {
				m.err = err
				m.flush()
				return
			}
			m.rest, m.class = p.PCM, p.Class
		}
		n := min(len(m.rest), m.bucket-m.in, until-m.made)
		m.add(m.rest[:n])
		m.rest = m.rest[n:]
	}
}

// add takes samples that lie in one bucket.
func (m *maker) add(pcm []int16) {
	if m.in == 0 {
		m.open = Peak{Min: 127, Max: -128}
	}
	for _, v := range pcm {
		m.pcm = binary.LittleEndian.AppendUint16(m.pcm, uint16(v))
		high := int8(v >> 8)
		m.open.Min, m.open.Max = min(m.open.Min, high), max(m.open.Max, high)
	}
	m.made += len(pcm)
	m.in += len(pcm)
	m.of[m.class&7] += len(pcm)
	if m.in == m.bucket {
		m.flush()
	}
}

// flush ends the open bucket.
func (m *maker) flush() {
	if m.in == 0 {
		return
	}
	for c, n := range m.of {
		if n > m.of[m.open.Class] {
			m.open.Class = record.Class(c)
		}
	}
	m.peaks = append(m.peaks, m.open)
	m.in, m.of = 0, [8]int{}
}
