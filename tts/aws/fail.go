package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"parley/internal/provider"
)

// credentials are those of the environment; the chain keeps them until they end.
func (v *Voice) credentials(ctx context.Context) (aws.Credentials, error) {
	creds, err := v.creds.Retrieve(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return creds, cause
	}
	if err != nil {
		return creds, fmt.Errorf("%w: no AWS credentials: %w", provider.ErrAuth, err)
	}
	return creds, nil
}

// statuses are what the service would answer by HTTP for exceptions in a stream.
var statuses = map[string]int{
	"ServiceFailureException": http.StatusInternalServerError, "ServiceQuotaExceededException": http.StatusTooManyRequests,
	"ThrottlingException": http.StatusTooManyRequests, "ValidationException": http.StatusBadRequest,
	"AccessDeniedException": http.StatusForbidden, "UnrecognizedClientException": http.StatusForbidden,
}

// failure gives err its class.
func (v *Voice) failure(ctx context.Context, err error) error {
	var late *provider.Timeout
	if errors.As(context.Cause(ctx), &late) {
		return late
	}
	if provider.ClassName(err) != "" {
		return err
	}
	var said smithy.APIError
	var answer *smithyhttp.ResponseError
	var sent *url.Error
	answered := errors.As(err, &answer) && answer.Response != nil && answer.Response.Response != nil && answer.HTTPStatusCode() != 0
	switch {
	case answered && errors.As(err, &said):
		return v.refusal(ctx, answer.HTTPStatusCode(), answer.Response.Header, said.ErrorCode(), said.ErrorMessage())
	case answered:
		return v.refusal(ctx, answer.HTTPStatusCode(), answer.Response.Header, "", "")
	case errors.As(err, &sent):
		err = sent.Err
	}
	return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
}

// refusal is an Error with the words of the service, which may repeat the request: without secrets.
func (v *Voice) refusal(ctx context.Context, status int, h http.Header, code, text string) *provider.Error {
	creds, _ := v.creds.Retrieve(ctx) // without them nothing was sent
	for _, secret := range []string{creds.SecretAccessKey, creds.SessionToken, creds.AccessKeyID} {
		if secret != "" {
			code, text = strings.ReplaceAll(code, secret, "[secret]"), strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	if code == "UnknownError" { // the library's word for an answer without one
		code, text = "", strings.TrimPrefix(text, "UnknownError")
	}
	data, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": text}}) // strings can be marshaled
	return provider.FromStatus(status, h, data)
}
