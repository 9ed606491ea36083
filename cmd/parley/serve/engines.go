package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"parley/agent/vad"
	fetch "parley/cmd/parley/models"
	"parley/internal/models"
	"parley/internal/onnx"
	"parley/llm"
	"parley/llm/openai"
	"parley/stt"
	"parley/tts"
)

// kit is what the engines are opened with, and what must be closed after them.
type kit struct {
	models  string // folder; empty: the default
	fetch   bool
	log     *slog.Logger
	out     io.Writer
	closers []func() error
	slots   int        // callers that the local language model serves at once
	chosen  models.Set // what the engines need, as it was decided before memory was taken by them
}

func (k *kit) dir() string {
	if k.models == "" {
		return models.Dir()
	}
	return k.models
}

func (k *kit) path(file string) string { return filepath.Join(k.dir(), filepath.FromSlash(file)) }

func (k *kit) onClose(f func() error) { k.closers = append(k.closers, f) }

// close closes what was opened, the newest first.
func (k *kit) close() {
	var errs []error
	for i := len(k.closers) - 1; i >= 0; i-- {
		errs = append(errs, k.closers[i]())
	}
	if err := errors.Join(errs...); err != nil {
		k.log.Warn("close engines", "err", err)
	}
}

// engines are the parts of every conversation.
type engines struct {
	recognizer stt.Recognizer
	model      llm.Model
	voice      tts.Voice
	detector   vad.Detector
	finisher   vad.Finisher // nil: none
	names      Engines
	record     map[string]string // what a record is told of them
	capacity   int               // callers that this machine can carry with them
	slots      chan int          // of a local language model's server, those that are free; nil: it has none
}

// ears is what --vad opens.
type ears struct {
	detector vad.Detector
	finisher vad.Finisher
}

// engine is one row of a table: a name, what it needs of the models, and how it is opened.
type engine[T any] struct {
	name    string
	about   string
	needs   func(s *spec) (set models.Set, why string)
	percore float64 // callers a core can carry with it
	open    func(ctx context.Context, k *kit, s *spec) (T, error)
}

func nothing(*spec) (models.Set, string) { return 0, "" }

func need(set models.Set) func(*spec) (models.Set, string) {
	return func(*spec) (models.Set, string) { return set, "" }
}

// find is the row that a flag's value names.
func find[T any](table []engine[T], flag, value string) (engine[T], *spec, error) {
	s, err := parseSpec(flag, value)
	if err != nil {
		return engine[T]{}, nil, err
	}
	for _, e := range table {
		if e.name == s.name {
			return e, s, nil
		}
	}
	return engine[T]{}, nil, fmt.Errorf("--%s: there is no %q; known are %s", flag, s.name, list(table))
}

func list[T any](table []engine[T]) string {
	var names []string
	for _, e := range table {
		names = append(names, e.name)
	}
	return strings.Join(names, ", ")
}

func about[T any](table []engine[T]) string {
	var rows []string
	for _, e := range table {
		rows = append(rows, e.name+" ("+e.about+")")
	}
	return strings.Join(rows, ", ")
}

// Vars are the texts that the flags' help is made of.
func Vars() kong.Vars {
	return kong.Vars{"stt": about(recognizers), "llm": about(languageModels), "tts": about(voices), "vad": about(detectors)}
}

// chosen is the rows that the flags name, each with its options.
type chosen struct {
	stt     engine[stt.Recognizer]
	llm     engine[llm.Model]
	tts     engine[tts.Voice]
	vad     engine[ears]
	options struct{ stt, llm, tts, vad *spec }
}

func choose(f Engines) (c chosen, err error) {
	var errs [4]error
	c.stt, c.options.stt, errs[0] = find(recognizers, "stt", f.STT)
	c.llm, c.options.llm, errs[1] = find(languageModels, "llm", f.LLM)
	c.tts, c.options.tts, errs[2] = find(voices, "tts", f.TTS)
	c.vad, c.options.vad, errs[3] = find(detectors, "vad", f.VAD)
	return c, errors.Join(errs[:]...)
}

// record is what a record is told of the engines: their names, and the model's where one was chosen.
func (c chosen) record() map[string]string {
	all := map[string]string{"stt": c.stt.name, "llm": c.llm.name, "tts": c.tts.name, "vad": c.vad.name}
	for kind, s := range map[string]*spec{"stt": c.options.stt, "llm": c.options.llm, "tts": c.options.tts} {
		if model := s.values["model"]; model != "" {
			all[kind] += " " + filepath.Base(model)
		}
	}
	return all
}

// names are the engines without their options.
func (c chosen) names() Engines {
	return Engines{STT: c.stt.name, LLM: c.llm.name, TTS: c.tts.name, VAD: c.vad.name}
}

// needs is what they ask of this computer.
func (c chosen) needs() Needs {
	n := Needs{Names: c.names()}
	for _, row := range []func() (models.Set, string){
		func() (models.Set, string) { return c.stt.needs(c.options.stt) },
		func() (models.Set, string) { return c.llm.needs(c.options.llm) },
		func() (models.Set, string) { return c.tts.needs(c.options.tts) },
		func() (models.Set, string) { return c.vad.needs(c.options.vad) },
	} {
		set, why := row()
		n.Models |= set
		n.Why += why
	}
	n.Callers = max(1, int(min(c.stt.percore, c.llm.percore, c.tts.percore, c.vad.percore)*float64(runtime.NumCPU())))
	return n
}

// open opens the engines that the flags name, fetching first what they need.
func (k *kit) open(ctx context.Context, f Engines) (*engines, error) {
	c, err := choose(f)
	if err != nil {
		return nil, err
	}
	n := c.needs()
	if n.Why != "" {
		fmt.Fprintln(k.out, n.Why)
	}
	if err := k.ensure(ctx, n.Models); err != nil {
		return nil, err
	}
	e := &engines{names: n.Names, record: c.record(), capacity: n.Callers}
	k.chosen = n.Models
	if k.slots <= 0 {
		k.slots = n.Callers
	}
	k.slots = min(k.slots, mostSlots)
	var ear ears
	if ear, err = opened(ctx, k, c.vad, c.options.vad); err != nil {
		return nil, err
	}
	e.detector, e.finisher = ear.detector, ear.finisher
	if e.recognizer, err = opened(ctx, k, c.stt, c.options.stt); err != nil {
		return nil, err
	}
	if e.voice, err = opened(ctx, k, c.tts, c.options.tts); err != nil {
		return nil, err
	}
	if e.model, err = opened(ctx, k, c.llm, c.options.llm); err != nil {
		return nil, err
	}
	if c.llm.name == "local" {
		e.slots = make(chan int, k.slots)
		for i := range k.slots {
			e.slots <- i
		}
	}
	return e, nil
}

// mostSlots bounds the conversations that a local language model remembers: each takes about 100 MB.
const mostSlots = 16

// forCall is the language model as one call uses it: of a local server, a slot of its own as long as there is
// one, so that calls do not throw each other's history out of its cache. done gives it back.
func (e *engines) forCall() (m llm.Model, done func()) {
	if local, ok := e.model.(*openai.Model); ok && e.slots != nil {
		select {
		case n := <-e.slots:
			return local.Slot(n), func() { e.slots <- n }
		default:
		}
	}
	return e.model, func() {}
}

// opened opens one engine. Options that it does not know are told before it is loaded, where it can be.
func opened[T any](ctx context.Context, k *kit, e engine[T], s *spec) (T, error) {
	v, err := e.open(ctx, k, s)
	if err := s.done(); err != nil {
		return v, err
	}
	if err == nil {
		return v, nil
	}
	if set, _ := e.needs(s); set != 0 {
		err = fmt.Errorf("%w (a damaged model file is found and mended by 'parley models fetch')", err)
	}
	return v, fmt.Errorf("open --%s %s: %w", s.flag, s.name, err)
}

func (k *kit) ensure(ctx context.Context, want models.Set) error {
	if want == 0 {
		return nil
	}
	if k.fetch {
		if err := fetch.Ensure(ctx, k.models, want, k.out); err != nil {
			return fmt.Errorf("fetch models: %w", err)
		}
	} else if missing := models.Missing(k.dir(), want); len(missing) > 0 {
		return fmt.Errorf("%s is missing in %s: run 'parley models fetch', or serve without --no-fetch", missing[0].Path, k.dir())
	}
	if want.Has(models.Runtime) {
		return onnx.Open(k.path(models.RuntimeFile))
	}
	return nil
}
