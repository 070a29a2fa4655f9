package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
)

// bucket is a store of objects below a prefix.
type bucket struct {
	blob   *blob.Bucket
	prefix string // empty, or with a slash behind
	name   string // for a person
}

// openS3 takes the parameters of s3blob: region, endpoint, use_path_style and so on.
func openS3(ctx context.Context, u *url.URL) (store, error) {
	q := u.Query()
	if !q.Has("response_checksum_validation") {
		q.Set("response_checksum_validation", "when_required") // ranges have none, and the SDK would log that for each
	}
	with := *u
	with.RawQuery = q.Encode()
	b, err := new(s3blob.URLOpener).OpenBucketURL(ctx, &with)
	if err != nil {
		return nil, &InputError{File: bare(u), Text: line(err)}
	}
	return newBucket(b, u), nil
}

// openGCS takes the parameter anonymous; other credentials are the environment's.
func openGCS(ctx context.Context, u *url.URL) (store, error) {
	client := gcp.NewAnonymousHTTPClient(gcp.DefaultTransport())
	if u.Query().Get("anonymous") != "true" {
		found, err := gcp.DefaultCredentials(ctx)
		if err != nil {
			return nil, &InputError{File: bare(u), Text: "this worker's environment holds no Google credentials"}
		}
		if client, err = gcp.NewHTTPClient(gcp.DefaultTransport(), gcp.CredentialsTokenSource(found)); err != nil {
			return nil, &InputError{File: bare(u), Text: line(err)}
		}
	}
	b, err := gcsblob.OpenBucket(ctx, client, u.Host, nil)
	if err != nil {
		return nil, &InputError{File: bare(u), Text: line(err)}
	}
	return newBucket(b, u), nil
}

func newBucket(b *blob.Bucket, u *url.URL) *bucket {
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{b, prefix, bare(u)}
}

func (b *bucket) String() string { return b.name }

func (b *bucket) Close() error { return b.blob.Close() }

func (b *bucket) list(ctx context.Context, prefix string, visit func(object) error) error {
	all := b.blob.List(&blob.ListOptions{Prefix: b.prefix + prefix})
	for {
		o, err := all.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return b.wrong(ctx, b.name, err)
		}
		if err := visit(object{strings.TrimPrefix(o.Key, b.prefix), o.Size, listedVersion(o)}); err != nil {
			return err
		}
	}
}

// listedVersion is the ETag or generation of an object; a driver that has
// neither gives a hash.
func listedVersion(o *blob.ListObject) string {
	var inS3 types.Object
	var inGCS storage.ObjectAttrs
	switch {
	case o.As(&inS3) && inS3.ETag != nil:
		return strings.Trim(*inS3.ETag, `"`)
	case o.As(&inGCS):
		return strconv.FormatInt(inGCS.Generation, 10)
	}
	return fmt.Sprintf("%x", o.MD5)
}
