package openai

import (
	"context"
	"io"
	"net/http"
	"testing"

	"parley/internal/provider/streamtest"
)

// BenchmarkHundred is what a hundred answers hold while they are written, server and all.
func BenchmarkHundred(b *testing.B) {
	m := model(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, say("Hi"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, Options{})
	streamtest.Hundred(b, func(ctx context.Context, begun func()) {
		for range m.Generate(ctx, hello) {
			begun()
		}
	})
}
