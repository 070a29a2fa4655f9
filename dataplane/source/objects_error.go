package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
)

// outage is a store's failure that may pass. It wraps nothing: what lies below
// may be an unexpected end, which of a file means that it is cut off.
type outage struct{ text string }

func (o *outage) Error() string { return o.text }

// wrong words an error of reading an object.
func (c *remote) wrong(err error) error {
	switch code := gcerrors.Code(err); {
	case bucketMissing(err):
	case code == gcerrors.NotFound && status(err) != 403:
		return vanished(c.planned)
	case code == gcerrors.FailedPrecondition, status(err) == 412:
		return changed(c.planned)
	}
	return c.bucket.wrong(c.ctx, c.planned.Name, err)
}

// wrong words an error: one line, no retry for what a person must mend.
func (b *bucket) wrong(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", name, context.Cause(ctx))
	}
	fail := func(text string) error { return &InputError{File: b.name, Text: text} }
	switch s := status(err); {
	case missingCredentials(err):
		return fail("this worker's environment holds no credentials")
	case strings.Contains(err.Error(), "endpoint rule error"):
		return fail("the region is not known: the URL takes ?region=…, the worker's environment AWS_REGION")
	case otherRegion(err, s):
		return fail("the bucket is of another region: the URL takes ?region=… (" + line(err) + ")")
	case s == 401, s == 403, badLogin(err):
		return fail("access is denied to the credentials of this worker's environment (" + line(err) + ")")
	case bucketMissing(err), s == 404 && code(err) == "":
		return fail("no such bucket")
	case s >= 400 && s < 500 && s != 408 && s != 425 && s != 429:
		return fail(line(err))
	}
	return &outage{"read " + name + ": " + line(err)}
}

// status is the HTTP status of a refusal; 0 is none.
func status(err error) int {
	var inS3 interface{ HTTPStatusCode() int }
	var inGCS *googleapi.Error
	switch {
	case errors.As(err, &inS3):
		return inS3.HTTPStatusCode()
	case errors.As(err, &inGCS):
		return inGCS.Code
	}
	return 0
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func bucketMissing(err error) bool { return code(err) == "NoSuchBucket" }

// badLogin knows what servers answer with other statuses than 401 and 403.
func badLogin(err error) bool {
	switch code(err) {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
		return true
	}
	return false
}

func otherRegion(err error, status int) bool {
	switch code(err) {
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return true
	}
	return status == 301
}

// missingCredentials knows the SDKs' texts: they have no type of their own.
func missingCredentials(err error) bool {
	text := err.Error()
	for _, known := range []string{"failed to refresh cached credentials", "static credentials are empty", "could not find default credentials"} {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

// lineMost bounds what of a library's text is repeated.
const lineMost = 200

// line is the heart of an error: what a service answered, or what broke the
// connection, without addresses of requests.
func line(err error) string {
	text := err.Error()
	var api smithy.APIError
	var inGCS *googleapi.Error
	var request *url.Error
	switch {
	case errors.As(err, &api):
		text = strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	case errors.As(err, &inGCS):
		text = fmt.Sprintf("%d: %s", inGCS.Code, inGCS.Message)
	case errors.As(err, &request):
		text = request.Err.Error()
	case errors.Unwrap(err) != nil:
		text = errors.Unwrap(err).Error() // the outermost layer repeats the URL
	}
	return clean(text)
}

// clean makes one line, not too long, of any text.
func clean(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > lineMost {
		text = strings.ToValidUTF8(text[:lineMost], "") + "…"
	}
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
