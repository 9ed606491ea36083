package rec

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"parley/agent/archive"
)

func TestLsFilters(t *testing.T) {
	dir := t.TempDir()
	kept(t, dir, "c1", "") // three seconds of 2000-01-01
	for args, want := range map[string]int{
		"": 1, "--since 1999-12-31": 1, "--since 2000-01-02": 0, "--until 2000-01-03T00:00": 1, "--since 1d": 0, "--until 2w": 1, "--min 3s": 1, "--min 4s": 0,
		"--max 3s": 1, "--max 2s": 0, "--state closed": 1, "--state killed": 0, "--text nothing": 0, "--limit 1": 1,
	} {
		out, err := parley(t, append([]string{"ls", "--json", dir}, strings.Fields(args)...)...)
		if err != nil || strings.Count(out, "\n") != want {
			t.Errorf("%s: %s %v, want %d", args, out, err, want)
		}
		var e archive.Entry
		if want == 1 && (json.Unmarshal([]byte(out), &e) != nil || e.ID != "c1" || e.Length != 3*time.Second || e.Bytes < 1000) {
			t.Errorf("%+v", e)
		}
	}
	if _, err := parley(t, "ls", dir, "--limit=-1"); err == nil {
		t.Error("--limit -1")
	}
	if _, err := parley(t, "ls", dir+"/no"); err == nil {
		t.Error("a folder that is not there")
	}
}

func TestMoment(t *testing.T) {
	for _, bad := range []string{"", "0", "yesterday", "2026-13-01", "2026-03-01T25:00", "-1d", "3"} {
		var m moment
		if err := m.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, m)
		}
	}
	var m moment
	if err := m.UnmarshalText([]byte("2026-03-01T09:30:00+02:00")); err != nil || !m.Equal(time.Date(2026, 3, 1, 7, 30, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", m, err)
	}
}
