package realtime

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt/rotate"
)

const (
	shortest = 100 * time.Millisecond // an item; the service refuses less
	long     = 10 * time.Second       // an item that ends at a pause
	longest  = 16 * time.Second       // an item
	low      = 16                     // times lower than the loudest sound is a pause: 24 dB
	silent   = 64                     // times lower is silence: 36 dB
	mostText = 1 << 20                // of an item, in bytes
	mostOpen = 32                     // items of which something is known, and not all
	mostNews = 64                     // pieces that are not told; then the newest stands for the one before
)

// link is one stream of package rotate on a session: its audio is divided into items.
type link struct {
	s    *session
	from int    // rate of its audio
	free func() // gives the session back
	writer
	items
}

// writer is what the goroutine knows that sends.
type writer struct {
	in, out []int16
	raw     []byte
	message []byte
	made    int           // samples of the open item, as they were sent
	item    time.Duration // its length
	lull    time.Duration // of the pause at its end
	loud    int           // its peak
	loudest int           // that of all audio
}

// items are those that were not told to the end. s.mu guards them.
type items struct {
	heard    int            // samples that were given
	ends     []int          // the same, where an item was committed
	order    []string       // names of the items of ends, as far as they are known; empty if one was refused
	texts    []*text        // in the order in which they were first heard of
	news     []rotate.Reply // pieces that are still to be told
	answered bool           // since the last commit
	finished bool           // no more audio
	retired  bool           // what follows is for another session
	freed    bool           // the session was given back
}

// text is what was said in an item.
type text struct {
	item string
	said string
	done bool
}

// send gives audio to the service, and commits it where a long speech has a pause.
func (l *link) send(ctx context.Context, pcm []byte) error {
	l.in = l.in[:0]
	peak := 0
	for i := 0; i+1 < len(pcm); i += 2 {
		v := int16(binary.LittleEndian.Uint16(pcm[i:]))
		l.in = append(l.in, v)
		peak = max(peak, int(v), -int(v))
	}
	length := media.Samples(len(l.in), l.from)
	l.s.mu.Lock()
	retired := l.retired
	if !retired {
		l.heard += len(l.in)
		l.s.sent += length
	}
	l.s.mu.Unlock()
	if retired {
		return nil // rotate has it
	}
	l.item += length
	l.loud, l.loudest = max(l.loud, peak), max(l.loudest, peak)
	if l.lull += length; peak*low >= l.loudest {
		l.lull = 0
	}
	l.out = l.s.convert.Process(l.in, l.out[:0])
	if err := l.append(ctx); err != nil {
		return err
	}
	if l.item >= long && l.lull >= (longest-l.item)/25 {
		return l.commit(ctx)
	}
	return nil
}

// append sends l.out.
func (l *link) append(ctx context.Context) error {
	if len(l.out) == 0 {
		return nil
	}
	l.made += len(l.out)
	l.raw = l.raw[:0]
	for _, v := range l.out {
		l.raw = binary.LittleEndian.AppendUint16(l.raw, uint16(v))
	}
	m := append(l.message[:0], `{"type":"input_audio_buffer.append","audio":"`...)
	m = base64.StdEncoding.AppendEncode(m, l.raw)
	l.message = append(m, `"}`...)
	return l.s.write(ctx, l.message)
}

// commit ends the open item, which is not empty.
func (l *link) commit(ctx context.Context) error {
	l.out = l.s.convert.Flush(l.out[:0])
	if lack := int(shortest*rate/time.Second) - l.made - len(l.out); lack > 0 {
		l.out = append(l.out, make([]int16, lack)...)
	}
	if err := l.append(ctx); err != nil {
		return err
	}
	l.made, l.item, l.lull, l.loud = 0, 0, 0, 0
	old := l.s.aged(l.s.o.Rotate)
	l.s.mu.Lock()
	l.ends = append(l.ends, l.heard)
	l.answered, l.retired = false, old
	l.s.mu.Unlock()
	l.s.tell()
	return l.s.write(ctx, []byte(`{"type":"input_audio_buffer.commit","event_id":"`+ofCommit+`"}`))
}

// finish ends the audio.
func (l *link) finish(ctx context.Context) error {
	l.s.mu.Lock()
	open := l.item > 0 && !l.retired
	first := media.Samples(l.heard, l.from) <= l.item
	l.s.mu.Unlock()
	var err error
	switch {
	case open && !first && l.loud*silent < l.loudest:
		l.s.convert.Flush(nil)
		err = l.s.write(ctx, []byte(`{"type":"input_audio_buffer.clear"}`))
	case open:
		err = l.commit(ctx)
	}
	if err != nil {
		return err
	}
	l.s.mu.Lock()
	l.finished = true // only now: the end of the stream's ctx in a write would end the session
	l.s.mu.Unlock()
	l.s.tell()
	return nil
}

// recv is the next that the service says; io.EOF when all was said.
func (l *link) recv(ctx context.Context) (rotate.Reply, error) {
	for {
		r, ok, wait, err := l.look()
		switch {
		case err == io.EOF:
			l.free()
			return r, err
		case ok, err != nil:
			return r, err
		}
		late, stop := after(wait)
		select {
		case <-l.s.wake:
		case <-late:
			err = judged(&provider.Timeout{What: "text of what was said", After: wait})
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		stop()
		if err != nil {
			return rotate.Reply{}, err
		}
	}
}

// after is a timer; 0 is none.
func after(d time.Duration) (<-chan time.Time, func() bool) {
	if d <= 0 {
		return nil, func() bool { return false }
	}
	t := time.NewTimer(d)
	return t.C, t.Stop
}

// look is what can be told now, or how long to wait for more; 0 is without a limit.
func (l *link) look() (r rotate.Reply, ok bool, wait time.Duration, err error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if len(l.news) > 0 {
		r, l.news = l.news[0], l.news[1:]
		return r, true, 0, nil
	}
	if t := l.first(); t != nil {
		r.Settled = rotate.Part{Text: t.said, End: media.Samples(l.ends[0], l.from)}
		if r.Settled.Text == "" {
			r.Settled.Text = " " // that stands, too, whatever its pieces said
		}
		l.ends, l.order = l.ends[1:], l.order[1:]
		l.drop(t.item)
		r.Open = l.open()
		return r, true, 0, nil
	}
	switch limits := l.s.o.Limits; {
	case l.s.err != nil:
		return r, false, 0, l.s.err
	case len(l.ends) == 0 && l.retired:
		return r, false, 0, judged(fmt.Errorf("%w: the session is %v old", provider.ErrUnavailable, l.s.o.Rotate))
	case len(l.ends) == 0 && l.finished:
		l.s.link, l.freed = nil, true
		return r, false, 0, io.EOF
	case len(l.ends) == 0:
		return r, false, 0, nil
	case l.answered:
		return r, false, limits.Gap, nil
	default:
		return r, false, limits.First, nil
	}
}

// close frees the session, unless it was given back: what it would still say belongs to nobody.
func (l *link) close() {
	l.s.mu.Lock()
	kept := l.freed
	if !kept {
		l.s.link = nil
	}
	l.s.mu.Unlock()
	if !kept {
		_ = l.s.conn.CloseNow() // it is over
	}
}

// The rest is called with s.mu held.

// first is the first item, if it is done; nil if not.
func (l *link) first() *text {
	if len(l.order) == 0 {
		return nil
	}
	if l.order[0] == "" {
		return &text{done: true}
	}
	if t := l.text(l.order[0]); t != nil && t.done {
		return t
	}
	return nil
}

// text is what is known of an item, from here on; nil if there are too many.
func (l *link) text(item string) *text {
	for _, t := range l.texts {
		if t.item == item {
			return t
		}
	}
	if len(l.texts) == mostOpen {
		return nil
	}
	l.texts = append(l.texts, &text{item: item})
	return l.texts[len(l.texts)-1]
}

// drop forgets an item.
func (l *link) drop(item string) {
	l.texts = slices.DeleteFunc(l.texts, func(t *text) bool { return t.item == item })
	if item != "" {
		l.s.forget(item)
	}
}

// open is what was said in all items: those whose place is known, and then the others.
func (l *link) open() rotate.Part {
	var said []string
	add := func(t *text) {
		if s := strings.TrimSpace(t.said); s != "" {
			said = append(said, s)
		}
	}
	for _, item := range l.order {
		for _, t := range l.texts {
			if t.item == item {
				add(t)
			}
		}
	}
	for _, t := range l.texts {
		if !slices.Contains(l.order, t.item) {
			add(t)
		}
	}
	if len(said) == 0 {
		return rotate.Part{}
	}
	return rotate.Part{Text: strings.Join(said, " "), End: media.Samples(l.heard, l.from)}
}

// place gives an item the next place that is known to be taken and has no name, and reports whether it has one now.
func (l *link) place(item string) bool {
	if slices.Contains(l.order, item) {
		return true
	}
	if len(l.order) == len(l.ends) {
		return false
	}
	l.order = append(l.order, item)
	return true
}

// refused has the next item that has no name be without text.
func (l *link) refused() {
	if len(l.order) < len(l.ends) {
		l.order = append(l.order, "")
	}
}

// take adds what an event says of an item. A commit that the service did not confirm is by the first item that is completed.
func (l *link) take(e event) {
	if e.Type != delta && !l.place(e.Item) {
		l.drop(e.Item) // not of our audio
		return
	}
	t := l.text(e.Item)
	if t == nil || t.done {
		return
	}
	l.answered = true
	switch e.Type {
	case delta:
		if len(t.said)+len(e.Delta) <= mostText {
			t.said += e.Delta
		}
		if len(l.news) == mostNews {
			l.news = l.news[:mostNews-1]
		}
		l.news = append(l.news, rotate.Reply{Open: l.open()})
	case completed:
		t.said, t.done = strings.TrimSpace(e.Transcript), true
	case failed:
		t.said, t.done = "", true
	}
}
