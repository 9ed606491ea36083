// Package provider holds what every kind of provider shares: the classes of errors, deadlines on a
// stream, and the reading of server-sent events. It imports the standard library only.
package provider

import "errors"

// The classes of a provider's errors. The class decides what the caller does: an adapter wraps one of
// them into every error that it returns, together with what was tried.
var (
	ErrAuth        = errors.New("not authorized")   // wrong or missing credentials: do not retry
	ErrQuota       = errors.New("quota exceeded")   // out of quota or rate: retry later or elsewhere
	ErrBadRequest  = errors.New("request refused")  // our fault: do not retry
	ErrUnavailable = errors.New("unavailable")      // the provider's fault or the network's: retry
	ErrTruncated   = errors.New("stream cut short") // it stopped before its end: what came is incomplete
)

// classes have names, for records and logs that outlive the process.
var classes = []struct {
	name string
	err  error
}{
	{"auth", ErrAuth}, {"quota", ErrQuota}, {"bad request", ErrBadRequest}, {"unavailable", ErrUnavailable}, {"truncated", ErrTruncated},
}

// ClassName names the class of an error; empty if it has none.
func ClassName(err error) string {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return ""
}

// NamedClass is the class of a name; nil if there is none.
func NamedClass(name string) error {
	for _, c := range classes {
		if c.name == name {
			return c.err
		}
	}
	return nil
}
