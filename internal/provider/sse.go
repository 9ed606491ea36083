package provider

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// MaxEvent is the largest event that is read, in bytes.
const MaxEvent = 1 << 20

const manyLines = 100

var errTooLong = errors.New("event is too long")

// Stray is the Type of an Event that is no server-sent event: a JSON body, a web page or plain text where
// a stream was expected.
const Stray = "stray"

// Event is one server-sent event.
type Event struct {
	Type string // "" if not given, or Stray
	Data []byte // lines joined by newlines; valid until the next call of Next
}

// Events reads server-sent events from providers, whose data is JSON, and forgives what is seen in the
// wild: any line ends, comments in any number, a last event without its end, an event without the blank
// line after it, a line "error: {…}", and answers that are no event stream. Not safe for concurrent use.
type Events struct {
	r      *bufio.Reader
	line   []byte
	data   []byte
	lines  int // of data
	typ    string
	began  bool   // the event has data
	skipLF bool   // the last line ended with a CR, whose LF may follow
	ended  error  // what ended the reading
	any    bool   // there was an event
	hint   string // the first line that was no field
}

// NewEvents returns the events of r.
func NewEvents(r io.Reader) *Events {
	return &Events{r: bufio.NewReader(r)}
}

// Next returns the next event as soon as it is complete: at its blank line, or when its data is a whole
// JSON object. The error is io.EOF at the end of the stream, io.ErrUnexpectedEOF if that is inside an event
// whose data is no whole JSON value, or the reader's.
func (e *Events) Next() (Event, error) {
	e.data, e.lines, e.typ, e.began = e.data[:0], 0, "", false
	for e.ended == nil {
		e.ended = e.read()
		if e.ended != nil && e.ended != io.EOF {
			break
		}
		if len(e.line) == 0 {
			if e.blank() {
				return e.event()
			}
			continue
		}
		e.take()
		if len(e.data) > MaxEvent {
			e.ended = errTooLong
			break
		}
		if e.began && e.whole() {
			return e.event()
		}
	}
	return e.last()
}

// blank reports whether a blank line ends an event. A stray body may have some in it.
func (e *Events) blank() bool {
	if !e.began {
		e.typ = ""
	}
	return e.began && e.ended == nil && e.typ != Stray
}

// take takes a line of an event.
func (e *Events) take() {
	if e.typ == Stray || opening(e.line) && !e.began {
		e.typ, e.began = Stray, true
		e.add(e.line)
		return
	}
	switch name, value := field(e.line); {
	case name == "data":
		e.began = e.began || len(value) > 0
		e.add(value)
	case name == "event":
		e.typ = string(value)
	case name == "error":
		e.typ, e.began = "error", true
		e.add(value)
	case name != "" && e.hint == "":
		e.hint = string(e.line[:min(len(e.line), maxText)])
	}
}

// last is what is left when the reading has ended.
func (e *Events) last() (Event, error) {
	if e.ended != io.EOF {
		return Event{}, e.ended
	}
	switch {
	case e.began && (e.typ == Stray || e.typ == "error" || json.Valid(e.data)):
		return e.event()
	case e.began:
		e.ended = io.ErrUnexpectedEOF
	case !e.any && e.hint != "":
		e.typ, e.data = Stray, append(e.data[:0], e.hint...)
		return e.event()
	}
	return Event{}, e.ended
}

func (e *Events) event() (Event, error) {
	e.any = true
	return Event{Type: e.typ, Data: e.data}, nil
}

// add appends a line of data.
func (e *Events) add(line []byte) {
	if len(e.data) > 0 {
		e.data = append(e.data, '\n')
	}
	e.data = append(e.data, line...)
	e.lines++
}

// whole reports whether the data can have no further line. Of an event in many lines, which would have to
// be looked at as often, it is not asked: its blank line comes.
func (e *Events) whole() bool {
	if string(e.data) == "[DONE]" || e.typ == Stray && len(e.data) >= MaxErrorBody {
		return true
	}
	end := bytes.TrimRight(e.data, " \t")
	return e.lines <= manyLines && bytes.HasSuffix(end, []byte("}")) && opening(e.data) && e.data[0] != '<' && json.Valid(e.data)
}

// opening reports whether line begins a JSON value or a page rather than a field.
func opening(line []byte) bool {
	t := bytes.TrimLeft(line, " \t")
	return len(t) > 0 && strings.IndexByte(`{[<`, t[0]) >= 0
}

// field cuts a line into its name, empty for a comment, and its value.
func field(line []byte) (string, []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	return string(name), bytes.TrimPrefix(value, []byte(" "))
}

// read reads a line, without its end, into e.line. At the end of the stream the last line comes with
// io.EOF.
func (e *Events) read() error {
	e.line = e.line[:0]
	for {
		c, err := e.r.ReadByte()
		if err != nil {
			return err
		}
		skip := e.skipLF && c == '\n'
		e.skipLF = c == '\r'
		switch {
		case skip:
		case c == '\n' || c == '\r':
			e.line = bytes.TrimPrefix(e.line, []byte("\ufeff"))
			return nil
		case len(e.line) == MaxEvent:
			return errTooLong
		default:
			e.line = append(e.line, c)
		}
	}
}
