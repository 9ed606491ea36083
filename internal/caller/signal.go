package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	postLimit   = 15 * time.Second
	answerLimit = 256 << 10 // bytes
)

// ErrRefused says that the server took the offer but made no call of it. The text has its status and words.
var ErrRefused = errors.New("server refused the call")

// Description is an offer, or a server's answer with the name of the session.
type Description struct {
	SDP     string `json:"sdp"`
	Type    string `json:"type"`
	Session string `json:"session,omitempty"`
}

// Post sends an offer to a server and gives its answer, within 15 s. A nil client is one of its own. A server that makes no
// call of the offer gives an ErrRefused.
func Post(ctx context.Context, client *http.Client, server, sdp string) (Description, error) {
	var answer Description
	to, err := offerURL(server)
	if err != nil {
		return answer, err
	}
	body, err := json.Marshal(Description{SDP: sdp, Type: "offer"})
	if err != nil {
		return answer, fmt.Errorf("write offer: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, postLimit, fmt.Errorf("no answer to the offer within %v", postLimit))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer, fmt.Errorf("post offer: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if client == nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	res, err := client.Do(req)
	if err != nil {
		return answer, fmt.Errorf("post offer: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return answer, fmt.Errorf("read the server's answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return answer, fmt.Errorf("%w: %s to %s: %s", ErrRefused, res.Status, to, excerpt(b))
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Type != "answer" || answer.SDP == "" {
		return answer, fmt.Errorf("%w: %s gave no answer in JSON but %s", ErrRefused, to, excerpt(b))
	}
	return answer, nil
}

// host is the host of a server's URL that offerURL takes.
func host(server string) string {
	to, err := offerURL(server)
	if err != nil {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// offerURL is where to post. A server without a scheme is one that speaks plain HTTP.
func offerURL(server string) (string, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("read the server's URL: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("read the server's URL: %q is not like http://host:port", server)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/offer"
	}
	return u.String(), nil
}

// excerpt is the beginning of what a server said, on one line.
func excerpt(b []byte) string {
	const most = 300
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "?")), " ")
	if len(words) > most {
		words = strings.ToValidUTF8(words[:most], "") + "…"
	}
	if words == "" {
		return "(nothing)"
	}
	return words
}
