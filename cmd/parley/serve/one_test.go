package serve

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"parley/internal/provider"
)

func TestOpenOne(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		kind, value string
		has         func(Parts) bool
	}{
		{"stt", "script:lines=a|b", func(p Parts) bool { return p.Recognizer != nil && p.Model == nil }},
		{"llm", "echo", func(p Parts) bool { return p.Model != nil && p.Voice == nil }},
		{"tts", "tone", func(p Parts) bool { return p.Voice != nil && p.Detector == nil }},
		{"vad", "energy:threshold=-40", func(p Parts) bool { return p.Detector != nil && p.Recognizer == nil }},
	} {
		p, closeAll, err := One{Kind: c.kind, Value: c.value}.Open(t.Context(), log, t.Output())
		if err != nil || !c.has(p) {
			t.Errorf("%s %s: %+v, %v", c.kind, c.value, p, err)
			continue
		}
		closeAll()
	}
	for _, c := range []struct{ kind, value, want string }{
		{"stt", "ear", `--stt: there is no "ear"`},
		{"llm", "echo:first=1s", "--llm echo has no option first"},
		{"llm", "script:first=soon", "first=soon is not a duration"},
		{"tts", "local", "parley models fetch"},
		{"ear", "local", "known are stt, llm, tts, vad"},
	} {
		var out bytes.Buffer
		if _, _, err := (One{Kind: c.kind, Value: c.value, Models: t.TempDir()}).Open(t.Context(), log, &out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.kind, c.value, err)
		}
	}
}

func TestAdvice(t *testing.T) {
	stripped(t)
	one := One{Kind: "llm", Value: "openai:model=x"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{provider.ErrAuth, "set OPENAI_API_KEY"},
		{fmt.Errorf("ask: %w", provider.ErrQuota), "quota and billing"},
		{provider.ErrBadRequest, "docs/engines.md"},
		{provider.ErrTruncated, "try again"},
		{&provider.Timeout{}, "is the network there"},
		{context.DeadlineExceeded, "is the network there"},
	} {
		if got := one.Advice(c.err); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q", c.err, got)
		}
	}
	if got := one.Advice(context.Canceled); got != "" {
		t.Errorf("to an end that was asked for: %q", got)
	}
	t.Setenv("OPENAI_API_KEY", hidden)
	if got := one.Advice(provider.ErrAuth); !strings.Contains(got, "refused") || strings.Contains(got, hidden) {
		t.Error(got)
	}
}
