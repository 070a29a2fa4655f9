package lake

import (
	"github.com/apache/arrow/go/v17/parquet/compress"
)

// shared is the Parquet library's zstd with one encoder for all pages of the level
// that is written here. The library makes a new one for each page, a megabyte or
// two, which costs more than packing the small columns of a feature table. The
// bytes are the same.
type shared struct{ compress.Codec }

// EncodeLevel packs one page.
func (s shared) EncodeLevel(dst, src []byte, level int) []byte {
	if level == zstdLevel {
		return s.Encode(dst, src) // the library's default level is this one
	}
	return s.Codec.EncodeLevel(dst, src, level)
}

// init, as the library asks for, runs before anybody reads the table of codecs. It
// has encoder and decoder made as well: their channels would belong to whichever
// bubble of simulated time used them first.
func init() { //nolint:gochecknoinits // see above
	theirs, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(err) // the library has had it in all of its versions
	}
	theirs.Decode(nil, theirs.Encode(nil, []byte{0}))
	compress.RegisterCodec(compress.Codecs.Zstd, shared{theirs})
}
