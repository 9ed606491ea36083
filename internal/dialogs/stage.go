package dialogs

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"time"

	"parley/agent/replay/rerun"
	"parley/media"
	"parley/media/codec"
	"parley/tts"
)

// jitter bounds what a packet of the corpus is late by.
const jitter = 4 * time.Millisecond

// How a voice takes its time: to begin, and for each frame.
const (
	firstSound = 60*time.Millisecond + 41*time.Microsecond
	nextSound  = 3*time.Millisecond + 11*time.Microsecond
)

// Stage makes a conversation of d that package rerun can hold. The voice and the detector of e must be given; without a
// recognizer or a model it gets those that know the truth. The voice is slowed down: it begins after 60 ms, and each frame
// takes it 3 ms.
func (d Dialog) Stage(e rerun.Engines) (rerun.Stage, error) {
	if e.Recognizer == nil {
		e.Recognizer = d.Recognizer()
	}
	if e.Model == nil {
		e.Model = d.Model()
	}
	if e.Voice != nil {
		e.Voice = slow(e.Voice, firstSound, nextSound)
	}
	up, err := d.packets()
	if err != nil {
		return rerun.Stage{}, fmt.Errorf("encode the caller of %s: %w", d.Name, err)
	}
	return rerun.Stage{ID: d.Name, Codec: media.Opus, Up: up, Inputs: d.Inputs, Engines: e, Profile: d.Profile, Length: d.Length() + Lead}, nil
}

// slow is v in no hurry.
func slow(v tts.Voice, first, next time.Duration) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			pause := first
			for a, err := range v.Speak(ctx, text) {
				if err == nil && !wait(ctx, pause) {
					a, err = tts.Audio{}, context.Cause(ctx)
				}
				if pause = next; !yield(a, err) || err != nil {
					return
				}
			}
		}
	})
}

// packets are the track as a browser sends it: Opus, a packet each 20 ms, the first at [Lead], each a little late.
func (d Dialog) packets() ([]media.Packet, error) {
	enc, err := codec.NewOpusEncoder(media.ListenRate, codec.EncoderOptions{Voice: true})
	if err != nil {
		return nil, err
	}
	up := make([]media.Packet, 0, len(d.PCM)/frame)
	var buf [codec.MaxPayload]byte
	for n := range len(d.PCM) / frame {
		size, err := enc.Encode(d.PCM[n*frame:(n+1)*frame], buf[:])
		if err != nil {
			return nil, err
		}
		up = append(up, media.Packet{
			At: Lead + time.Duration(n)*media.FrameDuration + d.lateness(n), Seq: uint16(n),
			Time: uint32(n * media.ClockRate / 50), SSRC: 1, Marker: n == 0, Level: -1, Payload: append([]byte(nil), buf[:size]...),
		})
	}
	return up, nil
}

// lateness is what packet n is late by: a function of the dialog and the number, and never the same moment as a timer's.
func (d Dialog) lateness(n int) time.Duration {
	if n == 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprint(h, d.Name, n)
	return time.Duration(h.Sum64()%uint64(jitter/time.Microsecond))*time.Microsecond + 13
}
