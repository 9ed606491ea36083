package serve

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"log/slog"

	"parley/agent"
	"parley/internal/provider"
)

//go:embed prices.json
var pricesFile []byte

// prices are what engines cost, in US dollars.
type prices struct {
	Date string  `json:"date"` // when they were looked up
	Rows []price `json:"rows"`

	mu      sync.Mutex
	unknown map[string]bool // engines without a price, each logged once
	log     *slog.Logger
}

// price is that of one model of an engine.
type price struct {
	Stage      string  `json:"stage"`      // stt, llm or tts
	Provider   string  `json:"provider"`   // name in the flag
	Model      string  `json:"model"`      // as model= has it, or how it begins if it ends in *; empty: where the flag names none
	Prompt     float64 `json:"prompt"`     // per million tokens
	Cached     float64 `json:"cached"`     // likewise, of those that the provider remembered; 0: as Prompt
	Completion float64 `json:"completion"` // likewise
	Characters float64 `json:"characters"` // per million
	Minute     float64 `json:"minute"`     // of audio
}

// readPrices reads a table, or that of this program where file is empty.
func readPrices(file string, log *slog.Logger) (*prices, error) {
	data := pricesFile
	if file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read --prices: %w", err)
		}
	}
	p := &prices{unknown: map[string]bool{}, log: log}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("read --prices %s: %w", file, err)
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return nil, fmt.Errorf(`read --prices %s: "date" must say when they were looked up, as 2026-01-31`, file)
	}
	for i, r := range p.Rows {
		for _, v := range []float64{r.Prompt, r.Cached, r.Completion, r.Characters, r.Minute} {
			if v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				return nil, fmt.Errorf("read --prices %s: row %d: a price is 0 or more US dollars", file, i+1)
			}
		}
		if r.Provider == "" || r.Stage != "stt" && r.Stage != "llm" && r.Stage != "tts" {
			return nil, fmt.Errorf(`read --prices %s: row %d: "stage" is stt, llm or tts, and "provider" an engine's name`, file, i+1)
		}
	}
	return p, nil
}

// of is what a request cost; 0 if the engine has no price.
func (p *prices) of(u agent.Used) float64 {
	name, model, _ := strings.Cut(strings.TrimSuffix(u.Provider, " (again)"), " ")
	for _, r := range p.Rows {
		if r.Stage == u.Stage && r.Provider == name && r.fits(model) {
			return r.sum(u)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := u.Stage + " " + u.Provider; !p.unknown[key] {
		p.unknown[key] = true
		p.log.Warn("no price is known, its requests count as free", "engine", key, "prices", p.Date)
	}
	return 0
}

func (r price) fits(model string) bool {
	begin, any := strings.CutSuffix(r.Model, "*")
	return model == r.Model || any && strings.HasPrefix(model, begin)
}

func (r price) sum(u agent.Used) float64 {
	cached := r.Cached
	if cached == 0 {
		cached = r.Prompt
	}
	tokens := float64(u.Prompt-u.Cached)*r.Prompt + float64(u.Cached)*cached + float64(u.Completion)*r.Completion
	return (tokens+float64(u.Characters)*r.Characters)/1e6 + u.Audio.Minutes()*r.Minute
}

// account is what a call used, also what is told when it is over.
type account struct {
	price func(agent.Used) float64

	mu   sync.Mutex
	bill agent.Bill
}

// take takes a note of a stage.
func (a *account) take(n provider.Note) {
	if n.Used == nil {
		return
	}
	u := agent.UsedOf(n)
	u.USD = a.price(u)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bill.Add(u)
}

// LogValue is the account as a group of the log's closing line.
func (a *account) LogValue() slog.Value {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bill
	return slog.GroupValue(slog.Float64("usd", math.Round(b.USD*1e6)/1e6), slog.Int("prompt", b.Prompt), slog.Int("cached", b.Cached),
		slog.Int("completion", b.Completion), slog.Int("characters", b.Characters), slog.Duration("audio", b.Audio.Round(time.Millisecond)), slog.Int("requests", b.Requests),
		slog.Bool("guessed", b.Guessed))
}
