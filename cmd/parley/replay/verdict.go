package replay

// verdict is an error with an exit code: 1 says that things are not as they should be, 2 that it could not be found out.
type verdict struct {
	code int
	text string
}

func (v verdict) Error() string { return v.text }

// ExitCode is what the process ends with.
func (v verdict) ExitCode() int { return v.code }
