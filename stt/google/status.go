package google

import (
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"parley/internal/provider"
)

const maxText = 300 // of Google's words, in bytes

// failure is a status of Google's.
type failure struct {
	said *provider.Error
	how  cut
}

func (f *failure) Error() string { return f.said.Error() }
func (f *failure) Unwrap() error { return f.said }
func (f *failure) cut() cut      { return f.how }

// failed gives an error of the client library its class; limits are the texts of an end that is none.
func failed(err error, code codes.Code, limits ...string) error {
	s, ok := status.FromError(err)
	if !ok {
		if s = status.FromContextError(err); s.Code() == codes.Unknown {
			s = status.New(codes.Unauthenticated, err.Error()) // the library's own words, of credentials
		}
	}
	f := &failure{said: &provider.Error{Class: class(s.Code()), Code: s.Code().String(), Text: plain(s.Message())}, how: fatal}
	switch s.Code() {
	case codes.Unavailable, codes.Aborted, codes.Canceled, codes.DeadlineExceeded:
		f.how = passing
	case codes.Internal, codes.Unknown, codes.DataLoss:
		f.how = once
	}
	for _, text := range limits {
		if s.Code() == code && strings.Contains(strings.ToLower(s.Message()), text) {
			f.how, f.said.Class = limit, provider.ErrUnavailable
		}
	}
	for _, d := range s.Details() {
		if r, ok := d.(interface{ GetRetryDelay() *durationpb.Duration }); ok {
			f.said.RetryAfter = min(max(r.GetRetryDelay().AsDuration(), 0), 24*time.Hour)
		}
	}
	return f
}

func class(c codes.Code) error {
	switch c {
	case codes.Unauthenticated, codes.PermissionDenied:
		return provider.ErrAuth
	case codes.ResourceExhausted:
		return provider.ErrQuota
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.AlreadyExists:
		return provider.ErrBadRequest
	}
	return provider.ErrUnavailable
}

// secret is what a server or the library may repeat of our credentials.
var secret = regexp.MustCompile(`(?i)bearer +\S+|ya29\.\S+|eyJ[\w-]+\.[\w-]+\.[\w-]+|AIza[\w-]{20,}|-----BEGIN[^-]*-----[^-]*`)

// plain makes one printable line of what Google says, without credentials.
func plain(s string) string {
	s = secret.ReplaceAllString(s, "[key]")
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
