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

// failed gives an error of the client library its class. An answer that broke off is provider.ErrTruncated.
func failed(err error, begun bool) *provider.Error {
	s, ok := status.FromError(err)
	if !ok {
		if s = status.FromContextError(err); s.Code() == codes.Unknown {
			s = status.New(codes.Unauthenticated, err.Error()) // the library's own words, of credentials
		}
	}
	e := &provider.Error{Class: class(s.Code()), Code: s.Code().String(), Text: plain(s.Message())}
	if begun && e.Class == provider.ErrUnavailable {
		e.Class = provider.ErrTruncated
	}
	for _, d := range s.Details() {
		if r, ok := d.(interface{ GetRetryDelay() *durationpb.Duration }); ok {
			e.RetryAfter = min(max(r.GetRetryDelay().AsDuration(), 0), 24*time.Hour)
		}
	}
	return e
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
