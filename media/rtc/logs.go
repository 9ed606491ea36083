package rtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// scopes gives pion's parts their loggers: slog with the part's name. They are heard from their warnings on, the quiet
// ones from their errors.
type scopes struct{ log *slog.Logger }

// quiet are the scopes whose warnings tell of every ordinary end of a call.
var quiet = map[string]slog.Level{
	"pc":   slog.LevelError,
	"ice":  slog.LevelError,
	"dtls": slog.LevelError,
	"sctp": slog.LevelError,
	"mux":  slog.LevelError,
}

// NewLogger implements logging.LoggerFactory.
func (s scopes) NewLogger(scope string) logging.LeveledLogger {
	level := slog.LevelWarn
	if l, ok := quiet[scope]; ok {
		level = l
	}
	return scoped{log: s.log.With(slog.String("scope", scope)), level: level}
}

// levelTrace is below Debug: pion tells of single packets there.
const levelTrace = slog.LevelDebug - 4

type scoped struct {
	log   *slog.Logger
	level slog.Level
}

func (s scoped) say(l slog.Level, text func() string) {
	ctx := context.Background()
	if l >= s.level && s.log.Enabled(ctx, l) {
		s.log.Log(ctx, l, "pion", slog.String("text", text()))
	}
}

func (s scoped) plain(l slog.Level, msg string) { s.say(l, func() string { return msg }) }

func (s scoped) Trace(msg string) { s.plain(levelTrace, msg) }
func (s scoped) Debug(msg string) { s.plain(slog.LevelDebug, msg) }
func (s scoped) Info(msg string)  { s.plain(slog.LevelInfo, msg) }
func (s scoped) Warn(msg string)  { s.plain(slog.LevelWarn, msg) }
func (s scoped) Error(msg string) { s.plain(slog.LevelError, msg) }

func (s scoped) Tracef(f string, args ...any) {
	s.say(levelTrace, func() string { return fmt.Sprintf(f, args...) })
}

func (s scoped) Debugf(f string, args ...any) {
	s.say(slog.LevelDebug, func() string { return fmt.Sprintf(f, args...) })
}

func (s scoped) Infof(f string, args ...any) {
	s.say(slog.LevelInfo, func() string { return fmt.Sprintf(f, args...) })
}

func (s scoped) Warnf(f string, args ...any) {
	s.say(slog.LevelWarn, func() string { return fmt.Sprintf(f, args...) })
}

func (s scoped) Errorf(f string, args ...any) {
	s.say(slog.LevelError, func() string { return fmt.Sprintf(f, args...) })
}
