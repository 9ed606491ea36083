package providers

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"parley/cmd/parley/try"
)

// Every command of the page that explains this verb and its sister is one, and every flag of theirs is named there.
func TestPageIsReal(t *testing.T) {
	b, err := os.ReadFile("../../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	commands := regexp.MustCompile(`(?m)^\$ parley (.*)$`).FindAllStringSubmatch(page, -1)
	if len(commands) < 6 {
		t.Errorf("only %d commands were read", len(commands))
	}
	parser := func() *kong.Kong {
		var cli struct {
			Providers Cmd     `cmd:""`
			Try       try.Cmd `cmd:""`
		}
		k, err := kong.New(&cli, kong.Name("parley"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, m := range commands {
		var args []string
		for _, w := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(m[1], -1) {
			args = append(args, w[1]+w[2])
		}
		if _, err := parser().Parse(args); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	for _, flag := range []string{"--check", "--json", "--fast", "--no-fetch", "--system", "--max-tokens", "-o FILE"} {
		if !strings.Contains(page, flag) {
			t.Errorf("%s is not named", flag)
		}
	}
}
