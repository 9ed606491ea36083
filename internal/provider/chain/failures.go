package chain

import (
	"errors"
	"slices"
	"strings"

	"parley/internal/provider"
)

// classes of errors, from the one most likely to pass to the one that needs us. An error of none is before them all.
var classes = []error{provider.ErrUnavailable, provider.ErrTruncated, provider.ErrQuota, provider.ErrBadRequest, provider.ErrAuth}

// failures are errors of several providers as one. Unlike those of errors.Join it has one class.
type failures []error

// Error is all of them, on one line.
func (f failures) Error() string {
	all := make([]string, len(f))
	for i, err := range f {
		all[i] = err.Error()
	}
	return strings.Join(all, "; ")
}

// Is is about the class, if target is one; else about any of the errors.
func (f failures) Is(target error) bool {
	if slices.Contains(classes, target) {
		return f.class() == target
	}
	return slices.ContainsFunc(f, func(err error) bool { return errors.Is(err, target) })
}

// As finds the first error of a type among those of the class.
func (f failures) As(target any) bool {
	class := f.class()
	return slices.ContainsFunc(f, func(err error) bool { return classOf(err) == class && errors.As(err, target) })
}

func (f failures) class() error {
	best := len(classes) - 1
	for _, err := range f {
		best = min(best, slices.Index(classes, classOf(err)))
	}
	if best < 0 {
		return nil
	}
	return classes[best]
}

func classOf(err error) error { return provider.NamedClass(provider.ClassName(err)) }
