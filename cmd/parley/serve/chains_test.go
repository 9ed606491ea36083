package serve

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/agent"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// broken is a server that refuses everybody, and remembers what was asked for.
func broken(t *testing.T) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	paths := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths[r.URL.Path] = true
		mu.Unlock()
		http.Error(w, `{"error":{"message":"out of order"}}`, http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Sorted(maps.Keys(paths))
	}
}

// The second engine of each kind stands in for the first, from the flags on.
func TestRepeatedFlagsAreStandIns(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-not-a-key")
	url, asked := broken(t)
	var out bytes.Buffer
	f := Engines{
		STT: []string{"openai:url=" + url, "script:lines=Hello there"}, LLM: []string{"openai:model=x,url=" + url, "script:answers=Fine"},
		TTS: []string{"openai:url=" + url, "tone"}, VAD: "energy",
	}
	p, closeAll, err := f.Open(t.Context(), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	var mu sync.Mutex
	ctx := provider.Noting(t.Context(), func(n provider.Note) {
		mu.Lock()
		defer mu.Unlock()
		if n.Failed != nil {
			notes = append(notes, n.Stage+" "+n.Provider+"→"+n.Next)
		}
	})
	text := ""
	for d, err := range p.Model.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Hi."}}}) {
		if text += d.Text; err != nil {
			t.Error(err)
		}
	}
	long := time.Duration(0)
	for a, err := range p.Voice.Speak(ctx, media.Of("Hello.")) {
		if long += a.Duration(); err != nil {
			t.Error(err)
		}
	}
	heard := ""
	frames := []stt.Audio{{Frame: media.Frame{Rate: media.ListenRate, PCM: make([]int16, media.ListenRate)}, Voice: true},
		{Frame: media.Frame{At: time.Second, Rate: media.ListenRate}, Flush: true}}
	for r, err := range p.Recognizer.Recognize(ctx, media.Of(frames...)) {
		if err != nil {
			t.Error(err)
		}
		if r.Kind == stt.Final {
			heard = r.Text
		}
	}
	closeAll()
	if text != "Fine" || long == 0 || heard != "Hello there" {
		t.Errorf("wrote %q, spoke for %v, heard %q", text, long, heard)
	}
	slices.Sort(notes)
	if want := []string{"llm openai x→script", "stt openai→script", "tts openai→tone"}; !slices.Equal(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
	if want := []string{"/v1/audio/speech", "/v1/audio/transcriptions", "/v1/chat/completions"}; !slices.Equal(asked(), want) {
		t.Errorf("the broken server was asked for %q", asked())
	}
	if s := out.String(); strings.Count(s, "level=WARN") != 3 || strings.Contains(s, "sk-not-a-key") {
		t.Errorf("the log: %s", s)
	}
}

// What the agent says in every call is spoken once, ahead of it, and not by the voice that is asked later.
func TestRepeatedSentencesAreRemembered(t *testing.T) {
	k := &kit{log: slog.New(slog.DiscardHandler)}
	e, err := k.open(t.Context(), Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	k.remember(t.Context(), e, agent.Profile{Greeting: "Good day to you. What is it?"})
	used := func(text ...string) (characters int) {
		var mu sync.Mutex
		ctx := provider.Noting(t.Context(), func(n provider.Note) { mu.Lock(); defer mu.Unlock(); characters += n.Used.Characters })
		for _, err := range e.voice.Speak(ctx, media.Of(text...)) {
			if err != nil {
				t.Fatal(err)
			}
		}
		return characters
	}
	greeting := agent.Phrases("Good day to you. What is it?")
	for range 100 { // it is filled in the background
		if used(greeting...) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := used(greeting...); n != 0 {
		t.Errorf("the greeting costs %d characters again", n)
	}
	if n := used("Something else."); n != len("Something else.") {
		t.Errorf("something else costs %d characters", n)
	}
}

// Of several language models only the local one is bound to a slot of its own.
func TestSlots(t *testing.T) {
	k := &kit{log: slog.New(slog.DiscardHandler), slots: 1}
	e, err := k.open(t.Context(), Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	e.slots = make(chan int, 1)
	e.slots <- 7
	a, free := e.forCall()
	b, none := e.forCall()
	if a == llm.Model(e.model) || b != llm.Model(e.model) || len(e.slots) != 0 {
		t.Error("the one slot is not given to the first call")
	}
	none()
	free()
	if len(e.slots) != 1 {
		t.Error("the slot is not given back")
	}
}

// Engines are warmed behind everybody's back, and closing waits for that.
func TestWarm(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{{nil, ""}, {provider.ErrAuth, "tts far"}} {
		var out bytes.Buffer
		k := &kit{log: slog.New(slog.NewTextHandler(&out, nil))}
		w := &heated{err: c.err, done: make(chan struct{})}
		k.warm(t.Context(), nil, []mouth{{Name: "far", Voice: w}, {Name: "local", Voice: &heated{}}})
		<-w.done
		k.close()
		if got := out.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: logged %s", c.err, got)
		}
	}
}

type heated struct {
	tts.Voice
	err  error
	done chan struct{} // nil: it must not be warmed
}

func (w *heated) Warm(context.Context) error {
	close(w.done)
	return w.err
}
