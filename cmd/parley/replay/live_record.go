package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/caller"
	"parley/media"
	"parley/media/record"
	"parley/media/rtc"
	"parley/web"
)

// errRecord says that the new recording could not be written.
var errRecord = errors.New("the new recording was not written")

// scoreTime is how often what was sent is looked at.
const scoreTime = 200 * time.Millisecond

// wireDepth is how many packets may wait for the recorder, which takes them at once.
const wireDepth = 250

// scribe records a call from the caller's side, and knows what the server tells of itself.
type scribe struct {
	dir      string
	manifest record.Manifest

	mu     sync.Mutex
	writer *record.Writer // nil: not begun
	zero   time.Duration  // of the caller's times, on the record's clock
	early  []agent.Event  // came before
	seq    uint64
	hello  *web.Hello
	state  string // the agent's; empty: it was not told
	told   []agent.Event
}

// path is where the recording is.
func (s *scribe) path() string { return filepath.Join(s.dir, s.manifest.ID+".conv") }

// keep records while f lives.
func (s *scribe) keep(ctx context.Context, c *caller.Caller, f func() error) error {
	wire := c.Wire(wireDepth)
	s.manifest.Start = time.Now().Add(-wire.Clock())
	s.manifest.Codec, s.manifest.Events = c.Codec(), wire.Events
	w, err := record.New(s.dir, s.manifest, record.Options{})
	if err == nil {
		err = s.room()
	}
	if err != nil {
		return errors.Join(errRecord, err)
	}
	s.begin(w, wire.Connected)
	var all sync.WaitGroup
	defer all.Wait()
	var controls media.Relay[media.Control]
	taps := record.Taps{Up: wire.Sent, Down: wire.Heard, Controls: controls.Tap(wireDepth, media.DropNewest)}
	rolling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	all.Go(func() {
		defer controls.Close()
		for _, r := range wire.Controls.All(rolling) {
			r.Up = !r.Up // the recording is of the server's conversation: up is from the caller
			controls.Send(r)
		}
	})
	all.Go(func() { s.score(rolling, c) })
	written := make(chan error, 1)
	all.Go(func() { written <- w.Run(rolling, wire.Clock, taps) })
	err = f()
	s.end(wire.Clock(), err)
	stop()
	if bad := <-written; bad != nil {
		return errors.Join(err, errRecord, bad)
	}
	return err
}

// score keeps where the caller's voice was: it is known from what was sent. Without a log of decisions nothing else tells of it.
func (s *scribe) score(ctx context.Context, c *caller.Caller) {
	tick := time.NewTicker(scoreTime)
	defer tick.Stop()
	for n, from := uint64(1), time.Duration(0); ; {
		for _, p := range c.Sent(from) {
			voice := float32(0)
			if p.Level > caller.Audible {
				voice = 1
			}
			end := p.At + p.Long + s.zero
			s.writer.Score(n, end, replay.SentVoice, end, voice)
			n, from = n+1, p.At+1
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// room makes sure that the recording's folder can be made.
func (s *scribe) room() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(s.path()); err == nil {
		return fmt.Errorf("create %s: %w", s.path(), fs.ErrExist)
	}
	return nil
}

func (s *scribe) begin(w *record.Writer, zero time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer, s.zero = w, zero
	for _, e := range s.early {
		s.write(e)
	}
	s.early = nil
}

// end notes why the call is over, unless the server has told. Without an error the caller hangs up.
func (s *scribe) end(now time.Duration, err error) {
	if s.ended() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(agent.Event{At: now - s.zero, Kind: agent.End, Text: cmp.Or(err, rtc.ErrHangup).Error()})
}

// ended says whether the server has told that the conversation is over.
func (s *scribe) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told) > 0 && s.told[len(s.told)-1].Kind == agent.End
}

// write keeps an event, whose time is the caller's. The lock is held.
func (s *scribe) write(e agent.Event) {
	line, err := json.Marshal(e)
	if err != nil {
		return // none of these types can fail
	}
	s.seq++
	s.writer.Log(s.seq, e.At+s.zero, line)
}

// message takes a message of the server.
func (s *scribe) message(m caller.Message) {
	e, ok := event(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	var h web.Hello
	if m.Type == "hello" && json.Unmarshal(m.Raw, &h) == nil {
		s.hello = &h
	}
	if !ok {
		return
	}
	if e.Kind == agent.State {
		s.state = e.Text
	}
	s.told = append(s.told, e)
	if s.writer == nil {
		s.early = append(s.early, e)
		return
	}
	s.write(e)
}

// agent is what the server last told of the agent's doing; empty if it tells nothing.
func (s *scribe) agent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// events are those told so far.
func (s *scribe) events() (*web.Hello, []agent.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hello, append([]agent.Event(nil), s.told...)
}

// event is a message of the server as the event it was made of (see web.Message), with the time of its arrival. What is not
// told is not known: there are no inputs, decisions or causes.
func event(m caller.Message) (e agent.Event, ok bool) {
	switch m.Type {
	case "state":
		var v web.State
		ok = json.Unmarshal(m.Raw, &v) == nil
		e = agent.Event{Kind: agent.State, Text: v.State}
	case "user":
		var v web.User
		ok = json.Unmarshal(m.Raw, &v) == nil
		e = agent.Event{Kind: agent.User, Turn: v.Turn, Text: v.Text, Final: v.Final}
	case "agent":
		var v web.Said
		ok = json.Unmarshal(m.Raw, &v) == nil
		said := agent.Said{Generated: v.Generated, Heard: v.Heard, Done: v.Done, Interrupted: v.Interrupted}
		e = agent.Event{Kind: agent.Answer, Turn: v.Turn, Said: &said}
	case "latency":
		var v web.Latency
		ok = json.Unmarshal(m.Raw, &v) == nil
		l := agent.Latency{Commit: millis(v.EndpointMS), Text: millis(v.TextMS), Token: millis(v.TokenMS),
			Phrase: millis(v.PhraseMS), Audio: millis(v.AudioMS), Sent: millis(v.TotalMS)}
		e = agent.Event{Kind: agent.Timing, Turn: v.Turn, Measured: agent.Measured{Latency: &l}}
	case "error":
		var v web.Trouble
		ok = json.Unmarshal(m.Raw, &v) == nil
		e = agent.Event{Kind: agent.Trouble, Code: v.Code, Text: v.Text}
	case "ended":
		var v web.Ended
		ok = json.Unmarshal(m.Raw, &v) == nil
		e = agent.Event{Kind: agent.End, Text: reason(v.Reason)}
	}
	e.At = m.At
	return e, ok
}

// reason is why a conversation ended as its own log has it: what a server tells is for people.
func reason(farewell string) string {
	for _, err := range []error{agent.ErrGoodbye, agent.ErrHungUp, agent.ErrAudioEnd, web.ErrShutdown, web.ErrDeleted} {
		if web.Farewell(err) == farewell {
			return err.Error()
		}
	}
	return farewell
}

// millis is a time in milliseconds; one that no call lasts is none.
func millis(ms float64) time.Duration {
	if !(ms >= -1e9 && ms <= 1e9) {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}
