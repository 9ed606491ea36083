package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"parley/cmd/parley/serve"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// steps are the instructions of the Dockerfile, each on one line.
func steps(t *testing.T) (all []string) {
	for line := range strings.Lines(strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

func TestCopiesCopyWhatIsThere(t *testing.T) {
	n := 0
	for _, s := range steps(t) {
		f := strings.Fields(s)
		if f[0] != "COPY" || strings.HasPrefix(f[1], "--from") {
			continue
		}
		for _, source := range f[1 : len(f)-1] {
			n++
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d files are copied", n)
	}
}

// needed are the packages that deploy/setup installs for a purpose and those before it.
func needed(t *testing.T, until string) map[string]bool {
	all := map[string]bool{}
	script, _, _ := strings.Cut(read(t, "setup"), until)
	for _, m := range regexp.MustCompile(`(?m)^\s*need (\S+) `).FindAllStringSubmatch(script, -1) {
		all[m[1]] = true
	}
	return all
}

// installed are the packages of each stage of the Dockerfile.
func installed(t *testing.T) (stages []map[string]bool) {
	list := regexp.MustCompile(`--no-install-recommends ([a-z0-9 .+-]+?)\s*&&`)
	for _, s := range steps(t) {
		if m := list.FindStringSubmatch(s); m != nil {
			stage := map[string]bool{}
			for _, p := range strings.Fields(m[1]) {
				stage[p] = true
			}
			stages = append(stages, stage)
		}
	}
	return stages
}

// The image is built with what a build needs and runs with what serve needs: together that is what
// deploy/setup installs for both.
func TestPackagesAreThoseOfSetup(t *testing.T) {
	want, stages := needed(t, `= test`), installed(t)
	if len(stages) != 2 || len(want) < 8 {
		t.Fatalf("setup names %v, the stages %v", want, stages)
	}
	build, run := stages[0], stages[1]
	for dev := range build {
		if lib, ok := strings.CutSuffix(dev, "-dev"); ok && !run[lib+"0"] {
			t.Errorf("%s is built with and %s0 does not run", dev, lib)
		}
	}
	got := maps.Clone(build)
	for p := range run {
		if p != "ca-certificates" && !build[strings.TrimSuffix(p, "0")+"-dev"] {
			got[p] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the image has %v, setup %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	unit := read(t, "parley.service")
	for p := range run {
		if p != "ca-certificates" && !strings.Contains(unit, " "+p) {
			t.Errorf("the unit's comment does not install %s", p)
		}
	}
}

func TestBasesArePinned(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	n := 0
	for _, s := range steps(t) {
		image, ok := strings.CutPrefix(s, "FROM ")
		if !ok {
			continue
		}
		n++
		image, _, _ = strings.Cut(image, " ")
		name, tag, tagged := strings.Cut(image, ":")
		if !tagged || tag == "latest" || !strings.Contains(tag, "bookworm") {
			t.Errorf("%s is not pinned to Debian 12", image)
		}
		if name == "golang" && !strings.HasPrefix(tag, version) {
			t.Errorf("%s, but go.mod wants Go %s", image, version)
		}
	}
	if n != 2 {
		t.Errorf("%d stages", n)
	}
}

// What the image and the unit start must be what serve takes, on the ports that are named beside it.
func TestCommandsAreReal(t *testing.T) {
	unit := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/parley (.*)$`).FindStringSubmatch(read(t, "parley.service"))[1]
	image := ""
	for _, s := range steps(t) {
		if cmd, ok := strings.CutPrefix(s, "CMD "); ok {
			image = strings.NewReplacer(`"`, "", "[", "", "]", "", ",", "").Replace(cmd)
		}
	}
	for _, command := range []string{unit, image} {
		var cli struct {
			Serve serve.Cmd `cmd:""`
		}
		k, err := kong.New(&cli, serve.Vars())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Parse(strings.Fields(command)); err != nil {
			t.Errorf("%s: %v", command, err)
		}
		if !strings.HasSuffix(cli.Serve.Listen, ":8321") || !strings.HasSuffix(cli.Serve.Media, ":7882") {
			t.Errorf("%s listens on %s and %s", command, cli.Serve.Listen, cli.Serve.Media)
		}
	}
	if !slices.Contains(steps(t), "EXPOSE 8321/tcp 7882/udp") {
		t.Error("the image exposes other ports")
	}
}

func TestUnitIsHardenedAndWaitsForCalls(t *testing.T) {
	unit := map[string]string{}
	for line := range strings.Lines(read(t, "parley.service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = value
		}
	}
	for key, value := range map[string]string{
		"DynamicUser": "yes", "StateDirectory": "parley", "ProtectSystem": "strict", "NoNewPrivileges": "yes",
		"Restart": "on-failure", "KillMode": "mixed",
	} {
		if unit[key] != value {
			t.Errorf("%s=%s, want %s", key, unit[key], value)
		}
	}
	if unit["LimitNOFILE"] == "" {
		t.Error("no LimitNOFILE")
	}
	// serve lets calls end for 10 s, then stops its server in 2 s and the language model in 2 s.
	if d, err := time.ParseDuration(unit["TimeoutStopSec"]); err != nil || d < 15*time.Second {
		t.Errorf("TimeoutStopSec=%s", unit["TimeoutStopSec"])
	}
}
