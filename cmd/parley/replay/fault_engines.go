package replay

import (
	"slices"

	"parley/agent/replay/fault"
	"parley/agent/replay/rerun"
)

// engineNames are those that a fault may be about.
var engineNames = []string{"stt", "llm", "tts"}

// concerns reports that a fault may be about one of these engines.
func concerns(name string, engines []string) bool {
	f, err := fault.Named(name)
	return err == nil && slices.ContainsFunc(engines, func(e string) bool { return slices.Contains(f.Engines, e) })
}

// failing are engines that fail as a trial has it; only, if there are any, are the only ones to.
func failing(e rerun.Engines, t trial, only []string) (rerun.Engines, error) {
	f, err := fault.Named(t.Fault)
	if err != nil {
		return e, err
	}
	f.Seed = t.Seed
	if len(only) > 0 {
		f.Engines = slices.DeleteFunc(f.Engines, func(name string) bool { return !slices.Contains(only, name) })
	}
	e.Recognizer, e.Model, e.Voice = f.Recognizer(e.Recognizer), f.Model(e.Model), f.Voice(e.Voice)
	return e, nil
}
