package source

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow/float16"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// valueText writes the values of a column as text, as Values wants it.
type valueText struct {
	width int                                 // bytes of a value; 0: each has its own length
	whole func(buf []byte, v int64) []byte    // of a column of whole numbers, else nil
	raw   func(buf []byte, raw []byte) []byte // of the bytes of a value
}

func newValueText(c *schema.Column) (valueText, error) {
	if d, ok := c.LogicalType().(*schema.DecimalLogicalType); ok && (d.Scale() < 0 || d.Scale() > mostScale) {
		return valueText{}, fmt.Errorf("its type, %v, cannot be read", c)
	}
	switch c.PhysicalType() {
	case parquet.Types.Boolean:
		return valueText{}, nil // it is read as a dictionary of two
	case parquet.Types.Int32:
		return wholeText(c, 4), nil
	case parquet.Types.Int64:
		return wholeText(c, 8), nil
	case parquet.Types.Int96:
		return valueText{width: 12, raw: appendInt96}, nil
	case parquet.Types.Float:
		return valueText{width: 4, raw: func(buf, raw []byte) []byte {
			return appendFloat(buf, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), 32)
		}}, nil
	case parquet.Types.Double:
		return valueText{width: 8, raw: func(buf, raw []byte) []byte {
			return appendFloat(buf, math.Float64frombits(binary.LittleEndian.Uint64(raw)), 64)
		}}, nil
	case parquet.Types.ByteArray:
		return bytesText(c, 0), nil
	case parquet.Types.FixedLenByteArray:
		if c.TypeLength() > 0 {
			return bytesText(c, c.TypeLength()), nil
		}
	}
	return valueText{}, fmt.Errorf("its type, %v, cannot be read", c)
}

const (
	mostScale     = 1 << 10
	mostDecimal   = 1 << 10 // bytes
	secondsPerDay = 24 * 60 * 60
)

// wholeText is of 4 or 8 bytes, lowest first.
func wholeText(c *schema.Column, width int) valueText {
	whole := func(buf []byte, v int64) []byte { return strconv.AppendInt(buf, v, 10) }
	switch kind := c.LogicalType().(type) {
	case schema.DateLogicalType:
		whole = func(buf []byte, v int64) []byte {
			return time.Unix(v*secondsPerDay, 0).UTC().AppendFormat(buf, time.DateOnly)
		}
	case *schema.TimestampLogicalType:
		whole = timestampText(kind.TimeUnit())
	case *schema.DecimalLogicalType:
		whole = func(buf []byte, v int64) []byte { return appendDecimal(buf, big.NewInt(v), int(kind.Scale())) }
	case *schema.IntLogicalType:
		if !kind.IsSigned() {
			mask := uint64(math.MaxUint64) >> (64 - 8*width)
			whole = func(buf []byte, v int64) []byte { return strconv.AppendUint(buf, uint64(v)&mask, 10) }
		}
	}
	t := valueText{width: width, whole: whole, raw: func(buf, raw []byte) []byte { return whole(buf, int64(binary.LittleEndian.Uint64(raw))) }}
	if width == 4 {
		t.raw = func(buf, raw []byte) []byte { return whole(buf, int64(int32(binary.LittleEndian.Uint32(raw)))) }
	}
	return t
}

func bytesText(c *schema.Column, width int) valueText {
	t := valueText{width: width, raw: func(buf, raw []byte) []byte { return append(buf, raw...) }}
	switch kind := c.LogicalType().(type) {
	case *schema.DecimalLogicalType:
		t.raw = func(buf, raw []byte) []byte {
			if len(raw) > mostDecimal {
				return hex.AppendEncode(buf, raw) // no sound file holds such a number
			}
			return appendDecimal(buf, twosComplement(raw), int(kind.Scale()))
		}
	case schema.UUIDLogicalType:
		t.raw = appendUUID
	case schema.Float16LogicalType:
		t.raw = func(buf, raw []byte) []byte {
			return appendFloat(buf, float64(float16.FromLEBytes(raw).Float32()), 32)
		}
	}
	return t
}

// timestampText is RFC 3339 in UTC, to microseconds; a time without a zone is
// taken to be in UTC.
func timestampText(unit schema.TimeUnitType) func(buf []byte, v int64) []byte {
	switch unit {
	case schema.TimeUnitMillis:
		return func(buf []byte, v int64) []byte { return appendTime(buf, time.UnixMilli(v)) }
	case schema.TimeUnitNanos:
		return func(buf []byte, v int64) []byte { return appendTime(buf, time.Unix(0, v)) }
	default:
		return func(buf []byte, v int64) []byte { return appendTime(buf, time.UnixMicro(v)) }
	}
}

func appendTime(buf []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(buf, "2006-01-02T15:04:05.999999Z07:00")
}

// appendInt96 is a time of old Spark and Hive: nanoseconds of a Julian day.
func appendInt96(buf, raw []byte) []byte {
	const epoch = 2_440_588 // Julian day of 1970-01-01
	day := int64(binary.LittleEndian.Uint32(raw[8:])) - epoch
	return appendTime(buf, time.Unix(day*secondsPerDay, int64(binary.LittleEndian.Uint64(raw))))
}

// appendFloat writes whole numbers as such, and others as short as they can be
// told apart.
func appendFloat(buf []byte, v float64, bits int) []byte {
	return strconv.AppendFloat(buf, v+0, 'f', -1, bits) // + 0: no negative zero
}

// twosComplement reads a number of any length, highest byte first.
func twosComplement(raw []byte) *big.Int {
	v := new(big.Int).SetBytes(raw)
	if len(raw) > 0 && raw[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	return v
}

// appendDecimal writes v / 10^scale without zeroes behind the last digit that
// counts, so that a whole number looks like one.
func appendDecimal(buf []byte, v *big.Int, scale int) []byte {
	digits := new(big.Int).Abs(v).Append(nil, 10)
	if v.Sign() < 0 {
		buf = append(buf, '-')
	}
	if scale <= 0 {
		return append(buf, digits...)
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = append(slices.Repeat([]byte{'0'}, missing), digits...)
	}
	whole, part := digits[:len(digits)-scale], digits[len(digits)-scale:]
	for len(part) > 0 && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	if buf = append(buf, whole...); len(part) > 0 {
		buf = append(append(buf, '.'), part...)
	}
	return buf
}

func appendUUID(buf, raw []byte) []byte {
	for k, part := range [][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		if part[1] > len(raw) {
			break
		}
		if k > 0 {
			buf = append(buf, '-')
		}
		buf = hex.AppendEncode(buf, raw[part[0]:part[1]])
	}
	return buf
}
