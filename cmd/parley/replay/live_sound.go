package replay

import (
	"iter"
	"time"

	"parley/agent/replay"
	"parley/internal/caller"
	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
	"parley/media/record"
	"parley/media/resample"
)

// margin is how much of the recording around a stretch of voice is said with it: where a voice begins and ends is known to
// some hundredths of a second only. Fade is at both ends of that.
const (
	margin = 150 * time.Millisecond
	fade   = 10 * time.Millisecond
)

// line is a cue with its sound.
type line struct {
	replay.Cue
	pcm  []int16       // at caller.Rate, for Speak
	lead time.Duration // of pcm lies before the voice
}

// learn cuts the cues out of the caller's track.
func learn(b *record.Bundle, cues []replay.Cue) ([]line, error) {
	rate := codec.Rate(b.Codec, caller.Rate)
	all := make([]line, len(cues))
	cuts := make([]cut, len(cues))
	for i, c := range cues {
		all[i].Cue = c
		if c.Kind == replay.Speak {
			cuts[i], all[i].lead = around(cues, i, rate)
		}
	}
	for p, err := range b.Track(record.Up, caller.Rate) {
		if err != nil {
			return nil, err
		}
		for i := range cuts {
			cuts[i].take(p.Frame)
		}
	}
	for i := range all {
		if all[i].pcm = cuts[i].pcm; rate != caller.Rate && len(all[i].pcm) > 0 {
			r := resample.New(rate, caller.Rate)
			all[i].pcm = r.Flush(r.Process(all[i].pcm, nil))
		}
	}
	return all, nil
}

// cut is a stretch of a track, in samples.
type cut struct {
	from, to int
	pcm      []int16
}

// around is the stretch of a cue with its margins, which end half way to the voice before and after. It also gives how long
// the one before is.
func around(cues []replay.Cue, i, rate int) (cut, time.Duration) {
	c := cues[i]
	lead, tail := min(margin, c.From), margin
	for _, o := range cues {
		switch {
		case o.Kind != replay.Speak:
		case o.To <= c.From:
			lead = min(lead, (c.From-o.To)/2)
		case o.From >= c.To:
			tail = min(tail, (o.From-c.To)/2)
		}
	}
	place := func(t time.Duration) int { return int(t / time.Millisecond * time.Duration(rate) / 1000) }
	return cut{from: place(c.From - lead), to: place(c.To + tail)}, lead
}

// take copies what of a frame lies in the stretch.
func (c *cut) take(f media.Frame) {
	at := int(f.At * time.Duration(f.Rate) / time.Second)
	from, to := max(at, c.from), min(at+len(f.PCM), c.to)
	if from < to {
		c.pcm = append(c.pcm, f.PCM[from-at:to-at]...)
	}
}

// from is the sound without its first d, faded in and out.
func (l line) from(d time.Duration) []int16 {
	samples := func(d time.Duration) int { return int(d * caller.Rate / time.Second) }
	pcm := append([]int16(nil), l.pcm[min(samples(max(0, d)), len(l.pcm)):]...)
	n := min(samples(fade), len(pcm)/2)
	for i := range n {
		j := len(pcm) - 1 - i
		pcm[i] = int16(int(pcm[i]) * i / n)
		pcm[j] = int16(int(pcm[j]) * i / n)
	}
	return pcm
}

// timeline is how loud both sides of a recording were, packet by packet, on its clock: the same ruler as that of a call.
type timeline struct{ caller, agent []caller.Packet }

func levels(b *record.Bundle) (t timeline, err error) {
	if t.caller, err = said(b.Track(record.Up, caller.Rate)); err != nil {
		return t, err
	}
	t.agent, err = sent(b)
	return t, err
}

// said is how loud a caller was, every 20 ms: when its packets were sent is not known, but where their sound lies.
func said(track iter.Seq2[record.Piece, error]) (all []caller.Packet, err error) {
	var frame []int16
	n := 0
	for p, err := range track {
		if err != nil {
			return nil, err
		}
		size := p.Rate / 50
		for pcm := p.PCM; len(pcm) > 0; {
			k := min(size-len(frame), len(pcm))
			frame, pcm = append(frame, pcm[:k]...), pcm[k:]
			if len(frame) == size {
				at := time.Duration(n) * media.FrameDuration
				all = append(all, caller.Packet{At: at, Place: at, Long: media.FrameDuration, Level: wav.Level(frame)})
				frame, n = frame[:0], n+1
			}
		}
	}
	return all, nil
}

// sent is how loud the packets were that a server sent, and when it sent them. One that cannot be decoded is silent.
func sent(b *record.Bundle) (all []caller.Packet, err error) {
	rate := codec.Rate(b.Codec, caller.Rate)
	dec, err := codec.NewDecoder(b.Codec, rate)
	if err != nil {
		return nil, err
	}
	pcm := make([]int16, int(codec.MaxDuration/time.Millisecond)*rate/1000)
	for e := range b.Packets() { // what cannot be read has no sound
		if e.Kind != record.Down {
			continue
		}
		n, err := dec.Decode(e.Packet.Payload, pcm)
		if err != nil {
			n = 0
		}
		all = append(all, caller.Packet{At: e.Now, Place: e.Now, Long: media.Samples(n, rate), Level: wav.Level(pcm[:n])})
	}
	return all, nil
}

// said is the audible part of a cue in the recording. What has no sound is its moment.
func (t timeline) said(l line) caller.Said {
	if l.Kind != replay.Speak {
		return caller.Said{First: l.From, Last: l.From}
	}
	from, to := l.From-l.lead, l.To+margin
	first, ok := caller.FirstAudible(t.caller, from)
	if !ok || first.At > to {
		return caller.Said{First: l.From, Last: l.To}
	}
	last, _ := caller.LastAudible(t.caller, from, to)
	return caller.Said{First: first.At, Last: last.At}
}
