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
)

func TestFailed(t *testing.T) {
	for _, tt := range []struct {
		err   error
		code  codes.Code
		class error
	}{
		{status.Error(codes.Unavailable, "x"), codes.Unavailable, provider.ErrUnavailable},
		{status.Error(codes.Internal, "x"), codes.Internal, provider.ErrUnavailable},
		{status.Error(codes.ResourceExhausted, "x"), codes.ResourceExhausted, provider.ErrQuota},
		{status.Error(codes.Unauthenticated, "x"), codes.Unauthenticated, provider.ErrAuth},
		{status.Error(codes.PermissionDenied, "x"), codes.PermissionDenied, provider.ErrAuth},
		{status.Error(codes.InvalidArgument, "x"), codes.InvalidArgument, provider.ErrBadRequest},
		{status.Error(codes.NotFound, "x"), codes.NotFound, provider.ErrBadRequest},
		{context.DeadlineExceeded, codes.DeadlineExceeded, provider.ErrUnavailable},
		{errors.New("no token"), codes.Unauthenticated, provider.ErrAuth},
	} {
		if e, code := Failed(tt.err); code != tt.code || e.Class != tt.class || e.Code != code.String() {
			t.Errorf("%v becomes %v, code %v", tt.err, e, code)
		}
	}
	e, _ := Failed(status.Error(codes.Internal, "a\xff\n"+strings.Repeat("日", 500)+" Bearer abc"))
	if s := e.Error(); len(s) > 400 || strings.Contains(s, "\n") || !utf8.ValidString(s) || !strings.HasSuffix(s, "…") {
		t.Errorf("error %q", s)
	}
}

func TestAccess(t *testing.T) {
	for endpoint, good := range map[string]bool{
		"": true, "host:443": true, "http://127.0.0.1:1": true, "https://x": false, "http://": false, "http://user:secret@host": false,
	} {
		opts, err := Access{Endpoint: endpoint}.Options()
		if good != (err == nil && len(opts) > 0) || !good && !errors.Is(err, provider.ErrBadRequest) {
			t.Errorf("%q: %d options, error %v", endpoint, len(opts), err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v tells a password", err)
		}
	}
	if err := NoClient(errors.New("bad file: Bearer abc")); !errors.Is(err, provider.ErrAuth) || !strings.HasSuffix(err.Error(), "bad file: [key]") {
		t.Errorf("error %v", err)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("wrong: Bearer abc.def")
	f.Fuzz(func(t *testing.T, s string) {
		if p := plain(s); len(p) > maxText+4 || strings.ContainsAny(p, "\n\x00") {
			t.Errorf("%q", p)
		}
	})
}
