package serve

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"parley/agent/turn"
)

// leaves are the values of a struct's fields and of their fields, by path.
func leaves(v reflect.Value, path string, all map[string]any) map[string]any {
	for i := range v.NumField() {
		f, name := v.Field(i), path+"."+v.Type().Field(i).Name
		if f.Kind() == reflect.Struct {
			leaves(f, name, all)
			continue
		}
		all[name] = f.Interface()
	}
	return all
}

func thresholds(c turn.Config) map[string]any {
	return leaves(reflect.ValueOf(c), "turn.Config", map[string]any{})
}

// Every threshold has a flag of its own, whose default is the default.
func TestEveryThresholdHasAFlag(t *testing.T) {
	k, err := kong.New(&Cmd{}, Vars())
	if err != nil {
		t.Fatal(err)
	}
	c, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	defaults := thresholds(turn.Config{}.WithDefaults())
	if got := thresholds(c.turns()); !reflect.DeepEqual(got, defaults) {
		t.Errorf("the flags' defaults are\n%v, those of package turn\n%v", got, defaults)
	}
	if err := c.checkTurns(); err != nil {
		t.Error(err)
	}
	set := map[string]string{}
	for _, f := range k.Model.Flags {
		if f.Group == nil || f.Group.Title != "Turn-taking:" {
			continue
		}
		other, ok := map[reflect.Kind]string{reflect.Int64: "7m", reflect.Int: "7", reflect.Float32: "0.7", reflect.Float64: "1.7"}[f.Target.Kind()]
		if !ok || f.Name == "patience" { // of all thresholds
			continue
		}
		c, err := parsed("--"+f.Name, other)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range thresholds(c.turns()) {
			if v == defaults[name] {
				continue
			}
			if was := set[name]; was != "" {
				t.Errorf("--%s and --%s set %s", was, f.Name, name)
			}
			set[name] = f.Name
		}
	}
	used := map[string]bool{}
	for name, v := range defaults {
		if reflect.ValueOf(v).IsZero() {
			t.Errorf("%s has no default", name)
		}
		if set[name] == "" {
			t.Errorf("%s has no flag", name)
		}
		used[set[name]] = true
	}
	if len(used) != len(defaults) {
		t.Errorf("%d flags for %d thresholds: %v", len(used), len(defaults), set)
	}
}

// One flag makes the agent more patient, or less, and no wait shorter than the one before it.
func TestPatience(t *testing.T) {
	for args, want := range map[string]turn.End{
		"--patience 2":                 {Short: 680 * time.Millisecond, Middle: 1700 * time.Millisecond, Long: 4200 * time.Millisecond, Dangling: 5 * time.Second, Spelled: 4200 * time.Millisecond},
		"--patience 0.5 --short 100ms": {Short: 100 * time.Millisecond, Middle: 425 * time.Millisecond, Long: 1050 * time.Millisecond, Dangling: 1250 * time.Millisecond, Spelled: 1050 * time.Millisecond},
	} {
		c, err := parsed(strings.Fields(args)...)
		if err != nil || c.checkTurns() != nil {
			t.Fatal(err, c.checkTurns())
		}
		is, was := c.turns(), turn.Config{}.WithDefaults()
		got := turn.End{Short: is.End.Short, Middle: is.End.Middle, Long: is.End.Long, Dangling: is.End.Dangling, Spelled: is.End.Spelled}
		if got != want {
			t.Errorf("%s: %+v, want %+v", args, got, want)
		}
		is.End.Short, is.End.Middle, is.End.Long, is.End.Dangling, is.End.Spelled = was.End.Short, was.End.Middle, was.End.Long, was.End.Dangling, was.End.Spelled
		if is != was {
			t.Errorf("%s changes more than the ends: %+v", args, is)
		}
	}
}

func TestBadThresholds(t *testing.T) {
	for args, want := range map[string]string{
		"--short 1s":               "--short 1s ≤ --middle 850ms",
		"--ahead 900ms":            "the waits must grow",
		"--ahead 0s":               "--ahead is 0s",
		"--rewind 0s":              "--rewind is 0s: it must be longer than nothing",
		"--answer-wait=-1s":        "--answer-wait is -1s",
		"--voice-stop 0.6":         "0 < --voice-stop 0.6 ≤ --voice-start 0.5 ≤ 1",
		"--voice-start NaN":        "--voice-start NaN",
		"--voice-start 1.5":        "--voice-start 1.5 ≤ 1",
		"--sounds-open 0":          "0 < --sounds-open 0",
		"--sounds-done 0.02":       "--sounds-open 0.04 ≤ --sounds-done 0.02",
		"--interrupt-words 0":      "--interrupt-words is 0",
		"--check-in 0s":            "-1s for never",
		"--patience 0.4":           "--patience is 0.4: it is a factor from 0.5 to 3",
		"--patience NaN":           "--patience is NaN",
		"--keep 30d --check-in 5s": "add --record DIR",
	} {
		c, err := parsed(strings.Fields(args)...)
		if err == nil {
			err = c.Run(t.Context(), io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	c, err := parsed("--check-in=-1s", "--give-up=-1s")
	if err == nil {
		err = c.checkTurns()
	}
	if err != nil {
		t.Error(err)
	}
}
