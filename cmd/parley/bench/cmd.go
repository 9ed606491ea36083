// Package bench is the verb "bench": it starts a server as a child process, phones it with human speech, and prints
// how fast it answers and what that costs.
//
// The caller's figures come from packets on the wire and from the operating system. What only the server knows (how
// long it chose to wait for more speech, when it decided to fall silent) comes from its messages and its log, and is
// named so where it is printed.
package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"parley/internal/corpus"
)

// Cmd is the verb.
type Cmd struct {
	Load   LoadCmd   `cmd:"" help:"Many callers, engines that cost nothing: what a session costs and how much time we add."`
	Churn  ChurnCmd  `cmd:"" help:"Callers who come and go in every way there is: what is left of them."`
	Record RecordCmd `cmd:"" help:"The load with and without a record: what recording costs, in processor time, punctuality and bytes."`
	Net    NetCmd    `cmd:"" help:"Human speech over bad networks: what is lost, what is later, how many words the recognizer gets wrong."`
	Turns  TurnsCmd  `cmd:"" help:"Whose turn it is: thresholds over human speech or recorded calls, in simulated time."`
	Talk   TalkCmd   `cmd:"" help:"One caller, real engines: how fast it answers, whom it cuts off, how fast it falls silent."`

	Steady      SteadyCmd      `cmd:"" hidden:"" help:"The callers who stay in bench churn."`
	MediaServer MediaServerCmd `cmd:"" hidden:"" help:"The server of bench load --job media."`
}

// Why a bench fails although it ran.
var (
	ErrLeak       = errors.New("the server did not return to what it was before the calls")
	ErrUnanswered = errors.New("turns went without an answer")
)

// header says what was run, and where. No serve: the server is not that of the verb serve.
func header(out io.Writer, what string, serve []string) {
	fmt.Fprintf(out, "%s\ncommand: %s\n", what, strings.Join(append([]string{"parley"}, os.Args[1:]...), " "))
	if serve != nil {
		fmt.Fprintf(out, "server:  parley serve %s\n", quoted(serve))
	}
	fmt.Fprintf(out, "machine: %s\n\n", machine())
}

// quoted is a command's arguments as a shell would want them.
func quoted(args []string) string {
	all := make([]string, len(args))
	for i, a := range args {
		if all[i] = a; strings.ContainsAny(a, " '\"$&|;<>*?()") {
			all[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(all, " ")
}

// machine describes this computer in a line.
func machine() string {
	return fmt.Sprintf("%d × %s, %s of memory, %s %s, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		field("/proc/meminfo", "MemTotal"), runtime.GOOS, firstLine("/proc/sys/kernel/osrelease"), runtime.Version())
}

// field is the value of the first "name : value" in a file of /proc.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// speech is human speech of a length, or an error that says what to install.
func speech(min, max time.Duration) ([]corpus.Utterance, error) {
	all, err := corpus.Load(min, max)
	if err != nil {
		return nil, fmt.Errorf("load speech: %w", err)
	}
	return all, nil
}
