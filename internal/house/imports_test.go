package house

import (
	"fmt"
	"go/build"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A rule says what the packages of a folder may import of this module and of others. Test files are free.
type rule struct {
	folder string   // below the module's root; "…" at its end means and below
	may    []string // packages of this module, or folder/…
	others []string // modules outside the standard library
	why    string
}

var rules = []rule{
	{"media", nil, nil, "the vocabulary of everything else: standard library only"},
	{"media/codec", []string{"media"}, []string{"github.com/hraban/opus"}, "the only importer of libopus"},
	{"media/resample", []string{"media"}, nil, "arithmetic on samples"},
	{"media/jitter", []string{"media"}, nil, "pure: replay runs it again"},
	{"media/line", []string{"media", "media/jitter", "media/codec", "media/resample"}, nil, "one call's audio knows no network and no agent"},
	{"media/record", []string{"media", "media/jitter", "media/codec", "media/resample"}, nil, "one recording knows no agent and no index"},
	{"media/rtc", []string{"media"}, []string{"github.com/pion/"}, "the only importer of pion, but for its TURN server"},
	{"media/rtc/turn", []string{"media", "media/rtc"}, []string{"github.com/pion/"}, "a TURN server for this process's own port"},
	{"internal/netsim", []string{"media"}, nil, "bad networks for tests and benches"},
	{"stt", []string{"media", "internal/provider"}, nil, "a contract"},
	{"llm", []string{"media", "internal/provider"}, nil, "a contract"},
	{"tts", []string{"media", "internal/provider"}, nil, "a contract"},
	{"stt/sttest", []string{"stt", "media", "internal/provider/streamtest"}, []string{"go.uber.org/goleak"}, "a suite for every adapter"},
	{"llm/llmtest", []string{"llm", "internal/provider", "internal/provider/streamtest"}, []string{"go.uber.org/goleak"}, "a suite for every adapter"},
	{"tts/ttstest", []string{"tts", "media", "internal/provider/streamtest"}, []string{"go.uber.org/goleak"}, "a suite for every adapter"},
	{"stt/script", []string{"stt", "media"}, nil, "a stub"},
	{"llm/script", []string{"llm"}, nil, "a stub"},
	{"tts/tone", []string{"tts", "media"}, nil, "a stub"},
	{"stt/local", []string{"stt", "media", "internal/provider", "internal/onnx"}, nil, "adapters know their parent, never each other"},
	{"tts/local", []string{"tts", "media", "internal/provider", "internal/onnx"}, nil, "adapters know their parent, never each other"},
	{"llm/local", []string{"internal/provider"}, nil, "it starts a server and gives its URL; cmd composes it with llm/openai"},
	{"llm/openai", []string{"llm", "internal/provider"}, []string{"github.com/sashabaranov/go-openai"}, "adapters know their parent, never each other"},
	{"llm/prompt", []string{"llm", "internal/provider"}, nil, "arithmetic on text, for models without roles"},
	{"llm/completions", []string{"llm", "llm/prompt", "internal/provider"}, []string{"github.com/sashabaranov/go-openai"}, "adapters know their parent, never each other"},
	{"llm/anthropic", []string{"llm", "internal/provider"}, []string{"github.com/anthropics/anthropic-sdk-go"}, "adapters know their parent, never each other"},
	{"llm/failover", []string{"llm", "internal/provider", "internal/provider/chain"}, nil, "several models as one: it knows the contract, no model"},
	{"llm/gptj", []string{"llm", "llm/prompt", "internal/provider"}, nil, "adapters know their parent, never each other"},
	{"stt/rotate", []string{"stt", "media", "internal/provider"}, nil, "streams that do not last, whoever the vendor is"},
	{"stt/failover", []string{"stt", "media", "internal/provider", "internal/provider/chain"}, nil, "several recognizers as one: it knows the contract, no recognizer"},
	{"tts/failover", []string{"tts", "media", "internal/provider", "internal/provider/chain"}, nil, "several voices as one: it knows the contract, no voice"},
	{"tts/cache", []string{"tts", "media", "internal/provider", "internal/provider/chain"}, nil, "a wrapper: it knows the contract, no voice"},
	{"stt/google", []string{"stt", "stt/rotate", "media", "internal/provider", "internal/provider/google"}, []string{"cloud.google.com/go/speech/", "google.golang.org/"}, "adapters know their parent, never each other"},
	{"tts/google", []string{"tts", "media", "internal/provider", "internal/provider/google"}, []string{"cloud.google.com/go/texttospeech/", "google.golang.org/"}, "adapters know their parent, never each other"},
	{"stt/aws", []string{"stt", "stt/rotate", "media", "internal/provider"}, []string{"github.com/aws/", "github.com/coder/websocket"}, "adapters know their parent, never each other"},
	{"tts/aws", []string{"tts", "media", "internal/provider"}, []string{"github.com/aws/"}, "adapters know their parent, never each other"},
	{"stt/openai", []string{"stt", "media", "internal/provider"}, []string{"github.com/sashabaranov/go-openai", "github.com/openai/openai-go/v3"}, "adapters know their parent, never each other"},
	{"stt/realtime", []string{"stt", "stt/rotate", "media", "media/resample", "internal/provider"}, []string{"github.com/coder/websocket"}, "adapters know their parent, never each other; the service hears 24 kHz only"},
	{"tts/openai", []string{"tts", "media", "internal/provider"}, []string{"github.com/sashabaranov/go-openai"}, "adapters know their parent, never each other"},
	{"internal/provider/google/…", []string{"internal/provider"}, []string{"google.golang.org/"}, "a leaf of Google's adapters: gRPC's dial options and status codes"},
	{"internal/provider/chain", []string{"internal/provider"}, nil, "what chains share; it knows none of the three contracts"},
	{"internal/provider/…", nil, []string{"go.uber.org/goleak"}, "a leaf of all adapters; streamtest looks for leaks"},
	{"internal/onnx", nil, []string{"github.com/yalue/onnxruntime_go"}, "the only importer of ONNX Runtime"},
	{"internal/models", nil, nil, "where files are"},
	{"internal/wav", nil, nil, "a file format"},
	{"internal/corpus", []string{"media", "media/resample", "internal/wav"}, nil, "speech for tests and benches"},
	{"internal/browser", []string{"internal/wav"}, []string{"github.com/chromedp/"}, "a browser for tests"},
	{"internal/caller/…", []string{"media", "media/…", "internal/wav", "internal/corpus", "internal/caller", "internal/netsim"}, nil, "the client's role: it knows no agent"},
	{"internal/house", nil, nil, "tests only"},
	{"agent/turn", []string{"agent/turn/ending"}, nil, "pure: no clock, no goroutine, no I/O; replay runs it again"},
	{"agent/turn/ending", nil, nil, "pure: arithmetic on words"},
	{"agent/vad", []string{"media", "internal/onnx"}, []string{"gonum.org/v1/gonum"}, "scores, not decisions"},
	{"agent/echo", []string{"media"}, nil, "pure: arithmetic on samples; scores pass through it"},
	{"agent", []string{"agent/echo", "agent/turn", "agent/vad", "stt", "llm", "tts", "media", "media/resample", "internal/provider"}, nil,
		"the conductor knows contracts, no vendor and no network; of provider only the error classes"},
	{"agent/replay", []string{"agent", "agent/turn", "agent/vad", "stt", "llm", "tts", "media", "media/line", "media/record", "internal/provider"}, nil,
		"it reads records and runs pure code again: no vendor, no network"},
	{"agent/replay/cassette", []string{"agent/vad", "stt", "llm", "tts", "media", "media/record", "internal/provider"}, nil, "engines that were recorded"},
	{"agent/replay/fault", []string{"stt", "llm", "tts", "media", "internal/provider"}, nil, "engines that fail: wrappers"},
	{"agent/replay/rerun", []string{"agent", "agent/turn", "agent/vad", "agent/replay", "agent/replay/cassette", "stt", "llm", "tts", "media", "media/line", "media/codec", "media/record", "internal/netsim", "internal/provider"}, nil,
		"a conversation without a network"},
	{"agent/replay/whatif", []string{"agent/turn"}, nil, "pure: other thresholds over what was heard"},
	{"agent/replay/edge", []string{"media"}, nil, "arithmetic on samples"},
	{"agent/archive", []string{"media/record"}, nil, "many recordings; it knows no agent"},
	{"web/console/consoletest", []string{"agent", "agent/…", "stt/script", "llm", "llm/script", "tts/tone", "internal/provider", "media", "media/…"}, nil, "recordings for tests of the console"},
	{"web/console", []string{"agent", "agent/turn", "agent/archive", "agent/replay", "agent/replay/edge", "media", "media/record"}, nil, "recordings for a page"},
	{"internal/dialogs", []string{"agent", "agent/…", "stt", "llm", "tts", "media", "media/…", "internal/corpus"}, nil, "whole conversations for tests"},
	{"web/page", nil, nil, "files"},
	{"web", []string{"agent", "agent/turn", "media/rtc"}, nil, "signaling and pages"},
	{"deploy", nil, nil, "files for other programs, and their tests"},
	{"docs", nil, nil, "pages, and their tests"},
	{"cmd/…", []string{"…"}, []string{"github.com/alecthomas/", "github.com/vbauerster/mpb/v8"}, "the only importer of vendors"},
}

// only says which folders may import what is kept in few places.
var only = map[string][]string{
	"github.com/pion/":                  {"media/rtc"},
	"github.com/hraban/opus":            {"media/codec"},
	"github.com/yalue/onnxruntime_go":   {"internal/onnx"},
	"github.com/anthropics/":            {"llm/anthropic"},
	"github.com/sashabaranov/go-openai": {"llm/openai", "llm/completions", "stt/openai", "tts/openai"},
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// folders are all folders with Go files, below the root.
func folders(t *testing.T) (all []string) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != top || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() {
			if files, _ := filepath.Glob(filepath.Join(p, "*.go")); len(files) > 0 {
				rel, _ := filepath.Rel(top, p)
				all = append(all, filepath.ToSlash(rel))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func covers(pattern, folder string) bool {
	if base, ok := strings.CutSuffix(pattern, "…"); ok {
		return strings.HasPrefix(folder+"/", base)
	}
	return pattern == folder
}

func allowed(patterns []string, what string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, what) })
}

func TestImports(t *testing.T) {
	top := root(t)
	for _, folder := range folders(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return covers(r.folder, folder) })
		if i < 0 {
			t.Errorf("%s stands in no row of the import table: add one, with its reason", folder)
			continue
		}
		r := rules[i]
		p, err := build.ImportDir(filepath.Join(top, folder), 0)
		if err != nil {
			if _, none := err.(*build.NoGoError); !none {
				t.Error(err)
			}
			continue
		}
		for _, imp := range p.Imports {
			if why := refused(r, folder, imp); why != "" {
				t.Errorf("%s imports %s: %s (%s)", folder, imp, why, r.why)
			}
		}
	}
}

func refused(r rule, folder, imp string) string {
	for prefix, homes := range only {
		within := func(home string) bool { return strings.HasPrefix(folder+"/", home+"/") }
		if strings.HasPrefix(imp, prefix) && !slices.ContainsFunc(homes, within) {
			return "only " + strings.Join(homes, ", ") + " may"
		}
	}
	own, ours := strings.CutPrefix(imp, "parley/")
	switch {
	case ours && (allowed(r.may, own) || own == folder):
		return ""
	case ours:
		return fmt.Sprintf("it may import %v", r.may)
	case !strings.Contains(strings.Split(imp, "/")[0], "."): // standard library
		return ""
	case slices.ContainsFunc(r.others, func(o string) bool { return strings.HasPrefix(imp, o) }):
		return ""
	}
	return "no foreign module of this name is allowed here"
}

// Every package says in a comment what it is for.
func TestEveryPackageHasAComment(t *testing.T) {
	for _, folder := range folders(t) {
		p, err := build.ImportDir(filepath.Join(root(t), folder), 0)
		if err == nil && p.Doc == "" {
			t.Errorf("%s (%s) has no package comment", folder, path.Base(folder))
		}
	}
}
