package llm

import (
	"context"
	"iter"
	"testing"
)

func TestModelFunc(t *testing.T) {
	var m Model = ModelFunc(func(_ context.Context, req Request) iter.Seq2[Delta, error] {
		return func(yield func(Delta, error) bool) {
			_ = yield(Delta{Text: req.System}, nil) && yield(Delta{End: Stop}, nil)
		}
	})
	var got string
	for d := range m.Generate(t.Context(), Request{System: "x"}) {
		got += d.Text + string(d.End)
	}
	if got != "xstop" {
		t.Errorf("got %q", got)
	}
}
