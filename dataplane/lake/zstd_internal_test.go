package lake

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/parquet/compress"
)

// A page has the bytes that the library's own encoder of the level gives it.
func TestTheSharedEncoderWritesTheLibrarysBytes(t *testing.T) {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	ours, ok := codec.(shared)
	if !ok {
		t.Fatalf("pages are packed by a %T", codec)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 100, 5_000, 300_000} {
		page := make([]byte, size)
		for k := range page {
			page[k] = byte(r.IntN(1 + k%7))
		}
		got, want := ours.EncodeLevel(nil, page, zstdLevel), ours.Codec.EncodeLevel(nil, page, zstdLevel)
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes are packed otherwise", size)
		}
		if back := codec.Decode(nil, got); !bytes.Equal(back, page) {
			t.Errorf("%d bytes are not what they were", size)
		}
		if fast := codec.EncodeLevel(nil, page, 1); size == 300_000 && bytes.Equal(fast, got) {
			t.Error("another level gives the same bytes")
		}
	}
}
