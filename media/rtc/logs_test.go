package rtc

import (
	"log/slog"
	"strings"
	"testing"
)

func TestLogs(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := scopes{log}
	for _, scope := range []string{"ice", "pc", "other"} {
		l := s.NewLogger(scope)
		l.Trace("1")
		l.Tracef("%d", 1)
		l.Debug("2")
		l.Debugf("%d", 2)
		l.Info("3")
		l.Infof("%d", 3)
		l.Warn("4")
		l.Warnf("%d", 4)
		l.Error("5")
		l.Errorf("%d", 5)
	}
	for scope, want := range map[string]string{"ice": "55", "pc": "55", "other": "4455"} {
		got := ""
		for l := range strings.Lines(b.String()) {
			if strings.Contains(l, "scope="+scope) {
				_, text, _ := strings.Cut(strings.TrimSpace(l), "text=")
				got += text
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", scope, got, want)
		}
	}
}
