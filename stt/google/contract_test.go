package google

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/stt"
	"parley/stt/sttest"
)

func TestContract(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			f := &fake{perText: 3}
			f.start(t)
			down := &fake{plans: func(int) plan { return plan{refuse: status.Error(codes.Unavailable, "try again")} }}
			down.start(t)
			var r *Recognizer
			sttest.Run(t, sttest.Options{
				New: func(t testing.TB) stt.Recognizer {
					r = f.client(t, Options{Version: version, Words: true})
					return r
				},
				Broken: func(t testing.TB) stt.Recognizer {
					r = down.client(t, Options{Version: version})
					return r
				},
				Speech: words(1, 5),
				Heard: func(text string) error {
					if text != spoken(1, 5) && text != spoken(1, 5)+" "+spoken(1, 5) {
						return fmt.Errorf("heard %q", text)
					}
					return nil
				},
				Release: func() { _ = r.Close() },
			})
		})
	}
}
