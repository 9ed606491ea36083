package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"parley/internal/provider"
)

// exchange is one request and its answer: the transport below the client library. It amends the body,
// turns an answer that is no success into a [*provider.Error] with all that the library would lose, and
// repairs a stream.
type exchange struct {
	http     *http.Client
	fields   map[string]json.RawMessage
	sent     bool // the request was given to the network
	answered bool // a success began to come back
}

// Do is what the library calls.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if err := x.amend(req); err != nil {
			return nil, err
		}
	}
	// Said to be idempotent, and not sent: net/http may then ask again on a fresh connection if the server
	// has just closed this one.
	req.Header["Idempotency-Key"] = []string{}
	x.sent = true
	resp, err := x.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, provider.MaxErrorBody)) // what came of it is good enough
		return nil, provider.FromStatus(resp.StatusCode, resp.Header, body)
	}
	x.answered = true
	if req.Header.Get("Accept") == "text/event-stream" {
		resp.Body = provider.Repair(resp.Body)
	}
	return resp, nil
}

func (x *exchange) amend(req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	if body, err = amend(body, x.fields); err != nil {
		return err
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, err = req.GetBody()
	return err
}
