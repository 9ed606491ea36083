// Package callertest has an agent to call: a small server with the signaling of the real one that answers every speech
// with a tone.
package callertest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
	"parley/media/rtc"
)

const (
	rate    = media.ListenRate
	audible = -45.0 // dBFS
)

// Agent answers each speech with a tone, some time after its end, and falls silent when it is spoken to. Text that is
// typed is answered too, and a key that is pressed is told back. It speaks every codec.
type Agent struct {
	Answer  time.Duration // how long the tone lasts
	After   time.Duration // silence before it; 0: [Wait]
	NoState bool          // sends no messages
	Deaf    bool          // answers nothing
	Lose    int           // every so many of its packets is lost; 0: none
	HangUp  time.Duration // after so long; 0: never
	Limits  rtc.Timeouts
}

// Wait is the silence after which an Agent answers.
const Wait = 200 * time.Millisecond

// description is an offer or an answer.
type description struct {
	SDP     string `json:"sdp"`
	Type    string `json:"type"`
	Session string `json:"session,omitempty"`
}

// Start serves a and returns its URL. Its calls end with the test.
func (a Agent) Start(t *testing.T) string {
	ctx, cancel := context.WithCancel(context.Background())
	h, wait, err := a.Handler(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// Handler serves POST /offer, and GET /sessions as a list of the calls that there are. Its calls end with ctx; wait
// returns when they have ended.
func (a Agent) Handler(ctx context.Context) (h *http.ServeMux, wait func() error, err error) {
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true, Timeouts: a.Limits})
	if err != nil {
		return nil, nil, err
	}
	if a.After == 0 {
		a.After = Wait
	}
	var calls sync.WaitGroup
	var live atomic.Int64
	h = http.NewServeMux()
	h.HandleFunc("POST /offer", func(w http.ResponseWriter, r *http.Request) {
		var offer description
		if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		call, answer, err := e.Answer(r.Context(), offer.SDP)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		live.Add(1)
		calls.Go(func() { a.converse(ctx, call) })
		calls.Go(func() {
			defer live.Add(-1)
			_ = call.Run(ctx) // why it ended is the caller's business
		})
		_ = json.NewEncoder(w).Encode(description{SDP: answer, Type: "answer", Session: "s1"})
	})
	h.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(make([]struct{}, live.Load()))
	})
	wait = func() error {
		calls.Wait()
		return e.Close()
	}
	return h, wait, nil
}

// line is one call of an Agent.
type line struct {
	Agent
	call    *rtc.Call
	audio   rtc.Audio
	rate    int // of its codec
	decoder codec.Decoder
	encoder codec.Encoder
	pcm     []int16
	buf     [codec.MaxPayload]byte

	voice time.Duration // when speech was last heard that is not answered yet
	turn  int
	left  int // frames of tone to be sent
}

// converse sends a packet every 20 ms until the call ends.
func (a Agent) converse(ctx context.Context, call *rtc.Call) {
	l := line{Agent: a, call: call, audio: call.Audio(), pcm: make([]int16, rate*120/1000), voice: -1}
	l.rate = codec.Rate(l.audio.Codec, rate)
	var err error
	if l.decoder, err = codec.NewDecoder(l.audio.Codec, l.rate); err != nil {
		panic(err)
	}
	if l.encoder, err = codec.NewEncoder(l.audio.Codec, l.rate, codec.EncoderOptions{}); err != nil {
		panic(err)
	}
	up := call.Up().Tap(64, media.DropOldest)
	defer up.Close()
	typed := call.Messages()
	tick := time.NewTicker(media.FrameDuration)
	defer tick.Stop()
	for n := 0; l.listen(up); n++ {
		if waiting(typed) {
			l.voice = call.Now() - a.After
		}
		l.decide()
		if !l.speak(n) {
			return
		}
		if a.HangUp > 0 && call.Now() > a.HangUp {
			call.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// waiting takes a message if one is there.
func waiting(messages media.Source[[]byte]) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for range messages(ctx) {
		return true
	}
	return false
}

// listen takes what has arrived. It is false when the call is over.
func (l *line) listen(up *media.Tap[media.Packet]) bool {
	for {
		p, ok, open := up.Next()
		if !ok {
			return open
		}
		if p.PT == l.audio.Events {
			l.key(p)
			continue
		}
		n, err := l.decoder.Decode(p.Payload, l.pcm)
		if err == nil && !l.Deaf && wav.Level(l.pcm[:n]) > audible {
			l.voice, l.left = l.call.Now(), 0
		}
	}
}

// key tells of a key at its first packet.
func (l *line) key(p media.Packet) {
	if e, err := codec.ParseEvent(p.Payload); err == nil && p.Marker {
		if key, ok := e.Key(); ok {
			l.post(fmt.Sprintf(`{"type":"key","key":%q}`, string(key)))
		}
	}
}

// decide begins to answer when it is time to.
func (l *line) decide() {
	silence := l.call.Now() - l.voice
	if l.voice < 0 || silence < l.After {
		return
	}
	l.voice, l.left = -1, int(l.Answer/media.FrameDuration)
	l.turn++
	l.post(`{"type":"state","state":"speaking"}`)
	l.post(fmt.Sprintf(`{"type":"latency","turn":%d,"totalMs":%d,"endpointMs":%d}`, l.turn, silence.Milliseconds(), l.After.Milliseconds()))
}

func (l *line) post(message string) {
	if !l.NoState {
		l.call.Post([]byte(message))
	}
}

// speak sends packet n.
func (l *line) speak(n int) bool {
	frame := make([]int16, l.rate/50)
	if l.left > 0 {
		frame = tone(media.FrameDuration, l.rate)
		if l.left--; l.left == 0 {
			l.post(`{"type":"state","state":"listening"}`)
		}
	}
	k, err := l.encoder.Encode(frame, l.buf[:])
	if err == nil && (l.Lose == 0 || n%l.Lose != 0) {
		l.call.Send(media.Packet{Seq: uint16(n), Time: uint32(n * l.audio.Codec.Clock() / 50), Payload: slices.Clone(l.buf[:k])})
	}
	return err == nil
}

// Tone is a sine at −20 dBFS and [media.ListenRate], of whole periods in 20 ms.
func Tone(d time.Duration) []int16 { return tone(d, rate) }

func tone(d time.Duration, rate int) []int16 {
	pcm := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range pcm {
		pcm[i] = int16(4634 * math.Sin(2*math.Pi*400*float64(i)/float64(rate)))
	}
	return pcm
}
