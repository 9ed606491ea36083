package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"

	"parley/cmd/parley/bench"
	"parley/cmd/parley/calibrate"
	"parley/cmd/parley/call"
	"parley/cmd/parley/diff"
	"parley/cmd/parley/doctor"
	fetch "parley/cmd/parley/models"
	netverb "parley/cmd/parley/net"
	"parley/cmd/parley/providers"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/replay"
	"parley/cmd/parley/serve"
	"parley/cmd/parley/try"
	"parley/internal/models"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages are this folder's and the two at the root, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil || len(names) < 7 {
		t.Fatalf("only %v are here: %v", names, err)
	}
	all := map[string]string{}
	for _, name := range append(names, "../README.md", "../CONTRIBUTING.md") {
		all[name] = read(t, name)
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(name), file)
			if file == "" {
				path = name
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if anchor == "" {
				continue
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(read(t, path), -1) {
				found = found || slug(h[1]) == anchor
			}
			if !found {
				t.Errorf("%s: %s has no heading #%s", name, path, anchor)
			}
		}
	}
}

// slug is a heading's anchor.
func slug(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// cli is the program's flags and verbs, as in cmd/parley.
type cli struct {
	Config    kong.ConfigFlag
	Serve     serve.Cmd     `cmd:""`
	Call      call.Cmd      `cmd:""`
	Bench     bench.Cmd     `cmd:""`
	Models    fetch.Cmd     `cmd:""`
	Doctor    doctor.Cmd    `cmd:""`
	Net       netverb.Cmd   `cmd:""`
	Rec       rec.Cmd       `cmd:""`
	Replay    replay.Cmd    `cmd:""`
	Diff      diff.Cmd      `cmd:""`
	Calibrate calibrate.Cmd `cmd:""`
	Providers providers.Cmd `cmd:""`
	Try       try.Cmd       `cmd:""`
}

func grammar(t *testing.T, c *cli) *kong.Kong {
	t.Helper()
	k, err := kong.New(c, serve.Vars(), kong.Name("parley"), kong.Configuration(kongyaml.Loader))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// commands are the lines of the shell blocks of a page, without their comments.
func commands(text string) (all []string) {
	block := regexp.MustCompile("(?s) *```sh\n(.*?)```")
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(m[1]) {
			line, _, _ = strings.Cut(line, " #")
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
	}
	return all
}

// words splits a command at spaces outside double quotes.
func words(command string) (all []string) {
	for _, m := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		all = append(all, m[1]+m[2]+m[3])
	}
	return all
}

func TestCommandsAreReal(t *testing.T) {
	makefile := read(t, "../Makefile")
	n := map[string]int{}
	for name, text := range pages(t) {
		for _, command := range commands(text) {
			args := words(command)
			program := filepath.Base(args[0])
			n[program]++
			switch program {
			case "parley":
				if _, err := grammar(t, &cli{}).Parse(args[1:]); err != nil {
					t.Errorf("%s: %s: %v", name, command, err)
				}
			case "make":
				if !strings.Contains(makefile, "\n"+args[1]+":") {
					t.Errorf("%s: %s: no such target", name, command)
				}
			case "go":
				for _, a := range args[1:] {
					if folder, ok := strings.CutPrefix(a, "./"); ok {
						if _, err := os.Stat(filepath.Join("..", strings.TrimSuffix(folder, "..."))); err != nil {
							t.Errorf("%s: %s: %v", name, command, err)
						}
					}
				}
			default:
				t.Errorf("%s: %s: is this program known to the reader?", name, command)
			}
		}
	}
	if n["parley"] < 20 || n["make"] < 5 || n["go"] < 4 {
		t.Errorf("only %v commands were read", n)
	}
}

func TestYAMLExampleIsReal(t *testing.T) {
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(read(t, "serve.md"))
	if m == nil {
		t.Fatal("there is none")
	}
	file := filepath.Join(t.TempDir(), "parley.yaml")
	if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	var c cli
	if _, err := grammar(t, &c).Parse([]string{"serve", "--config", file}); err != nil {
		t.Fatal(err)
	}
	if c.Serve.Listen != "0.0.0.0:8321" || c.Serve.TLS != "self" || c.Serve.Greeting != "Good evening, reception." {
		t.Errorf("%+v", c.Serve)
	}
}

// Every flag of serve and of doctor is named on some page.
func TestFlagsAreNamed(t *testing.T) {
	var all strings.Builder
	for _, text := range pages(t) {
		all.WriteString(text)
	}
	n := 0
	for _, node := range grammar(t, &cli{}).Model.Children {
		if node.Name != "serve" && node.Name != "doctor" {
			continue
		}
		for _, f := range node.Flags {
			if n++; !regexp.MustCompile("--(no-)?" + f.Name + `\b`).MatchString(all.String()) {
				t.Errorf("no page names --%s of %s", f.Name, node.Name)
			}
		}
	}
	if n < 35 {
		t.Errorf("only %d flags were seen", n)
	}
}

// Every option that an engine asks for stands in the page of the engines, and every engine.
func TestEnginesAndOptionsAreNamed(t *testing.T) {
	page := read(t, "engines.md")
	source := ""
	files, _ := filepath.Glob("../cmd/parley/serve/tables_*.go")
	for _, file := range files {
		source += read(t, file)
	}
	names := regexp.MustCompile(`(?m)^\t\{"([a-z0-9-]+)", "`).FindAllStringSubmatch(source, -1)
	options := regexp.MustCompile(`s\.(?:text|number|float|duration|flagged|lines)\("([a-z]+)"`).FindAllStringSubmatch(source, -1)
	if len(names) < 20 || len(options) < 40 {
		t.Fatalf("read only %d names and %d options", len(names), len(options))
	}
	for _, m := range names {
		if !regexp.MustCompile("(?m)^\\| (`[a-z0-9-]+`, )?`" + m[1] + "`(, `[a-z0-9-]+`)? \\|").MatchString(page) {
			t.Errorf("no row for the engine %s", m[1])
		}
	}
	for _, m := range options {
		if !strings.Contains(page, "`"+m[1]+"=") {
			t.Errorf("no row for the option %s", m[1])
		}
	}
}

func TestLicensesAndNoticesAreNamed(t *testing.T) {
	page := read(t, "engines.md")
	for _, b := range models.Table {
		row := ""
		for line := range strings.Lines(page) {
			if strings.Contains(line, "`"+b.Packages[0].Name+"`") {
				row = line
			}
		}
		if !strings.Contains(row, b.License) || !strings.Contains(row, b.Notice) {
			t.Errorf("the row of %s is %q; license %q, notice %q", b.Packages[0].Name, row, b.License, b.Notice)
		}
	}
}

// section is a message's part of the page of the protocol.
func section(page, begin string) string {
	_, after, _ := strings.Cut(page, "\n"+begin)
	end := regexp.MustCompile("(?m)^(`[a-z]+`: |#)").FindStringIndex(after)
	if end == nil {
		return after
	}
	return after[:end[0]]
}

// Every message and every field of package web is explained.
func TestMessagesAreExplained(t *testing.T) {
	page := read(t, "protocol.md")
	f, err := parser.ParseFile(token.NewFileSet(), "../web/schema.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	kind := regexp.MustCompile(`"([a-z]+)"`)
	seen := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields := spec.Type.(*ast.StructType).Fields.List
		begin := "### To the server"
		if m := kind.FindStringSubmatch(fields[0].Comment.Text()); m != nil {
			begin, fields = "`"+m[1]+"`: ", fields[1:]
		} else if strings.HasSuffix(spec.Name.Name, "Counters") { // those of a direction are a part of that message
			begin = "`counters`: "
		} else {
			fields = fields[1:]
		}
		text := section(page, begin)
		if text == "" {
			t.Errorf("no part begins with %s", begin)
		}
		for _, field := range fields {
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
			if seen++; !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s: %s is not explained", begin, name)
			}
		}
		return true
	})
	if seen < 25 {
		t.Errorf("only %d fields were seen", seen)
	}
	for _, m := range regexp.MustCompile(`case "([a-z]+)":`).FindAllStringSubmatch(read(t, "../web/events.go"), -1) {
		if !strings.Contains(section(page, "### To the server"), "`"+m[1]+"`") {
			t.Errorf("the command %s is not explained", m[1])
		}
	}
}

func TestRequestsAreExplained(t *testing.T) {
	page := read(t, "protocol.md")
	line := regexp.MustCompile(`mux\.Handle(?:Func)?\("(?:([A-Z]+) )?(/[^"]*)"(.*)`)
	method := regexp.MustCompile(`"([A-Z]+)": `)
	n := 0
	for _, file := range []string{"../web/handler.go", "../cmd/parley/serve/stats.go"} {
		for _, m := range line.FindAllStringSubmatch(read(t, file), -1) {
			methods := [][]string{{"", m[1]}}
			if m[1] == "" {
				methods = method.FindAllStringSubmatch(m[3], -1)
			}
			for _, how := range methods {
				if n++; !strings.Contains(page, "| `"+how[1]+" "+m[2]+"` |") {
					t.Errorf("%s %s is not explained", how[1], m[2])
				}
			}
		}
	}
	if n < 12 {
		t.Errorf("only %d routes were read", n)
	}
}

// Every sentence that the page may say when something is wrong is explained in the words it says.
func TestProblemsAreExplained(t *testing.T) {
	page := read(t, "talk.md")
	titles := regexp.MustCompile(`(?m)^  "[a-z-]+": \["([^"]+)"`).FindAllStringSubmatch(read(t, "../web/page/src/problem.ts"), -1)
	if len(titles) < 15 {
		t.Fatalf("read only %d", len(titles))
	}
	for _, m := range titles {
		if !strings.Contains(page, "| "+m[1]+" |") {
			t.Errorf("%q is not explained", m[1])
		}
	}
}

// The picture can be read aloud.
func TestPicturesAreWhole(t *testing.T) {
	svg := read(t, "parley.svg")
	for _, want := range []string{"<svg ", "<title", "<desc", "</svg>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %s", want)
		}
	}
}
