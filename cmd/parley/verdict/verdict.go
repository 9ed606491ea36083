// Package verdict is how the verbs that judge end: with an exit code that a script can tell apart.
package verdict

import "fmt"

// Verdict is an error with an exit code. It does not unwrap: a verb that was broken off has found nothing out, and must not pass
// for a program that ended well because it was asked to stop.
type Verdict struct {
	Code int
	Text string
}

// Bad says that things are not as they should be: exit code 1.
func Bad(format string, args ...any) error { return Verdict{1, fmt.Sprintf(format, args...)} }

// Unknown says that it could not be found out, and why: exit code 2.
func Unknown(err error) error { return Verdict{2, err.Error()} }

func (v Verdict) Error() string { return v.Text }

// ExitCode is what the process ends with.
func (v Verdict) ExitCode() int { return v.Code }
