// Package google is what Google's services have in common: how they are reached, and what their errors mean.
package google

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"parley/internal/provider"
)

const maxText = 300 // of Google's words, in bytes

// Access is where a service is and who asks.
type Access struct {
	// Endpoint is another host:port; empty is Google's. With http:// before it neither TLS nor credentials are used.
	Endpoint    string
	Credentials string        // path of a service account's JSON file; empty: Application Default Credentials
	Connect     time.Duration // how long the caller waits for a connection
}

// Options are those of a client library. Their error is provider.ErrBadRequest: an endpoint that is none.
func (a Access) Options() ([]option.ClientOption, error) {
	host, bare := strings.CutPrefix(a.Endpoint, "http://")
	if strings.ContainsAny(host, "/ @") || bare && host == "" {
		return nil, fmt.Errorf("%w: endpoint of Google must be like host:port, or http://host:port without TLS", provider.ErrBadRequest)
	}
	back := backoff.DefaultConfig // its longest wait is two minutes
	back.BaseDelay, back.MaxDelay = 100*time.Millisecond, 2*time.Second
	opts := []option.ClientOption{option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: back, MinConnectTimeout: a.Connect + time.Second, // the caller's own limit tells more
	}))}
	if host != "" {
		opts = append(opts, option.WithEndpoint(host))
	}
	switch {
	case bare:
		opts = append(opts, option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	case a.Credentials != "":
		opts = append(opts, option.WithAuthCredentialsFile(option.ServiceAccount, a.Credentials))
	}
	return opts, nil
}

// NoClient says why a client library did not give a client: it has no credentials.
func NoClient(err error) error {
	return fmt.Errorf("%w: set GOOGLE_APPLICATION_CREDENTIALS to a service account's file, or run 'gcloud auth application-default login': %s",
		provider.ErrAuth, plain(err.Error()))
}

// Failed gives an error of a client library its class, and takes credentials out of its text. code is Google's own.
func Failed(err error) (e *provider.Error, code codes.Code) {
	s, ok := status.FromError(err)
	if !ok {
		if s = status.FromContextError(err); s.Code() == codes.Unknown {
			s = status.New(codes.Unauthenticated, err.Error()) // the library's own words, of credentials
		}
	}
	e = &provider.Error{Class: class(s.Code()), Code: s.Code().String(), Text: plain(s.Message())}
	for _, d := range s.Details() {
		if r, ok := d.(interface{ GetRetryDelay() *durationpb.Duration }); ok {
			e.RetryAfter = min(max(r.GetRetryDelay().AsDuration(), 0), 24*time.Hour)
		}
	}
	return e, s.Code()
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
