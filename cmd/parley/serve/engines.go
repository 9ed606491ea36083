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
	llmfailover "parley/llm/failover"
	"parley/stt"
	sttfailover "parley/stt/failover"
	"parley/tts"
	ttsfailover "parley/tts/failover"
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
	recognizer *sttfailover.Chain
	model      *llmfailover.Chain
	voice      *ttsfailover.Chain
	detector   vad.Detector
	finisher   vad.Finisher      // nil: none
	record     map[string]string // what a record is told of them
	capacity   int               // callers that this machine can carry with them
	slots      chan int          // of a local language model's server, those that are free; nil: it has none
	prices     *prices
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

// pick is a row that a flag names, with its options.
type pick[T any] struct {
	engine[T]
	options *spec
	label   string // the name, and the model where one is chosen
}

// picks are the rows of one kind, the preferred first.
type picks[T any] []pick[T]

func pickAll[T any](table []engine[T], flag string, values []string) (all picks[T], err error) {
	var errs []error
	for _, v := range values {
		e, s, err := find(table, flag, v)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p := pick[T]{engine: e, options: s, label: e.name}
		if model := s.values["model"]; model != "" {
			p.label += " " + filepath.Base(model)
		}
		for _, other := range all {
			if other.label == p.label {
				p.label += " (again)"
			}
		}
		all = append(all, p)
	}
	if len(values) == 0 {
		errs = append(errs, fmt.Errorf("--%s names no engine; known are %s", flag, list(table)))
	}
	return all, errors.Join(errs...)
}

// labels are all of them, in order.
func (all picks[T]) labels() string {
	var s []string
	for _, p := range all {
		s = append(s, p.label)
	}
	return strings.Join(s, ", ")
}

// needs adds what they ask of this computer.
func (all picks[T]) needs(n *Needs) {
	for _, p := range all {
		set, why := p.engine.needs(p.options)
		n.Models |= set
		n.Why += why
	}
}

// open opens them and gives each to use.
func (all picks[T]) open(ctx context.Context, k *kit, use func(label string, v T)) error {
	for _, p := range all {
		v, err := opened(ctx, k, p.engine, p.options)
		if err != nil {
			return err
		}
		use(p.label, v)
	}
	return nil
}

// chosen is the rows that the flags name.
type chosen struct {
	stt picks[stt.Recognizer]
	llm picks[llm.Model]
	tts picks[tts.Voice]
	vad picks[ears]
}

func choose(f Engines) (c chosen, err error) {
	var errs [4]error
	c.stt, errs[0] = pickAll(recognizers, "stt", f.STT)
	c.llm, errs[1] = pickAll(languageModels, "llm", f.LLM)
	c.tts, errs[2] = pickAll(voices, "tts", f.TTS)
	c.vad, errs[3] = pickAll(detectors, "vad", []string{f.VAD})
	return c, errors.Join(errs[:]...)
}

// record is what a record is told of the engines: their names, and the model's where one was chosen.
func (c chosen) record() map[string]string {
	return map[string]string{"stt": c.stt.labels(), "llm": c.llm.labels(), "tts": c.tts.labels(), "vad": c.vad[0].name}
}

// local is the language model's own program and file among the rows; nil: none.
func (c chosen) local() *spec {
	for _, p := range c.llm {
		if p.name == "local" {
			return p.options
		}
	}
	return nil
}

// needs is what they ask of this computer.
func (c chosen) needs() Needs {
	n := Needs{Names: Names{STT: c.stt[0].name, LLM: c.llm[0].name, TTS: c.tts[0].name, VAD: c.vad[0].name}}
	c.stt.needs(&n)
	c.llm.needs(&n)
	c.tts.needs(&n)
	c.vad.needs(&n)
	n.Callers = max(1, int(min(c.stt[0].percore, c.llm[0].percore, c.tts[0].percore, c.vad[0].percore)*float64(runtime.NumCPU())))
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
	e := &engines{record: c.record(), capacity: n.Callers}
	if e.prices, err = readPrices(f.Prices, k.log); err != nil {
		return nil, err
	}
	k.chosen = n.Models
	if k.slots <= 0 {
		k.slots = n.Callers
	}
	k.slots = min(k.slots, mostSlots)
	err = c.vad.open(ctx, k, func(_ string, v ears) { e.detector, e.finisher = v.detector, v.finisher })
	if err != nil {
		return nil, err
	}
	if err := k.chains(ctx, c, e, f.Hedge); err != nil {
		return nil, err
	}
	return e, nil
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
