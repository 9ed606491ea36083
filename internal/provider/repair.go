package provider

import (
	"bytes"
	"encoding/json"
	"io"
)

// Repair returns an answer's body as a simple client of OpenAI-like streams wants it: one line
// "data: {…}" for every event that is a JSON object, without comments, and "data: [DONE]" if that came.
// What is an error in the stream, or no stream at all, is an error of Read: an [*Error]. Closing it closes
// body; after [DONE] the rest is read first, which lets the connection be used again.
func Repair(body io.ReadCloser) io.ReadCloser {
	return &repaired{events: NewEvents(body), body: body}
}

type repaired struct {
	events *Events
	body   io.ReadCloser
	line   []byte // made and not read yet
	err    error
	done   bool // [DONE] came
}

func (r *repaired) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.line) == 0 && r.err == nil {
		r.advance()
	}
	if len(r.line) > 0 {
		n := copy(p, r.line)
		r.line = r.line[n:]
		return n, nil
	}
	return 0, r.err
}

func (r *repaired) advance() {
	ev, err := r.events.Next()
	if err != nil {
		r.err = err
		return
	}
	data := bytes.TrimSpace(ev.Data)
	switch {
	case ev.Type == Stray:
		r.err = stray(data)
	case ev.Type == "error":
		r.err = fault(data)
	case len(data) == 0: // an event without data is none
	case string(data) == "[DONE]":
		r.done = true
		r.line = []byte("data: [DONE]\n")
	default:
		r.line, r.err = chunk(data)
	}
}

// chunk makes the line of one JSON object.
func chunk(data []byte) ([]byte, error) {
	if data[0] != '{' || !json.Valid(data) {
		return nil, &Error{Class: ErrUnavailable, Text: "malformed event: " + short(string(data))}
	}
	if bytes.Contains(data, []byte(`"error"`)) {
		if e, ok := FromJSON(data); ok {
			return nil, e
		}
		data = without(data, "error")
	}
	line := bytes.NewBufferString("data: ")
	if err := json.Compact(line, data); err != nil {
		return nil, err
	}
	line.WriteByte('\n')
	return line.Bytes(), nil
}

// without is an object less one field, which some clients take for an error even if it is null.
func without(data []byte, name string) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return data
	}
	delete(fields, name)
	out, err := json.Marshal(fields)
	if err != nil {
		return data
	}
	return out
}

// fault is the Error of an event that is called one.
func fault(data []byte) *Error {
	if e, ok := FromJSON(data); ok {
		return e
	}
	wrapped := append(append([]byte(`{"error":`), data...), '}') // error: {"code":…,"message":…}
	if e, ok := FromJSON(wrapped); ok {
		return e
	}
	return &Error{Class: ErrUnavailable, Text: short(string(data))}
}

// stray is the Error of an answer that is no event stream.
func stray(data []byte) *Error {
	if e, ok := FromJSON(data); ok {
		return e
	}
	if json.Valid(data) {
		return &Error{Class: ErrBadRequest, Text: "not a stream: " + short(string(data))}
	}
	return &Error{Class: ErrUnavailable, Text: "not a stream: " + plain(data)}
}

func (r *repaired) Close() error {
	if r.done {
		_, _ = io.CopyN(io.Discard, r.body, MaxErrorBody) // only for the connection's sake
	}
	return r.body.Close()
}
