package streamtest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Failures runs the check of that name apart from t and returns what it complained of. It is how a suite
// is itself tested: an implementation broken in one way must be found.
func Failures(t testing.TB, checks []Check, name string) []string {
	t.Helper()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check is named %q", name)
	}
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // a failing check may end its goroutine
		defer close(done)
		defer r.clean()
		checks[i].Run(r)
	}()
	<-done
	return r.said
}

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	mu    sync.Mutex
	said  []string
	after []func()
}

func (r *recorder) fail(s string) {
	r.mu.Lock()
	r.said = append(r.said, s)
	r.mu.Unlock()
}

func (r *recorder) clean() {
	for i := len(r.after) - 1; i >= 0; i-- {
		r.after[i]()
	}
}

// The methods of testing.TB that a check may use.

func (r *recorder) Helper()                         {}
func (r *recorder) Cleanup(f func())                { r.after = append(r.after, f) }
func (r *recorder) Log(args ...any)                 {}
func (r *recorder) Logf(format string, args ...any) {}
func (r *recorder) Error(args ...any)               { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.fail(fmt.Sprintf(format, args...))
}
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); r.FailNow() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); r.FailNow() }

// FailNow ends the check.
func (r *recorder) FailNow() {
	r.fail("the check was ended")
	runtime.Goexit()
}
