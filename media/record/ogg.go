package record

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"parley/media"
	"parley/media/codec"
)

// oggMost is how much sound one page holds at most.
const oggMost = time.Second

// silences are Opus packets of silence (CELT, full band, mono), from the longest to the shortest.
var silences = []struct {
	length time.Duration
	packet []byte
}{
	{20 * time.Millisecond, []byte{0xf8, 0xff, 0xfe}},
	{10 * time.Millisecond, []byte{0xf0, 0xff, 0xfe}},
	{5 * time.Millisecond, []byte{0xe8, 0xff, 0xfe}},
	{2500 * time.Microsecond, []byte{0xe0, 0xff, 0xfe}},
}

// Ogg writes the packets of a direction, Up or Down, as they are into an Ogg file (RFC 7845). What is missing is filled with
// packets of no content, which a decoder conceals, for up to 60 ms, then with packets of silence, and pauses are too, so the
// file lasts as long as the conversation and each packet sounds where it belongs, to 2.5 ms. A sender whose clock is fast
// loses a packet of 20 ms each time that it is ahead by so much. Other codecs than Opus are an error: they have WAV.
func (b *Bundle) Ogg(out io.Writer, k Kind) error {
	if b.Codec.Clock() != media.ClockRate || k != Up && k != Down {
		return fmt.Errorf("write Ogg: %v of %q is not Opus: export WAV", k, string(b.Codec))
	}
	w := &ogg{out: bufio.NewWriterSize(out, 1<<16), serial: crc32.ChecksumIEEE([]byte(b.ID)) + uint32(k)}
	w.header()
	end := b.Duration()
	for p := range b.placed(k, nil) {
		if w.at >= end || w.err != nil {
			break
		}
		w.take(p, end)
	}
	w.silence(end - w.at)
	w.at = max(0, end)
	w.page(true)
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err != nil {
		return fmt.Errorf("write Ogg: %w", w.err)
	}
	return nil
}

// ogg is a logical stream as it is written.
type ogg struct {
	out     *bufio.Writer
	serial  uint32
	number  uint32
	at      time.Duration // end of what is written
	lacing  []byte
	body    []byte
	since   time.Duration // begin of the page
	toc     byte          // of the last packet
	started bool
	err     error
}

func (w *ogg) header() {
	head := append([]byte("OpusHead"), 1, 1, 0, 0)
	head = binary.LittleEndian.AppendUint32(head, media.ClockRate)
	w.add(append(head, 0, 0, 0))
	w.page(false)
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len("parley")))
	tags = append(tags, "parley"...)
	w.add(binary.LittleEndian.AppendUint32(tags, 0))
	w.page(false)
}

// take adds a packet, after what lies between it and the one before.
func (w *ogg) take(p placed, end time.Duration) {
	length, err := codec.PacketDuration(p.Payload)
	gap := min(p.place, end) - w.at
	switch {
	case !w.started || p.first || p.missing == 0 && (p.pause >= shortly || gap >= stalled):
		w.silence(gap)
	case p.missing > 0:
		w.lost(gap)
	case gap >= shortly: // the sender's clock is slow
		w.silence(shortly)
	case gap <= -length && len(p.Payload) > 2: // it is fast
		return
	}
	w.started = true
	if err != nil {
		w.lost(p.length)
		return
	}
	w.toc = p.Payload[0] &^ 3
	w.sound(p.Payload, length)
}

// lost fills a gap with packets that the decoder conceals, then silence.
func (w *ogg) lost(gap time.Duration) {
	unit, err := codec.PacketDuration([]byte{w.toc})
	for made := time.Duration(0); err == nil && w.started && made+unit <= min(gap, madeUp); made += unit {
		w.sound([]byte{w.toc}, unit)
		gap -= unit
	}
	w.silence(gap)
}

// silence fills a gap to within 2.5 ms.
func (w *ogg) silence(gap time.Duration) {
	gap = gap.Round(shortly)
	for _, s := range silences {
		for ; gap >= s.length && w.err == nil; gap -= s.length {
			w.sound(s.packet, s.length)
		}
	}
}

func (w *ogg) sound(packet []byte, length time.Duration) {
	if w.at+length-w.since > oggMost || len(w.lacing)+len(packet)/255+1 > 255 {
		w.page(false)
	}
	w.add(packet)
	w.at += length
}

// add puts a packet on the page.
func (w *ogg) add(packet []byte) {
	n := len(packet)
	for ; n >= 255; n -= 255 {
		w.lacing = append(w.lacing, 255)
	}
	w.lacing = append(w.lacing, byte(n))
	w.body = append(w.body, packet...)
}

// page writes the page (RFC 3533 section 6).
func (w *ogg) page(last bool) {
	flags := byte(0)
	if w.number == 0 {
		flags |= 2
	}
	if last {
		flags |= 4
	}
	h := append([]byte("OggS"), 0, flags)
	h = binary.LittleEndian.AppendUint64(h, uint64(samples(w.at, media.ClockRate)))
	h = binary.LittleEndian.AppendUint32(h, w.serial)
	h = binary.LittleEndian.AppendUint32(h, w.number)
	h = append(h, 0, 0, 0, 0, byte(len(w.lacing)))
	h = append(h, w.lacing...)
	sum := oggSum(oggSum(0, h), w.body)
	binary.LittleEndian.PutUint32(h[22:], sum)
	for _, part := range [][]byte{h, w.body} {
		if w.err == nil {
			_, w.err = w.out.Write(part)
		}
	}
	w.number++
	w.lacing, w.body, w.since = w.lacing[:0], w.body[:0], w.at
}

// oggTable is that of the polynomial 0x04c11db7, the highest bit first.
var oggTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func oggSum(sum uint32, b []byte) uint32 {
	for _, v := range b {
		sum = sum<<8 ^ oggTable[byte(sum>>24)^v]
	}
	return sum
}
