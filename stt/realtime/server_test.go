package realtime

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const secret = "sk-SeCrEt0123456789"

// service is OpenAI's Realtime transcription on a loopback port. It checks whatever a client sends and notes its faults.
type service struct {
	script func(n int, p *peer)           // what the n-th connection does, from 1 on; nil is p.serve(nil)
	refuse func(http.ResponseWriter) bool // answers an upgrade itself
	update string                         // what the session.update must be; empty: it is checked in outline
	live   bool                           // pieces come before the commit

	mu     sync.Mutex
	conns  int
	open   int
	most   int // open at once
	faults []string
	gone   chan time.Time // an item for every connection that has ended
}

func (s *service) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *service) count() (conns, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, s.most
}

// start serves until the end of t, which then fails for every fault.
func (s *service) start(t testing.TB) string {
	t.Helper()
	s.gone = make(chan time.Time, 10000)
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, f := range s.faults {
			t.Error("the server complains:", f)
		}
	})
	return srv.URL + "/v1"
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/realtime" || r.URL.RawQuery != "intent=transcription" {
		s.fault("asked for %s", r.URL)
	}
	if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("OpenAI-Beta") != "" {
		s.fault("headers %v", r.Header)
	}
	s.mu.Lock()
	s.conns++
	n := s.conns
	s.mu.Unlock()
	if s.refuse != nil && s.refuse(w) {
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(15 << 20)
	s.mu.Lock()
	s.open++
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	p := &peer{service: s, ctx: r.Context(), c: c, n: n}
	p.send(map[string]any{"type": "session.created", "session": map[string]any{"type": "transcription"}})
	if s.script != nil {
		s.script(n, p)
	} else {
		p.serve(nil)
	}
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	select {
	case s.gone <- time.Now():
	default: // a benchmark does not look
	}
}

// peer is one connection of the service.
type peer struct {
	*service
	ctx      context.Context
	c        *websocket.Conn
	n        int
	messages int
	total    int   // samples, all of them
	buffer   int   // samples of the open item
	sizes    []int // samples of the items
	ear
}

// message is one of the client's; its type is empty when the connection is gone.
type message struct {
	Type    string          `json:"type"`
	EventID string          `json:"event_id"`
	Audio   string          `json:"audio"`
	Session json.RawMessage `json:"session"`
}

// next is the client's next message, checked and heard.
func (p *peer) next() message {
	kind, data, err := p.c.Read(p.ctx)
	if err != nil {
		return message{}
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil || kind != websocket.MessageText {
		p.fault("message of kind %v: %v", kind, err)
	}
	if p.messages++; (p.messages == 1) != (m.Type == "session.update") {
		p.fault("message %d is %s", p.messages, m.Type)
	}
	switch m.Type {
	case "session.update":
		want := p.update
		if want == "" {
			want = `{"audio":{"input":{"format":{"rate":24000,"type":"audio/pcm"},"transcription":{"model":"gpt-live-transcribe"},"turn_detection":null}},"type":"transcription"}`
		}
		if string(m.Session) != want {
			p.fault("session %s, want %s", m.Session, want)
		}
		p.send(map[string]any{"type": "session.updated"})
	case "input_audio_buffer.append":
		raw, err := base64.StdEncoding.DecodeString(m.Audio)
		if err != nil || len(raw) == 0 || len(raw)%2 != 0 || len(raw) > 48000 {
			p.fault("%d bytes of audio, %v", len(raw), err)
		}
		pcm := make([]int16, len(raw)/2)
		for i := range pcm {
			pcm[i] = int16(raw[2*i]) | int16(raw[2*i+1])<<8
		}
		p.total, p.buffer = p.total+len(pcm), p.buffer+len(pcm)
		p.hear(pcm)
	case "input_audio_buffer.commit":
		if p.buffer < rate/10 {
			p.fault("%d samples are committed", p.buffer)
		}
		p.sizes, p.buffer = append(p.sizes, p.buffer), 0
	case "input_audio_buffer.clear":
		p.buffer, p.ear = 0, ear{items: p.items}
	default:
		p.fault("a message of type %q", m.Type)
	}
	return m
}

// send sends an event.
func (p *peer) send(e map[string]any) {
	e["event_id"] = "event_1"
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	p.raw(string(data))
}

func (p *peer) raw(text string) { _ = p.c.Write(p.ctx, websocket.MessageText, []byte(text)) } // the client may have left

// about sends an event of an item.
func (p *peer) about(kind, item, field, text string) {
	p.send(map[string]any{"type": kind, "item_id": item, "content_index": 0, field: text})
}

// complain sends an error event.
func (p *peer) complain(kind, code, text, answer string) {
	p.send(map[string]any{"type": "error", "error": map[string]any{"type": kind, "code": code, "message": text, "param": nil, "event_id": answer}})
}

// expire ends the session as the service does after an hour.
func (p *peer) expire() {
	const text = "Your session hit the maximum duration of 60 minutes."
	p.complain("invalid_request_error", "session_expired", text, "")
	_ = p.c.Close(websocket.StatusGoingAway, text)
}

// name is the n-th item's.
func (p *peer) name(n int) string { return fmt.Sprintf("item_%d_%d", p.n, n) }

// serve hears words and tells them until the connection is gone, or after says after a message that it should not go on.
func (p *peer) serve(after func(message) bool) {
	told := 0
	for {
		m := p.next()
		item := p.name(p.items)
		switch m.Type {
		case "":
			return
		case "input_audio_buffer.append":
			for ; p.live && told < len(p.words); told++ {
				p.about(delta, item, "delta", " "+p.words[told])
			}
		case "input_audio_buffer.commit":
			words := p.commit()
			p.about(committed, item, "previous_item_id", p.name(p.items-2))
			for ; told < len(words); told++ {
				p.about(delta, item, "delta", words[told]+" ")
			}
			p.about(completed, item, "transcript", strings.Join(words, " "))
			told = 0
		case "input_audio_buffer.clear":
			told = 0
		}
		if after != nil && after(m) {
			return
		}
	}
}

// An ear hears words: a word is 200 ms of one level, which is its number. A word of which a part is missing is heard as
// "part".
type ear struct {
	items int
	words []string
	run   []int16
}

const (
	ground     = 8000 // the level of word 0
	step       = 64
	numbers    = 380
	wordLength = 3200 // samples at 16 kHz: 200 ms
	wordPause  = 960
)

func (e *ear) hear(pcm []int16) {
	for _, v := range pcm {
		if v >= ground/2 { // what a filter makes of a word's edge is lower
			e.run = append(e.run, v)
		} else {
			e.end()
		}
	}
}

// end is the end of a run.
func (e *ear) end() {
	n := len(e.run)
	if n == 0 {
		return
	}
	text := "part"
	if full := wordLength * rate / 16000; n > full-12 && n < full+12 {
		text = fmt.Sprintf("w%d", (int(e.run[n/2])-ground+step/2)/step)
	}
	e.words, e.run = append(e.words, text), e.run[:0]
}

// commit is what was said in the item that ends.
func (e *ear) commit() []string {
	e.end()
	words := e.words
	e.words, e.items = nil, e.items+1
	return words
}

// say is the speech of words from one number to another, as an ear hears it.
func say(from, to int) (pcm []int16) {
	for k := from; k <= to; k++ {
		pcm = append(pcm, slices.Repeat([]int16{int16(ground + step*(k%numbers))}, wordLength)...)
		pcm = append(pcm, make([]int16, wordPause)...)
	}
	return pcm
}

// names is what is heard of say.
func names(from, to int) string {
	var s []string
	for k := from; k <= to; k++ {
		s = append(s, fmt.Sprintf("w%d", k%numbers))
	}
	return strings.Join(s, " ")
}

// hush is silence.
func hush(d time.Duration) []int16 { return make([]int16, d*16000/time.Second) }
