package turn

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// quiet gives pion its loggers. Anybody can make it complain, so all that it says is Debug, and what it says of
// single packets nothing.
type quiet struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (q quiet) Trace(string)          {}
func (q quiet) Debug(string)          {}
func (q quiet) Info(string)           {}
func (q quiet) Warn(msg string)       { q.Warnf("%s", msg) }
func (q quiet) Error(msg string)      { q.Warnf("%s", msg) }
func (q quiet) Tracef(string, ...any) {}
func (q quiet) Debugf(string, ...any) {}
func (q quiet) Infof(string, ...any)  {}

func (q quiet) Errorf(f string, args ...any) { q.Warnf(f, args...) }

func (q quiet) Warnf(f string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("turn", slog.String("text", fmt.Sprintf(f, args...)))
	}
}
