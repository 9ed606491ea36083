package openai

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"parley/internal/provider"
)

const (
	buffered    = 4096
	looked      = 64         // bytes at the beginning of a body that say what it is
	formatSize  = 16         // bytes of a WAV format that matter
	unknownSize = 0x7FFFF000 // from here on a WAV header's size is that of a writer that did not know it
)

// open finds out what a body is, whatever its type says, and returns its samples, 16-bit little-endian mono, and
// their rate. The given rate is that of samples without a header.
func open(body io.Reader, contentType string, rate int) (io.Reader, int, error) {
	r := bufio.NewReaderSize(body, buffered)
	head, err := r.Peek(looked)
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	if len(head) == 0 {
		return r, rate, nil // nothing to be heard, as of a text in a script that the voice does not know
	}
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch {
	case bytes.HasPrefix(head, []byte("RIFF")):
		return wav(r)
	case kind == "text/event-stream", written(head) && fields(head):
		return &deltas{lines: bufio.NewReaderSize(provider.Repair(io.NopCloser(r)), buffered)}, rate, nil
	case written(head):
		return nil, 0, complaint(r)
	}
	for name, mark := range map[string]string{"MP3": "ID3", "Ogg": "OggS", "FLAC": "fLaC"} {
		if bytes.HasPrefix(head, []byte(mark)) {
			return nil, 0, foreign(name)
		}
	}
	switch kind {
	case "audio/mpeg", "audio/mp3", "audio/ogg", "audio/opus", "audio/aac", "audio/flac":
		return nil, 0, foreign(kind)
	}
	return r, rate, nil
}

func foreign(kind string) error {
	return &provider.Error{Class: provider.ErrBadRequest, Text: "server answers with " + kind + ", where PCM was asked for"}
}

// written is whether a body that begins so is text: no sound is printable for so long. The last character may be cut.
func written(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && utf8.FullRune(head) || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return false
		}
		head = head[n:]
	}
	return true
}

// fields is whether a text begins as events do.
func fields(head []byte) bool {
	name, _, colon := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte(":"))
	return colon && (len(name) == 0 || string(name) == "data" || string(name) == "event")
}

// complaint is the error that a body is which was to be a sound.
func complaint(r io.Reader) error {
	data, _ := io.ReadAll(io.LimitReader(r, provider.MaxErrorBody)) // what came of it is good enough
	if e, ok := provider.FromJSON(data); ok {
		return e
	}
	e := provider.FromStatus(502, nil, data)
	e.Status, e.Text = 0, "no sound: "+e.Text
	return e
}

// wav reads a header up to the first sample.
func wav(r *bufio.Reader) (io.Reader, int, error) {
	var h [12]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, 0, io.ErrUnexpectedEOF
	}
	if string(h[8:]) != "WAVE" {
		return nil, 0, bad("it is none")
	}
	for rate := 0; ; {
		if _, err := io.ReadFull(r, h[:8]); err != nil {
			return nil, 0, io.ErrUnexpectedEOF
		}
		size := int64(binary.LittleEndian.Uint32(h[4:]))
		switch id := string(h[:4]); {
		case id == "data" && rate == 0:
			return nil, 0, bad("no format")
		case id == "data" && (size == 0 || size >= unknownSize):
			return r, rate, nil
		case id == "data":
			return &exactly{r: r, left: size}, rate, nil
		case id == "fmt ":
			var err error
			if rate, err = format(r, size); err != nil {
				return nil, 0, err
			}
			size -= formatSize
		}
		if _, err := io.CopyN(io.Discard, r, size+size&1); err != nil {
			return nil, 0, io.ErrUnexpectedEOF
		}
	}
}

// format reads the beginning of a format chunk and returns the rate.
func format(r io.Reader, size int64) (rate int, err error) {
	var h [formatSize]byte
	if size < formatSize {
		return 0, bad("format of %d bytes", size)
	}
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	le := binary.LittleEndian
	kind, channels, bits := le.Uint16(h[:]), le.Uint16(h[2:]), le.Uint16(h[14:])
	rate = int(le.Uint32(h[4:]))
	if kind != 1 && kind != 0xFFFE || channels != 1 || bits != 16 || rate < 8000 || rate > 48000 {
		return 0, bad("format %d, %d channels of %d bits at %d Hz; understood is 16-bit mono PCM from 8000 to 48000 Hz",
			kind, channels, bits, rate)
	}
	return rate, nil
}

func bad(format string, a ...any) error {
	return &provider.Error{Class: provider.ErrUnavailable, Text: fmt.Sprintf("WAV of the server: "+format, a...)}
}

// exactly reads so many bytes, whose lack is an error.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); err == io.EOF {
		err = nil
		if e.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// deltas reads the sound out of events, each one line.
type deltas struct {
	lines *bufio.Reader
	sound []byte // decoded and not read yet
}

func (d *deltas) Read(p []byte) (int, error) {
	for len(d.sound) == 0 {
		line, err := d.lines.ReadBytes('\n')
		if err == io.EOF { // before the event that says so
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		var e struct {
			Type  string `json:"type"`
			Audio []byte `json:"audio"` // base64
		}
		line = bytes.TrimPrefix(line, []byte("data: "))
		if !bytes.HasPrefix(line, []byte("[DONE]")) && json.Unmarshal(line, &e) != nil {
			return 0, &provider.Error{Class: provider.ErrUnavailable, Text: "malformed event of speech"}
		}
		switch e.Type {
		case "speech.audio.delta":
			d.sound = e.Audio
		case "speech.audio.done":
			return 0, io.EOF
		}
	}
	n := copy(p, d.sound)
	d.sound = d.sound[n:]
	return n, nil
}
