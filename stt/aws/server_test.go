package aws

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/coder/websocket"
)

// service is Amazon Transcribe on a loopback port. It checks whatever a client sends and notes its faults.
type service struct {
	script func(n int, p *peer)           // what the n-th connection does, from 1 on; nil is p.serve(nil)
	refuse func(http.ResponseWriter) bool // answers an upgrade itself
	signed bool                           // chunks must be signed
	query  url.Values                     // that must be in every URL

	mu       sync.Mutex
	conns    int
	open     int
	most     int // open at once
	sessions map[string]bool
	faults   []string
	gone     chan struct{} // an item for every connection that has ended
}

func (s *service) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *service) count() (conns, open, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, s.open, s.most
}

// start serves until the end of t, which then fails for every fault.
func (s *service) start(t testing.TB) string {
	t.Helper()
	s.sessions, s.gone = map[string]bool{}, make(chan struct{}, 10000)
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
	return srv.URL
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seed, err := verify(r)
	if err != nil {
		s.fault("%v", err)
		w.Header().Set("X-Amzn-ErrorType", "InvalidSignatureException:http://internal.amazon.com/coral/")
		http.Error(w, `{"Message":"`+err.Error()+`"}`, http.StatusForbidden)
		return
	}
	q := r.URL.Query()
	for k := range s.query {
		if q.Get(k) != s.query.Get(k) {
			s.fault("%s is %q, want %q", k, q.Get(k), s.query.Get(k))
		}
	}
	if s.refuse != nil && s.refuse(w) {
		s.mu.Lock()
		s.conns++
		s.mu.Unlock()
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	s.mu.Lock()
	s.conns++
	s.open++
	s.most = max(s.most, s.open)
	n := s.conns
	again := s.sessions[q.Get("session-id")]
	s.sessions[q.Get("session-id")] = true
	s.mu.Unlock()
	if again || len(q.Get("session-id")) != 36 {
		s.fault("session ID %q", q.Get("session-id"))
	}
	p := &peer{service: s, ctx: r.Context(), c: c, previous: seed}
	if s.script != nil {
		s.script(n, p)
	} else {
		p.serve(nil)
	}
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.gone <- struct{}{}
}

// Credentials of the tests, in the environment.
const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "sEcReT/0123456789+abcdefghijklmnopqrstu"
	token  = "tOkEn/0123456789+ABC=="
	region = "eu-west-3"
)

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func signingKey(day string) []byte {
	return mac(mac(mac(mac([]byte("AWS4"+secret), day), region), "transcribe"), "aws4_request")
}

// verify recomputes the signature of an upgrade and returns it.
func verify(r *http.Request) ([]byte, error) {
	q := r.URL.Query()
	date, scope := q.Get("X-Amz-Date"), ""
	if when, err := time.Parse("20060102T150405Z", date); err != nil || time.Since(when).Abs() > 5*time.Minute {
		return nil, fmt.Errorf("date %q", date)
	}
	scope = date[:8] + "/" + region + "/transcribe/aws4_request"
	want := map[string]string{
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": keyID + "/" + scope, "X-Amz-Expires": "300",
		"X-Amz-SignedHeaders": "host", "X-Amz-Security-Token": token, "media-encoding": "pcm",
	}
	for k, v := range want {
		if q.Get(k) != v {
			return nil, fmt.Errorf("%s is %q, want %q", k, q.Get(k), v)
		}
	}
	signature := q.Get("X-Amz-Signature")
	q.Del("X-Amz-Signature")
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	if r.URL.Path != "/stream-transcription-websocket" || !strings.Contains(r.Host, ":") {
		return nil, fmt.Errorf("path %q of host %q", r.URL.Path, r.Host)
	}
	request := strings.Join([]string{"GET", r.URL.Path, query, "host:" + r.Host, "", "host", sum(nil)}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, sum([]byte(request))}, "\n")
	if right := hex.EncodeToString(mac(signingKey(date[:8]), text)); right != signature {
		return nil, fmt.Errorf("signature %s, want %s", signature, right)
	}
	return hex.DecodeString(signature)
}

// peer is one connection of the service.
type peer struct {
	*service
	ctx      context.Context
	c        *websocket.Conn
	previous []byte // signature
	sizes    []int  // of the chunks
	heard    int    // samples
}

// next is the next chunk of audio; empty at its end, false when the connection is gone.
func (p *peer) next() ([]int16, bool) {
	kind, data, err := p.c.Read(p.ctx)
	if err != nil {
		return nil, false
	}
	r := bytes.NewReader(data)
	m, err := eventstream.NewDecoder().Decode(r, nil)
	if err != nil || kind != websocket.MessageBinary || r.Len() > 0 {
		p.fault("message of kind %v: %v, %d bytes more", kind, err, r.Len())
		return nil, false
	}
	if p.signed {
		if m, err = p.unwrap(m); err != nil {
			p.fault("%v", err)
			return nil, false
		}
	}
	for i, want := range []string{":message-type=event", ":event-type=AudioEvent", ":content-type=application/octet-stream"} {
		if got := m.Headers[i].Name + "=" + m.Headers[i].Value.String(); len(m.Headers) != 3 || got != want {
			p.fault("header %d of %d is %q, want %q", i, len(m.Headers), got, want)
		}
	}
	if len(m.Payload)%2 != 0 || len(m.Payload) > 2*48000 {
		p.fault("%d bytes of audio", len(m.Payload))
	}
	pcm := make([]int16, len(m.Payload)/2)
	for i := range pcm {
		pcm[i] = int16(m.Payload[2*i]) | int16(m.Payload[2*i+1])<<8
	}
	p.sizes = append(p.sizes, len(m.Payload))
	p.heard += len(pcm)
	return pcm, true
}

// unwrap checks a chunk's signature, which is chained to the one before.
func (p *peer) unwrap(m eventstream.Message) (inner eventstream.Message, err error) {
	date, ok := m.Headers.Get(":date").(eventstream.TimestampValue)
	given, ok2 := m.Headers.Get(":chunk-signature").(eventstream.BytesValue)
	if !ok || !ok2 || len(m.Headers) != 2 {
		return inner, fmt.Errorf("headers %v", m.Headers)
	}
	var headers bytes.Buffer
	if err := eventstream.EncodeHeaders(&headers, eventstream.Headers{{Name: ":date", Value: date}}); err != nil {
		return inner, err
	}
	at := time.Time(date).UTC().Format("20060102T150405Z")
	text := strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", at, at[:8] + "/" + region + "/transcribe/aws4_request",
		hex.EncodeToString(p.previous), sum(headers.Bytes()), sum(m.Payload)}, "\n")
	right := mac(signingKey(at[:8]), text)
	if !bytes.Equal(right, given) {
		return inner, fmt.Errorf("chunk's signature %x, want %x", []byte(given), right)
	}
	p.previous = right
	return eventstream.NewDecoder().Decode(bytes.NewReader(m.Payload), nil)
}

// message is an event-stream message, headers given as name, value.
func message(payload string, headers ...string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	for pair := range slices.Chunk(headers, 2) {
		m.Headers.Set(pair[0], eventstream.StringValue(pair[1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func transcript(payload string) []byte {
	return message(payload, ":message-type", "event", ":event-type", "TranscriptEvent", ":content-type", "application/json")
}

func (p *peer) send(data []byte) { _ = p.c.Write(p.ctx, websocket.MessageBinary, data) } // the client may have left

// exception ends the stream as the service does.
func (p *peer) exception(kind, text string) {
	b, _ := json.Marshal(map[string]string{"Message": text})
	p.send(message(string(b), ":message-type", "exception", ":exception-type", kind, ":content-type", "application/json"))
	_ = p.c.Close(websocket.StatusNormalClosure, "")
}

// serve hears words and tells them until the audio ends or after says, after a chunk, that it should not go on.
func (p *peer) serve(after func() bool) {
	e := ear{}
	for {
		pcm, ok := p.next()
		if !ok {
			return
		}
		for _, m := range e.hear(pcm) {
			p.send(m)
		}
		if len(pcm) == 0 {
			_ = p.c.Close(websocket.StatusNormalClosure, "")
			return
		}
		if after != nil && after() {
			return
		}
	}
}

// An ear hears words: a word is 200 ms of one value, which is its number, and silence ends a segment. A word
// of which a part is missing is heard as "part".
type ear struct {
	n        int // samples so far
	value    int16
	run      int
	words    []item
	segments int
}

const (
	wordLength = 3200 // samples: 200 ms
	wordPause  = 960
	segmentEnd = 4800
)

func (e *ear) hear(pcm []int16) (out [][]byte) {
	for _, v := range pcm {
		if v != e.value {
			out = append(out, e.end()...)
			e.value, e.run = v, 0
		}
		e.run++
		e.n++
		if e.value == 0 && e.run == segmentEnd && len(e.words) > 0 {
			out = append(out, e.tell(false))
		}
	}
	if len(pcm) == 0 {
		out = append(out, e.end()...)
		if len(e.words) > 0 {
			out = append(out, e.tell(false))
		}
	}
	return out
}

// end is the end of a run.
func (e *ear) end() [][]byte {
	if e.value == 0 {
		return nil
	}
	text := "part"
	if e.run == wordLength {
		text = fmt.Sprintf("w%d", e.value)
	}
	at := func(n int) float64 { return float64(n) / 16000 }
	e.words = append(e.words, item{Content: text, Type: "pronunciation", StartTime: at(e.n - e.run), EndTime: at(e.n)})
	return [][]byte{e.tell(true)}
}

func (e *ear) tell(partial bool) []byte {
	var text []string
	for i := range e.words {
		e.words[i].Stable = !partial || i < len(e.words)-1
		text = append(text, e.words[i].Content)
	}
	m := transcript(result(fmt.Sprintf("r%d", e.segments), partial, strings.Join(text, " "), e.words))
	if !partial {
		e.words, e.segments = nil, e.segments+1
	}
	return m
}

// result is the JSON of a TranscriptEvent.
func result(id string, partial bool, text string, items []item) string {
	r := map[string]any{"ResultId": id, "IsPartial": partial, "LanguageCode": "en-US", "ChannelId": "ch_0",
		"StartTime": 0.0, "EndTime": 0.0, "Alternatives": []any{map[string]any{"Transcript": text, "Items": items, "Entities": nil}}}
	if len(items) > 0 {
		r["StartTime"], r["EndTime"] = items[0].StartTime, items[len(items)-1].EndTime
	}
	b, err := json.Marshal(map[string]any{"Transcript": map[string]any{"Results": []any{r}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// say is the speech of words from one number to another, as an ear hears it.
func say(from, to int) (pcm []int16) {
	for k := from; k <= to; k++ {
		pcm = append(pcm, slices.Repeat([]int16{int16(k)}, wordLength)...)
		pcm = append(pcm, make([]int16, wordPause)...)
	}
	return pcm
}

// names is what is heard of say.
func names(from, to int) string {
	var s []string
	for k := from; k <= to; k++ {
		s = append(s, fmt.Sprintf("w%d", k))
	}
	return strings.Join(s, " ")
}
