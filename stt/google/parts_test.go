package google

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/provider"
	"parley/stt/rotate"
)

func TestFailed(t *testing.T) {
	err := failedV1(status.Error(codes.Internal, "a\xff\n"+strings.Repeat("日", 500)+" Bearer abc"))
	if s := err.Error(); len(s) > 400 || strings.Contains(s, "\n") || !utf8.ValidString(s) || !strings.HasSuffix(s, "…") {
		t.Errorf("error %q", s)
	}
	for _, err := range []error{longV1, quietV1} {
		if e := failedV1(err); rotate.Judge(e) != rotate.Limit || !errors.Is(e, provider.ErrUnavailable) {
			t.Errorf("%v is judged %v", e, rotate.Judge(e))
		}
	}
	for _, err := range []error{longV2, quietV2} {
		if e := failedV2(err); rotate.Judge(e) != rotate.Limit {
			t.Errorf("%v is judged %v", e, rotate.Judge(e))
		}
	}
	if e := failedV1(context.DeadlineExceeded); !errors.Is(e, provider.ErrUnavailable) {
		t.Errorf("error %v", e)
	}
	if e := failedV1(errors.New("no token")); !errors.Is(e, provider.ErrAuth) || rotate.Judge(e) != rotate.Fatal {
		t.Errorf("error %v", e)
	}
}
