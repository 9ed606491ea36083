package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/media/rtc"
)

const (
	askTime   = 15 * time.Second // the longest wait for an answer by HTTP
	bodyLimit = 256 << 10        // bytes of it that are read
)

// remote is a server, as it is talked to by HTTP.
type remote struct {
	base   *url.URL
	client *http.Client
}

// answer is what a server gives for an offer.
type answer struct {
	SDP        string          `json:"sdp"`
	Type       string          `json:"type"`
	Session    string          `json:"session"`
	ICEServers []rtc.ICEServer `json:"iceServers"`
}

// newRemote reads a server's URL, as browsers and "parley call" are given it. Without a scheme it is plain HTTP.
func newRemote(text string, insecure bool) (*remote, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read --url: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("read --url: %q is not like http://host:port", text)
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/offer"), "", ""
	t := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	if insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the flag says so
	}
	return &remote{u, &http.Client{Transport: t}}, nil
}

// errStatus is an answer with a status that is no success.
type errStatus struct {
	code int
	text string
}

func (e errStatus) Error() string { return e.text }

// ask makes one request and reads the answer's body.
func (r *remote) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("no answer within %v", askTime))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, bodyLimit))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return nil, errStatus{res.StatusCode, res.Status + words(b)}
	}
	return b, nil
}

// words is what the server says about an error, after a colon.
func words(body []byte) string {
	var trouble struct{ Error string }
	if json.Unmarshal(body, &trouble) != nil || trouble.Error == "" {
		return ""
	}
	const most = 300
	text := strings.Join(strings.Fields(trouble.Error), " ")
	return ": " + strings.ToValidUTF8(text[:min(most, len(text))], "")
}

// offer begins a session at the server; it has to be ended by hangUp.
func (r *remote) offer(ctx context.Context, sdp string) (answer, error) {
	var a answer
	body, err := json.Marshal(map[string]string{"type": "offer", "sdp": sdp})
	if err != nil {
		return a, err
	}
	b, err := r.ask(ctx, http.MethodPost, "offer", body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(b, &a); err != nil || a.Type != "answer" || a.SDP == "" {
		return a, errors.New("what came back is not an answer to a call")
	}
	return a, nil
}

// hangUp ends a session at the server, if it has one of that name. That it has ended already is no matter, and a
// server that cannot be reached any more gives it up by itself.
func (r *remote) hangUp(ctx context.Context, session string) {
	if session != "" {
		_, _ = r.ask(ctx, http.MethodDelete, "sessions/"+url.PathEscape(session), nil)
	}
}
