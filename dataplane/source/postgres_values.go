package source

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"time"
)

// Types by their OID (pg_type.dat), which no server changes.
const (
	pgOIDBool        = 16
	pgOIDInt8        = 20
	pgOIDInt2        = 21
	pgOIDInt4        = 23
	pgOIDText        = 25
	pgOIDXid         = 28
	pgOIDFloat4      = 700
	pgOIDFloat8      = 701
	pgOIDBpchar      = 1042
	pgOIDVarchar     = 1043
	pgOIDDate        = 1082
	pgOIDTimestamp   = 1114
	pgOIDTimestamptz = 1184
	pgOIDNumeric     = 1700
	pgOIDUUID        = 2950
)

// pgHasMin says whether the type has the aggregates min and max, in any server.
func pgHasMin(oid uint32) bool {
	switch oid {
	case pgOIDInt8, pgOIDInt2, pgOIDInt4, pgOIDText, pgOIDFloat4, pgOIDFloat8, pgOIDBpchar, pgOIDVarchar,
		pgOIDDate, pgOIDTimestamp, pgOIDTimestamptz, pgOIDNumeric:
		return true
	}
	return false
}

const (
	pgText   int16 = 0
	pgBinary int16 = 1
)

var errPgValue = errors.New("the server's value is not of its type")

// pgAppend adds a value's text, as Values wants it, to dst.
type pgAppend func(dst, value []byte) ([]byte, error)

// pgReader is the format in which a type's values are asked for, and how they
// are read. Types that no column of events has are asked for as text.
func pgReader(oid uint32) (int16, pgAppend) {
	switch oid {
	case pgOIDBool:
		return pgBinary, appendPgBool
	case pgOIDInt2, pgOIDInt4, pgOIDInt8:
		return pgBinary, appendPgInt
	case pgOIDFloat4, pgOIDFloat8:
		return pgBinary, appendPgFloat
	case pgOIDTimestamp, pgOIDTimestamptz:
		return pgBinary, appendPgTime
	case pgOIDDate:
		return pgBinary, appendPgDate
	case pgOIDUUID:
		return pgBinary, appendPgUUID
	}
	return pgText, func(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }
}

func appendPgBool(dst, v []byte) ([]byte, error) {
	if len(v) != 1 {
		return dst, errPgValue
	}
	return strconv.AppendBool(dst, v[0] != 0), nil
}

func appendPgInt(dst, v []byte) ([]byte, error) {
	switch len(v) {
	case 2:
		return strconv.AppendInt(dst, int64(int16(binary.BigEndian.Uint16(v))), 10), nil
	case 4:
		return strconv.AppendInt(dst, int64(int32(binary.BigEndian.Uint32(v))), 10), nil
	case 8:
		return strconv.AppendInt(dst, int64(binary.BigEndian.Uint64(v)), 10), nil
	}
	return dst, errPgValue
}

// appendPgFloat writes the shortest decimal that gives the same number, without
// an exponent.
func appendPgFloat(dst, v []byte) ([]byte, error) {
	switch len(v) {
	case 4:
		return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'f', -1, 32), nil
	case 8:
		return strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(v)), 'f', -1, 64), nil
	}
	return dst, errPgValue
}

// pgEpoch is the server's, 2000-01-01, in microseconds of Unix.
const pgEpoch = 946_684_800_000_000

// appendPgTime writes a time, or one without a zone taken as UTC, as RFC 3339
// with what it has of microseconds.
func appendPgTime(dst, v []byte) ([]byte, error) {
	if len(v) != 8 {
		return dst, errPgValue
	}
	switch at := int64(binary.BigEndian.Uint64(v)); {
	case at == math.MaxInt64:
		return append(dst, "infinity"...), nil
	case at == math.MinInt64:
		return append(dst, "-infinity"...), nil
	case at > math.MaxInt64-pgEpoch:
		return dst, errPgValue
	default:
		return time.UnixMicro(at+pgEpoch).UTC().AppendFormat(dst, time.RFC3339Nano), nil
	}
}

func appendPgDate(dst, v []byte) ([]byte, error) {
	if len(v) != 4 {
		return dst, errPgValue
	}
	switch day := int32(binary.BigEndian.Uint32(v)); day {
	case math.MaxInt32:
		return append(dst, "infinity"...), nil
	case math.MinInt32:
		return append(dst, "-infinity"...), nil
	default:
		return time.UnixMicro(pgEpoch).UTC().AddDate(0, 0, int(day)).AppendFormat(dst, time.DateOnly), nil
	}
}

func appendPgUUID(dst, v []byte) ([]byte, error) {
	if len(v) != 16 {
		return dst, errPgValue
	}
	for k, end := range []int{4, 6, 8, 10, 16} {
		if k > 0 {
			dst = append(dst, '-')
		}
		start := []int{0, 4, 6, 8, 10}[k]
		dst = hex.AppendEncode(dst, v[start:end])
	}
	return dst, nil
}
