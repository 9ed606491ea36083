package main

import "errors"

// coded is an error with an exit code of its own: 1 says that things are not as they should be, 2 that it could not be found
// out.
type coded interface {
	error
	ExitCode() int
}

// exitCode is what the process ends with.
func exitCode(err error) int {
	if c, ok := errors.AsType[coded](err); ok {
		return c.ExitCode()
	}
	return 1
}
