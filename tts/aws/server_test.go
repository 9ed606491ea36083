package aws

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// Credentials of the tests, in the environment.
const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "sEcReT/0123456789+abcdefghijklmnopqrstu"
	token  = "tOkEn/0123456789+ABC=="
	region = "eu-west-3"
)

// service is Amazon Polly on a loopback port. It checks whatever a client sends and notes its faults.
type service struct {
	answer func(w http.ResponseWriter, r *http.Request, in input) // of SynthesizeSpeech; nil is speak
	talk   func(p *peer)                                          // of a stream; nil is (*peer).serve
	http1  bool                                                   // has no HTTP/2

	mu     sync.Mutex
	asked  []input
	faults []string
	gone   chan struct{} // an item for every request that has ended
	open   atomic.Int32  // requests
	conns  atomic.Int32  // connections
	began  atomic.Int32  // connections, those that have ended too
}

// free waits until f, called again and again, has made n zero.
func free(n *atomic.Int32, f func()) bool {
	for range 1000 {
		if f(); n.Load() == 0 {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// input is the body of a SynthesizeSpeech.
type input struct {
	Engine, LanguageCode, OutputFormat, SampleRate, Text, TextType, VoiceId string
	SpeechMarkTypes                                                         []string
}

func (s *service) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *service) inputs() []input {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// start serves until the end of t, which then fails for every fault. With tls there is HTTP/2, and the
// environment names its certificate.
func (s *service) start(t testing.TB, tls bool) string {
	t.Helper()
	s.gone = make(chan struct{}, 10000)
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.conns.Add(1)
			s.began.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.conns.Add(-1)
		}
	}
	if tls {
		srv.EnableHTTP2 = !s.http1
		srv.StartTLS()
		name := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CA_BUNDLE", name)
	} else {
		srv.Start()
	}
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
	s.open.Add(1)
	defer func() {
		s.open.Add(-1)
		select {
		case s.gone <- struct{}{}:
		default:
		}
	}()
	if r.Method == http.MethodGet {
		refuse(w, http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
		return
	}
	if r.URL.Path == "/v1/synthesisStream" {
		s.stream(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if _, err := verify(r, sum(body)); err != nil || r.URL.Path != "/v1/speech" {
		s.fault("%s: %v", r.URL.Path, err)
	}
	var in input
	if err := json.Unmarshal(body, &in); err != nil {
		s.fault("body %q: %v", body, err)
	}
	if in.OutputFormat == "pcm" && in.SampleRate != "16000" && in.SampleRate != "8000" {
		s.fault("PCM of %s Hz", in.SampleRate)
	}
	s.mu.Lock()
	s.asked = append(s.asked, in)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r, in)
		return
	}
	speak(w, r, in)
}

// speak answers as the service does.
func speak(w http.ResponseWriter, _ *http.Request, in input) {
	switch {
	case len([]rune(in.Text)) > 3000:
		refuse(w, 400, "TextLengthExceededException", "Maximum text length has been exceeded")
	case in.OutputFormat == "json":
		w.Header().Set("Content-Type", "application/x-json-stream")
		at := 0
		for _, word := range strings.Fields(in.Text) {
			_, _ = fmt.Fprintf(w, `{"time":%d,"type":"word","start":0,"end":4,"value":%q}`+"\n", at, word)
			_, _ = fmt.Fprintf(w, `{"time":%d,"type":"viseme","value":"a"}`+"\n", at)
			at += 20 * (len([]rune(word)) + 1)
		}
		_, _ = fmt.Fprintf(w, `{"time":%d,"type":"viseme","value":"sil"}`+"\n", at-20)
	default:
		w.Header().Set("Content-Type", "audio/pcm")
		w.Header().Set("X-Amzn-RequestCharacters", fmt.Sprint(len([]rune(in.Text))))
		for part := range slices.Chunk(sound(in.Text), 1501) { // cut in the middle of samples
			_, _ = w.Write(part)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// sound is 20 ms a character at 16 kHz.
func sound(text string) (out []byte) {
	for i := range 320 * len([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(i%40-20)*200))
	}
	return out
}

func refuse(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("X-Amzn-ErrorType", kind+":http://internal.amazon.com/coral/com.amazonaws.polly/")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": text})
}

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
	return mac(mac(mac(mac([]byte("AWS4"+secret), day), region), "polly"), "aws4_request")
}

// verify recomputes the signature of a request and returns it.
func verify(r *http.Request, payload string) ([]byte, error) {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	fields := strings.Split(auth, ", ")
	if !ok || len(fields) != 3 {
		return nil, fmt.Errorf("authorization %q", auth)
	}
	date := r.Header.Get("X-Amz-Date")
	if when, err := time.Parse("20060102T150405Z", date); err != nil || time.Since(when).Abs() > 5*time.Minute {
		return nil, fmt.Errorf("date %q", date)
	}
	scope := date[:8] + "/" + region + "/polly/aws4_request"
	signed := strings.TrimPrefix(fields[1], "SignedHeaders=")
	names := strings.Split(signed, ";")
	for _, must := range []string{"host", "x-amz-date", "x-amz-security-token"} {
		if !slices.Contains(names, must) {
			return nil, fmt.Errorf("%s is not signed", must)
		}
	}
	if fields[0] != keyID+"/"+scope || r.Header.Get("X-Amz-Security-Token") != token {
		return nil, fmt.Errorf("credential %q", fields[0])
	}
	var headers strings.Builder
	for _, n := range names {
		v := strings.Join(r.Header.Values(n), ",")
		switch n {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(n + ":" + strings.Join(strings.Fields(v), " ") + "\n")
	}
	request := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, headers.String(), signed, payload}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, sum([]byte(request))}, "\n")
	signature := strings.TrimPrefix(fields[2], "Signature=")
	if right := hex.EncodeToString(mac(signingKey(date[:8]), text)); right != signature {
		return nil, fmt.Errorf("signature %s, want %s", signature, right)
	}
	return hex.DecodeString(signature)
}

// peer is a stream of the service.
type peer struct {
	*service
	ctx      context.Context
	w        http.ResponseWriter
	r        *http.Request
	previous []byte // signature
}

func (s *service) stream(w http.ResponseWriter, r *http.Request) {
	seed, err := verify(r, "STREAMING-AWS4-HMAC-SHA256-EVENTS")
	for k, v := range map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-EVENTS", "Content-Type": "application/vnd.amazon.eventstream",
		"X-Amzn-Engine": "generative", "X-Amzn-Outputformat": "pcm", "X-Amzn-Samplerate": "16000", "X-Amzn-Voiceid": "Ruth"} {
		if r.Header.Get(k) != v {
			s.fault("%s is %q, want %q", k, r.Header.Get(k), v)
		}
	}
	if err != nil || r.ProtoMajor != 2 && !s.http1 {
		s.fault("%v, HTTP/%d", err, r.ProtoMajor)
	}
	p := &peer{service: s, ctx: r.Context(), w: w, r: r, previous: seed}
	if s.talk == nil {
		p.serve()
		return
	}
	s.talk(p)
}

// begin sends the header of the answer.
func (p *peer) begin() {
	p.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	p.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(p.w).Flush()
}

// next is the kind and payload of the next event; "" is the end, or the client is gone.
func (p *peer) next() (kind string, payload []byte) {
	d := eventstream.NewDecoder()
	m, err := d.Decode(p.r.Body, nil)
	if err != nil {
		return "", nil
	}
	date, ok := m.Headers.Get(":date").(eventstream.TimestampValue)
	given, ok2 := m.Headers.Get(":chunk-signature").(eventstream.BytesValue)
	if !ok || !ok2 || len(m.Headers) != 2 {
		p.fault("headers %v", m.Headers)
		return "", nil
	}
	var headers bytes.Buffer
	if err := eventstream.EncodeHeaders(&headers, eventstream.Headers{{Name: ":date", Value: date}}); err != nil {
		p.fault("%v", err)
	}
	at := time.Time(date).UTC().Format("20060102T150405Z")
	text := strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", at, at[:8] + "/" + region + "/polly/aws4_request",
		hex.EncodeToString(p.previous), sum(headers.Bytes()), sum(m.Payload)}, "\n")
	if p.previous = mac(signingKey(at[:8]), text); !bytes.Equal(p.previous, given) {
		p.fault("signature of an event")
	}
	if len(m.Payload) == 0 {
		return "end", nil
	}
	inner, err := d.Decode(bytes.NewReader(m.Payload), nil)
	if err != nil || header(inner, ":message-type") != "event" || header(inner, ":content-type") != "application/json" {
		p.fault("event %v: %v", inner.Headers, err)
	}
	return header(inner, ":event-type"), inner.Payload
}

func (p *peer) send(payload []byte, headers ...string) {
	m := eventstream.Message{Payload: payload}
	for pair := range slices.Chunk(headers, 2) {
		m.Headers.Set(pair[0], eventstream.StringValue(pair[1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	_, _ = p.w.Write(b.Bytes()) // the client may have left
	_ = http.NewResponseController(p.w).Flush()
}

func (p *peer) audio(data []byte) {
	for part := range slices.Chunk(data, 1501) {
		p.send(part, ":message-type", "event", ":event-type", "AudioEvent", ":content-type", "application/octet-stream")
	}
}

func (p *peer) closed() {
	p.send([]byte(`{"RequestCharacters":1}`), ":message-type", "event", ":event-type", "StreamClosedEvent", ":content-type", "application/json")
}

// text is the content of a TextEvent.
type text struct {
	Text, TextType           string
	FlushStreamConfiguration struct{ Force bool }
}

// serve speaks every text, and says goodbye. It gives up after 5 s without an event.
func (p *peer) serve() {
	p.begin()
	for last := time.Now(); ; last = time.Now() {
		kind, payload := p.next()
		if time.Since(last) > 5*time.Second {
			p.fault("%v without text", time.Since(last))
		}
		switch kind {
		case "TextEvent":
			var t text
			if err := json.Unmarshal(payload, &t); err != nil {
				p.fault("%v", err)
			}
			blank := strings.TrimSpace(t.Text) == ""
			if t.FlushStreamConfiguration.Force == blank {
				p.fault("force %v of %q", !blank, t.Text)
			}
			if !blank {
				p.audio(sound(t.Text))
			}
		case "CloseStreamEvent":
			if kind, _ := p.next(); kind != "end" && (kind != "" || p.ctx.Err() == nil) {
				p.fault("%q behind the end", kind)
			}
			p.closed()
			return
		default:
			return
		}
	}
}
