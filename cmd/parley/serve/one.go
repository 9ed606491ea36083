package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"parley/internal/models"
	"parley/internal/provider"
)

// Adapter is an engine that is compiled in.
type Adapter struct {
	Kind  string // the flag that takes it: stt, llm, tts or vad
	Name  string
	About string
}

// Adapters are all engines, those of a kind together, as the flags' help has them.
func Adapters() []Adapter {
	return slices.Concat(rows("stt", recognizers), rows("llm", languageModels), rows("tts", voices), rows("vad", detectors))
}

func rows[T any](kind string, table []engine[T]) (all []Adapter) {
	for _, e := range table {
		all = append(all, Adapter{kind, e.name, e.about})
	}
	return all
}

// One is one engine by itself.
type One struct {
	Kind   string // stt, llm, tts or vad
	Value  string // as the flag of that name takes it: NAME or NAME:KEY=VALUE,…
	Models string // folder; empty: the default
	Fetch  bool   // models that are missing
}

// Open opens the engine as serve does; the Parts hold it alone. out is told what is fetched. When nothing uses
// it any more, it must be closed.
func (o One) Open(ctx context.Context, log *slog.Logger, out io.Writer) (p Parts, closeAll func(), err error) {
	k := &kit{models: o.Models, fetch: o.Fetch, log: log, out: out}
	switch o.Kind {
	case "stt":
		p.Recognizer, err = openAlone(ctx, k, recognizers, o)
	case "llm":
		p.Model, err = openAlone(ctx, k, languageModels, o)
	case "tts":
		p.Voice, err = openAlone(ctx, k, voices, o)
	case "vad":
		var e ears
		e, err = openAlone(ctx, k, detectors, o)
		p.Detector, p.Finisher = e.detector, e.finisher
	default:
		err = o.unknown()
	}
	if err != nil {
		k.close()
		return Parts{}, nil, err
	}
	return p, k.close, nil
}

func openAlone[T any](ctx context.Context, k *kit, table []engine[T], o One) (none T, _ error) {
	e, s, err := find(table, o.Kind, o.Value)
	if err != nil {
		return none, err
	}
	set, why := e.needs(s)
	if why != "" {
		fmt.Fprintln(k.out, why)
	}
	if err := k.ensure(ctx, set); err != nil {
		return none, err
	}
	k.chosen, k.slots = set, 1
	return opened(ctx, k, e, s)
}

// needs is what the engine's flag says, and which models it wants.
func (o One) needs() (*spec, models.Set, error) {
	switch o.Kind {
	case "stt":
		return needsOf(recognizers, o)
	case "llm":
		return needsOf(languageModels, o)
	case "tts":
		return needsOf(voices, o)
	case "vad":
		return needsOf(detectors, o)
	}
	return nil, 0, o.unknown()
}

func needsOf[T any](table []engine[T], o One) (*spec, models.Set, error) {
	e, s, err := find(table, o.Kind, o.Value)
	if err != nil {
		return nil, 0, err
	}
	set, _ := e.needs(s)
	return s, set, nil
}

func (o One) unknown() error {
	return fmt.Errorf("there is no kind %q of engines; known are stt, llm, tts, vad", o.Kind)
}

// Advice is what to do about an error of the engine; empty if its class is none.
func (o One) Advice(err error) string {
	switch provider.ClassName(err) {
	case "auth":
		if f, bad := o.Found(); bad == nil && len(f.Mend) > 0 {
			return strings.Join(f.Mend, "; ")
		}
		return "the credentials that were found are refused: are they still valid, and may they do this? 'parley providers' says where they are"
	case "quota":
		return "wait a little; if that does not help, look at the account's quota and billing"
	case "bad request":
		return "look at the options, such as the name of the model: docs/engines.md lists them"
	case "truncated":
		return "its answer broke off: try again"
	case "unavailable":
		return unreachable
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unreachable
	}
	return ""
}

const unreachable = "is the network there, and the address right? If so it is the provider's trouble: try again later"
