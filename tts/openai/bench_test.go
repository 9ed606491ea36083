package openai

import (
	"context"
	"io"
	"net/http"
	"testing"

	"parley/internal/provider/streamtest"
	"parley/media"
)

// BenchmarkHundred is what a hundred phrases hold while they are spoken, server and all.
func BenchmarkHundred(b *testing.B) {
	v := voice(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(ramp(24000))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, Options{})
	streamtest.Hundred(b, func(ctx context.Context, begun func()) {
		for range v.Speak(ctx, media.Of("Hello.")) {
			begun()
		}
	})
}
