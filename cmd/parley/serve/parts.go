package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"parley/agent/vad"
	"parley/internal/models"
	"parley/llm"
	"parley/stt"
	"parley/tts"
)

// What follows is for those who look at a computer without serving on it.

// Names are engines without their options.
type Names struct{ STT, LLM, TTS, VAD string }

// Needs is what engines ask of a computer.
type Needs struct {
	Names   Names      // the preferred engines
	Models  models.Set // what must be in the models folder
	Why     string     // which language model that is, and why; empty when there was no choice
	Callers int        // how many at once this computer carries with them
	Folder  string     // of the models
	Server  string     // the program that runs a local language model; empty: none is needed
	File    string     // of the local language model, likewise
}

// Needs is what the engines ask of this computer. The error names each flag whose value is wrong, and what
// is known.
func (f Engines) Needs() (Needs, error) {
	c, err := choose(f)
	if err != nil {
		return Needs{}, err
	}
	n := c.needs()
	k := &kit{models: f.Models, chosen: n.Models}
	n.Folder = k.dir()
	if s := c.local(); s != nil {
		n.Server, n.File = s.text("server", llamaServer(k)), s.text("model", k.path(languageFile(k.chosen)))
	}
	return n, nil
}

// Parts are opened engines.
type Parts struct {
	Recognizer stt.Recognizer
	Model      llm.Model
	Voice      tts.Voice
	Detector   vad.Detector
	Finisher   vad.Finisher // nil: none
}

// Open opens the engines as serve does, but fetches nothing. They must be closed when nothing uses them
// any more.
func (f Engines) Open(ctx context.Context, log *slog.Logger) (p Parts, closeAll func(), err error) {
	k := &kit{models: f.Models, log: log, out: io.Discard}
	e, err := k.open(ctx, f)
	if err != nil {
		k.close()
		return Parts{}, nil, err
	}
	return Parts{Recognizer: e.recognizer, Model: e.model, Voice: e.voice, Detector: e.detector, Finisher: e.finisher}, k.close, nil
}

// Audio is the UDP address of everybody's audio, and whether any free port will do when it is taken.
func (n Network) Audio() (addr string, orAny bool, err error) {
	if n.Media != "auto" {
		return n.Media, false, nil
	}
	host, _, err := net.SplitHostPort(n.Listen)
	if err != nil {
		return "", false, fmt.Errorf("--listen %s: %w", n.Listen, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(mediaPort)), true, nil
}

// Certificate is what --tls asks for; nil when it asks for nothing.
func (n Network) Certificate() (*tls.Config, error) {
	c, _, err := certificate(n.TLS, n.Listen)
	return c, err
}
