package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

func (b *bucket) open(ctx context.Context, o object) (content, error) {
	c := &remote{ctx: ctx, bucket: b, planned: o}
	if o.Size > wholeBytes {
		return c, nil
	}
	r, err := c.stream()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // read only
	data := make([]byte, o.Size)
	if _, err := c.full(r, data); err != nil {
		return nil, err
	}
	c.whole = bytes.NewReader(data)
	return c, nil
}

// wholeBytes is the size up to which an object is read by one request.
const wholeBytes = 8 << 20

// remote is an object of a bucket. Each request asks for the planned version.
type remote struct {
	ctx     context.Context //nolint:containedctx // an io.ReaderAt has no other way to be told
	bucket  *bucket
	planned object
	whole   *bytes.Reader // of a small object
}

func (c *remote) ReadAt(p []byte, off int64) (int, error) {
	if c.whole != nil {
		return c.whole.ReadAt(p, off)
	}
	r, err := c.from(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer r.Close() //nolint:errcheck // read only
	return c.full(r, p)
}

// full fills p; an answer that ends before that was cut off on its way.
func (c *remote) full(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &outage{"read " + c.planned.Name + ": the answer ends too early"}
	}
	return n, err
}

func (c *remote) stream() (io.ReadCloser, error) {
	if c.whole != nil {
		_, err := c.whole.Seek(0, io.SeekStart)
		return io.NopCloser(c.whole), err
	}
	return c.from(0, -1)
}

// from reads n bytes, or to the end when n is negative.
func (c *remote) from(off, n int64) (io.ReadCloser, error) {
	r, err := c.bucket.blob.NewRangeReader(c.ctx, c.bucket.prefix+c.planned.Name, off, n, &blob.ReaderOptions{BeforeRead: c.pin})
	if err != nil {
		return nil, c.wrong(err)
	}
	if !c.pinned(r) {
		_ = r.Close() // read only
		return nil, changed(c.planned)
	}
	return &body{r, c}, nil
}

// pin makes a request refuse every version but the planned one.
func (c *remote) pin(as func(any) bool) error {
	var inS3 *s3.GetObjectInput
	var inGCS **storage.ObjectHandle
	switch {
	case as(&inS3):
		etag := `"` + c.planned.Version + `"`
		inS3.IfMatch = &etag
	case as(&inGCS):
		if generation, err := strconv.ParseInt(c.planned.Version, 10, 64); err == nil {
			*inGCS = (*inGCS).Generation(generation)
		}
	}
	return nil
}

// pinned tells whether what is read is the planned version, for servers that
// pass over the pin.
func (c *remote) pinned(r *blob.Reader) bool {
	var inS3 s3.GetObjectOutput
	var inGCS *storage.Reader
	switch {
	case r.As(&inS3):
		return inS3.ETag == nil || strings.Trim(*inS3.ETag, `"`) == c.planned.Version
	case r.As(&inGCS):
		return strconv.FormatInt(inGCS.Attrs.Generation, 10) == c.planned.Version
	}
	return c.check() == nil
}

// check holds a driver that cannot pin to the planned version.
func (c *remote) check() error {
	var inS3 *s3.Client
	var inGCS *storage.Client
	if c.bucket.blob.As(&inS3) || c.bucket.blob.As(&inGCS) {
		return nil
	}
	now, err := c.bucket.blob.Attributes(c.ctx, c.bucket.prefix+c.planned.Name)
	if err != nil {
		return c.wrong(err)
	}
	if fmt.Sprintf("%x", now.MD5) != c.planned.Version {
		return changed(c.planned)
	}
	return nil
}

// Close has nothing to let go of: each request closes its own reader.
func (c *remote) Close() error { return nil }

// body words the errors of a reader, which may break at any byte.
type body struct {
	*blob.Reader
	of *remote
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, b.of.wrong(err)
	}
	return n, err
}
