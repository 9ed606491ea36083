package realtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley/internal/provider"
	"parley/media/resample"
	"parley/stt/rotate"
)

const (
	rate        = 24000   // samples a second, as the service hears
	longMessage = 1 << 20 // of the service, in bytes
	remembered  = 64      // items that are over, whose late news is ignored
)

// sessions are those of one call. One is kept while nobody speaks.
type sessions struct {
	*Recognizer
	running sync.WaitGroup // who reads them
	mu      sync.Mutex
	idle    *session // nil: none
}

// session is one connection. It recognizes for one link at a time; between links it has no audio and no open item.
type session struct {
	conn    *websocket.Conn
	o       *Options
	born    time.Time
	convert *resample.Resampler // of the link's writer
	wake    chan struct{}       // to the link: there is news

	mu   sync.Mutex
	link *link
	sent time.Duration   // of audio
	old  []string        // items that are over
	said *provider.Error // the last complaint, if nothing came after it
	err  error           // why it is over, a *rotate.Failure
}

// open begins a link, on the session that is idle or on a new one, which is then given to run.
func (p *sessions) open(ctx context.Context, from int, run func(*session)) (rotate.Link, error) {
	s := p.take()
	if s == nil {
		conn, err := p.dial(ctx)
		if err != nil {
			return rotate.Link{}, judged(err)
		}
		s = &session{conn: conn, o: &p.o, born: time.Now(), convert: resample.New(from, rate), wake: make(chan struct{}, 1)}
		run(s)
		if err := s.write(ctx, p.update); err != nil {
			s.end(err)
			return rotate.Link{}, judged(err)
		}
	}
	l := &link{s: s, from: from, free: func() { p.put(s) }}
	s.mu.Lock()
	s.link = l
	s.mu.Unlock()
	return rotate.Link{
		Send:   func(pcm []byte) error { return l.send(ctx, pcm) },
		Finish: func() error { return l.finish(ctx) },
		Recv:   func() (rotate.Reply, error) { return l.recv(ctx) },
		Close:  l.close,
	}, nil
}

// take is the idle session, unless it is over or too old.
func (p *sessions) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.idle
	p.idle = nil
	if s == nil || !s.aged(p.o.Rotate) {
		return s
	}
	_ = s.conn.CloseNow() // it is over
	return nil
}

// put has a session wait for the next link.
func (p *sessions) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle != nil {
		_ = s.conn.CloseNow() // one is enough
		return
	}
	p.idle = s
}

// aged reports whether a session is over or of an age, which is that of its audio at least.
func (s *session) aged(most time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil || max(time.Since(s.born), s.sent) >= most
}

// dial makes a connection, within the limit.
func (r *Recognizer) dial(ctx context.Context) (*websocket.Conn, error) {
	late := &provider.Timeout{What: "connection", After: r.o.Limits.Connect}
	ctx, cancel := context.WithTimeoutCause(ctx, late.After, late)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, r.url, &websocket.DialOptions{HTTPClient: r.http, HTTPHeader: r.header})
	switch {
	case err == nil:
		conn.SetReadLimit(longMessage)
		return conn, nil
	case context.Cause(ctx) == error(late):
		return nil, late
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != nil:
		body, _ := io.ReadAll(resp.Body) // what came of it is good enough
		return nil, provider.FromStatus(resp.StatusCode, resp.Header, without(r.o.Key, body))
	}
	var in *url.Error // its text has the URL
	if errors.As(err, &in) {
		err = in.Err
	}
	return nil, fmt.Errorf("%w: %v", provider.ErrUnavailable, err) // not wrapped: see why
}

// judged tells what err means for the call.
func judged(err error) *rotate.Failure {
	f := &rotate.Failure{Err: err, Cut: rotate.Passing}
	var said *provider.Error
	switch {
	case errors.Is(err, provider.ErrAuth), errors.Is(err, provider.ErrBadRequest):
		f.Cut = rotate.Fatal
	case errors.As(err, &said) && strings.Contains(said.Code, "insufficient_quota"):
		f.Cut = rotate.Fatal // no pause helps
	case errors.Is(err, provider.ErrQuota):
		f.Cut = rotate.Busy
	}
	return f
}

// write sends one message, within the limit. If it is late, the connection is over; if the connection is, read tells why.
func (s *session) write(ctx context.Context, message []byte) error {
	within := s.o.Limits.Connect
	ctx, cancel := context.WithTimeoutCause(ctx, within, &provider.Timeout{What: "message taken", After: within})
	defer cancel()
	err := s.conn.Write(ctx, websocket.MessageText, message)
	switch cause := context.Cause(ctx); {
	case err != nil && cause != nil:
		s.end(cause)
		return cause
	case err != nil:
		return fmt.Errorf("%w: send: %v", provider.ErrTruncated, err)
	}
	return nil
}

// read takes what the service says, until the connection is over.
func (s *session) read(ctx context.Context) {
	for {
		kind, data, err := s.conn.Read(ctx)
		if err != nil {
			s.end(s.why(err))
			return
		}
		e, err := parse(without(s.o.Key, data))
		if kind != websocket.MessageText {
			err = fmt.Errorf("%w: malformed event: it is binary", provider.ErrUnavailable)
		}
		if err == nil {
			err = s.take(e)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// why is what ended a connection, as far as it is known.
func (s *session) why(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said != nil && (errors.Is(s.said, provider.ErrAuth) || errors.Is(s.said, provider.ErrQuota)) {
		return s.said
	}
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return fmt.Errorf("%w: %v", provider.ErrTruncated, err) // not wrapped: an io.EOF would be the end of a stream in order
	}
	why := string(without(s.o.Key, []byte(closed.Reason)))
	reason := &provider.Error{Class: provider.ErrUnavailable, Code: fmt.Sprint("close ", int(closed.Code)), Text: why}
	if strings.Contains(why, "invalid_api_key") {
		reason.Class = provider.ErrAuth
	}
	return reason
}

// end has the session over because of err, unless it was before.
func (s *session) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = judged(err)
	}
	s.mu.Unlock()
	s.tell()
	_ = s.conn.CloseNow() // it is over, whatever it says
}

// tell wakes the link.
func (s *session) tell() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take takes an event. Its error ends the session.
func (s *session) take(e event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Type == complaint:
		s.said = e.said
		if e.answer == ofUpdate {
			return fmt.Errorf("configure the session: %w", e.said)
		}
		s.o.Logger.Warn("the service complains", "err", e.said)
		if e.answer == ofCommit && s.link != nil {
			s.link.refused()
		}
	case e.Item == "" || slices.Contains(s.old, e.Item):
		return nil
	case e.Type == failed:
		s.o.Logger.Warn("an item was not transcribed", "item", e.Item, "err", e.said)
		fallthrough
	default:
		s.said = nil
		if s.link != nil {
			s.link.take(e)
		}
	}
	s.tell()
	return nil
}

// forget has news of an item ignored from here on. s.mu is held.
func (s *session) forget(item string) {
	if len(s.old) == remembered {
		s.old = slices.Delete(s.old, 0, 1)
	}
	s.old = append(s.old, item)
}
