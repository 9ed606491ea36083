package rerun

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/agent"
	"parley/agent/vad"
	"parley/llm/script"
	"parley/media"
	"parley/media/codec"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

type span struct{ from, to time.Duration }

// caller is a caller's packets: a sound in the given spans, silence else.
func caller(t testing.TB, c media.Codec, length time.Duration, voice ...span) (out []media.Packet) {
	t.Helper()
	rate := codec.Rate(c, media.ListenRate)
	enc, err := codec.NewEncoder(c, rate, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pcm, buf := make([]int16, rate/50), make([]byte, codec.MaxPayload)
	for i := 0; time.Duration(i)*media.FrameDuration < length; i++ {
		from := time.Duration(i) * media.FrameDuration
		for j := range pcm {
			pcm[j] = 0
			if slices.ContainsFunc(voice, func(s span) bool { return from >= s.from && from < s.to }) {
				pcm[j] = int16(8000 * math.Sin(2*math.Pi*440*float64(i*len(pcm)+j)/float64(rate)))
			}
		}
		n, err := enc.Encode(pcm, buf)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, media.Packet{
			At: from + 23*ms, Seq: uint16(65500 + i), Time: uint32(i * c.Clock() / 50), SSRC: 7, PT: 111, Level: -1, Payload: slices.Clone(buf[:n]),
		})
	}
	return out
}

// stubs are engines that hear the lines and repeat them.
func stubs(lines ...string) Engines {
	return Engines{
		Recognizer: sttscript.New(sttscript.Options{Lines: lines}), Model: script.Echo(), Voice: tone.Voice{}, Detector: vad.Energy{},
	}
}

// asked is a caller with one question.
func asked(t testing.TB) Stage {
	return Stage{
		ID: "asked", Up: caller(t, "", at(12), span{at(1), at(2.5)}), Engines: stubs("What is the time?"),
		Profile: agent.Profile{Greeting: "-"}, Length: at(12),
	}
}

// run holds a conversation to the end of the caller's audio.
func run(t testing.TB, s Stage) Result {
	t.Helper()
	r, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(r.End, agent.ErrAudioEnd) {
		t.Errorf("it ended for %v", r.End)
	}
	return r
}

// said is what the agent said of a turn at the end.
func said(r Result, turn int) (s agent.Said) {
	for _, e := range r.Events {
		if e.Kind == agent.Answer && e.Turn == turn {
			s = *e.Said
		}
	}
	return s
}

// holds checks that all invariants do.
func holds(t testing.TB, r Result) {
	t.Helper()
	for _, v := range Check(r) {
		t.Error(v)
	}
}
