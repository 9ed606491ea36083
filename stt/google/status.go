package google

import (
	"strings"

	"google.golang.org/grpc/codes"

	"parley/internal/provider"
	"parley/internal/provider/google"
	"parley/stt/rotate"
)

// failed gives an error of the client library its class; limits are the texts of an end that is none.
func failed(err error, code codes.Code, limits ...string) error {
	said, c := google.Failed(err)
	f := &rotate.Failure{Err: said, Cut: rotate.Fatal}
	switch c {
	case codes.Unavailable, codes.Aborted, codes.Canceled, codes.DeadlineExceeded:
		f.Cut = rotate.Passing
	case codes.Internal, codes.Unknown, codes.DataLoss:
		f.Cut = rotate.Once
	}
	for _, text := range limits {
		if c == code && strings.Contains(strings.ToLower(said.Text), text) {
			f.Cut, said.Class = rotate.Limit, provider.ErrUnavailable
		}
	}
	return f
}
