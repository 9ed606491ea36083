package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"parley/agent"
	"parley/media/rtc"
)

// Message is an event as the page is told it: one JSON object of the types in this package, or nil if the
// page is not told.
func Message(e agent.Event) []byte {
	switch e.Kind {
	case agent.State:
		return encode(State{Type: "state", State: e.Text, AtMS: e.At.Milliseconds()})
	case agent.User:
		return encode(User{Type: "user", Turn: e.Turn, Text: e.Text, Final: e.Final, AtMS: e.At.Milliseconds()})
	case agent.Answer:
		s := e.Said
		return encode(Said{Type: "agent", Turn: e.Turn, Heard: s.Heard, Sent: s.Sent, Generated: s.Generated, Done: s.Done,
			Interrupted: s.Interrupted, AtMS: e.At.Milliseconds()})
	case agent.Timing:
		l := e.Latency
		return encode(Latency{Type: "latency", Turn: e.Turn, TotalMS: ms(l.Sent), EndpointMS: ms(l.Commit),
			TextMS: ms(l.Text), TokenMS: ms(l.Token), PhraseMS: ms(l.Phrase), AudioMS: ms(l.Audio)})
	case agent.Trouble:
		return encode(Trouble{Type: "error", Code: e.Code, Text: e.Text})
	case agent.End:
		return encode(Ended{Type: "ended", Reason: Farewell(e.Err)})
	}
	return nil
}

// Farewell says to the person at the page why the conversation ended.
func Farewell(err error) string {
	for _, f := range farewells {
		if errors.Is(err, f.err) {
			return f.text
		}
	}
	return "The conversation ended because an engine failed. The server's log says why."
}

var farewells = []struct {
	err  error
	text string
}{
	{agent.ErrGoodbye, "The agent said goodbye."},
	{agent.ErrHungUp, "You hung up."},
	{agent.ErrAudioEnd, "The call ended."},
	{rtc.ErrHangup, "The call ended."},
	{rtc.ErrNeverConnected, "The connection was never made."},
	{rtc.ErrVanished, "The connection was lost."},
	{rtc.ErrNoMedia, "No sound came from your microphone for too long."},
	{rtc.ErrNotReceived, "Our sound did not reach you."},
	{rtc.ErrHostile, "The call was ended because it sent far too much."},
	{ErrDeleted, "The call was ended."},
	{ErrShutdown, "The server is shutting down."},
}

// Greet is the first message of a conversation.
func Greet(h Hello) []byte {
	h.Type = "hello"
	return encode(h)
}

// Tell says to the caller whether the record goes on, and whose doing that is.
func (r Recording) Tell() []byte {
	r.Type = "recording"
	return encode(r)
}

// Complain tells the caller that a message could not be read.
func Complain(err error) []byte {
	return encode(Trouble{Type: "error", Code: "input", Text: err.Error()})
}

func encode[T any](v T) []byte {
	b, err := json.Marshal(v)
	if err != nil { // none of these types can fail
		return nil
	}
	return b
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

const (
	textLimit  = 4000 // the longest typed text, in bytes
	delayLimit = 2000 // the longest delay of a loudspeaker, in milliseconds
)

// ParseCommand reads a message of the caller.
func ParseCommand(msg []byte) (Command, error) {
	var c Command
	if err := json.Unmarshal(msg, &c); err != nil {
		return Command{}, fmt.Errorf("read message: it is no JSON object of the documented form: %w", err)
	}
	switch c.Type {
	case "text":
		c.Text = strings.TrimSpace(c.Text)
		if c.Text == "" || len(c.Text) > textLimit || !utf8.ValidString(c.Text) {
			return Command{}, fmt.Errorf("read message: a text has 1 to %d bytes", textLimit)
		}
	case "key":
		if len(c.Key) != 1 || !strings.Contains("0123456789*#ABCD", c.Key) {
			return Command{}, errors.New("read message: a key is one of 0-9, *, #, A-D")
		}
	case "playout":
		if c.DelayMS < 0 || c.DelayMS > delayLimit {
			return Command{}, fmt.Errorf("read message: a delay is 0 to %d milliseconds", delayLimit)
		}
	case "mute", "record", "hangup":
	default:
		return Command{}, fmt.Errorf("read message: its type %.20q is not text, mute, key, record, playout or hangup", c.Type)
	}
	return c, nil
}

// Input is the command as the conversation takes it. ok is false for one that does not concern it: "record".
func (c Command) Input() (in agent.Input, ok bool) {
	switch c.Type {
	case "text":
		return agent.Input{Kind: agent.Typed, Text: c.Text}, true
	case "mute":
		return agent.Input{Kind: agent.Mute, On: c.On}, true
	case "key":
		return agent.Input{Kind: agent.Key, Text: c.Key}, true
	case "playout":
		return agent.Input{Kind: agent.Played, At: time.Duration(c.DelayMS * float64(time.Millisecond))}, true
	case "hangup":
		return agent.Input{Kind: agent.HangUp}, true
	}
	return agent.Input{}, false
}

// Postbox sends messages in order. What cannot be sent yet, because the channel has not opened, waits; when
// too much waits the oldest is dropped. Safe for concurrent use.
type Postbox struct {
	Post func(msg []byte) bool // must not block
	Open func() bool           // likewise

	mu      sync.Mutex
	waiting [][]byte
	dropped int
}

// postboxDepth is how many messages wait at the most.
const postboxDepth = 64

// Put sends msg, or keeps it; nil only sends what waits. It reports whether nothing waits any more.
func (p *Postbox) Put(msg []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if msg != nil {
		if len(p.waiting) == postboxDepth {
			p.waiting = p.waiting[1:]
			p.dropped++
		}
		p.waiting = append(p.waiting, msg)
	}
	for len(p.waiting) > 0 && p.Open() && p.Post(p.waiting[0]) {
		p.waiting = p.waiting[1:]
	}
	return len(p.waiting) == 0
}

// Flush sends what waits for as long as ctx lasts.
func (p *Postbox) Flush(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !p.Put(nil) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
