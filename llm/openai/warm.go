package openai

import (
	"context"
	"encoding/json"
	"errors"

	"parley/internal/provider"
	"parley/llm"
)

// Warm makes the answer to a request that begins like req come faster. A Local server evaluates req's
// prompt, and generates nothing; from any other, the list of models is fetched, which opens a connection
// and costs nothing. The end of ctx gives it up at once, on the server too.
func (m *Model) Warm(ctx context.Context, req llm.Request) error {
	own, watch := provider.NewWatch(ctx, m.o.Limits.Total)
	defer watch.Stop()
	watch.Await("answer", m.o.Limits.First)
	fields := m.fields(req)
	x := m.exchange(fields)
	var err error
	if m.o.Local {
		fields[m.limit] = json.RawMessage("0")
		r := request(req)
		r.StreamOptions = nil
		_, err = m.client(x).CreateChatCompletion(own, r)
	} else {
		_, err = m.client(x).ListModels(own)
	}
	if err == nil || own.Err() == nil && x.Answered() {
		return nil // what a warm server says is of no interest
	}
	if err = m.fail(ctx, own, x, err); !m.o.Local && errors.Is(err, provider.ErrBadRequest) {
		return nil // it has no list of models, but it is there
	}
	return err
}
