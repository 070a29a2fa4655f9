# Makes the files beside it: pip install pyarrow; python make.py
import datetime

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 500
rows = range(ROWS)


def nullable(values):
    return [None if k % 7 == 3 else v for k, v in enumerate(values)]


start = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
table = pa.table({
    "required": pa.array([k * k for k in rows], pa.int64()),
    "int32": pa.array(nullable(k * 7919 % 2003 - 1000 for k in rows), pa.int32()),
    "int64": pa.array(nullable((k - 250) * 1234567890123 for k in rows), pa.int64()),
    "double": pa.array(nullable(k / 4 for k in rows), pa.float64()),
    "float": pa.array(nullable(k / 4 for k in rows), pa.float32()),
    "text": pa.array(nullable("student/%06d" % (k * 31 % 97) for k in rows), pa.string()),
    "bool": pa.array(nullable(k % 3 == 0 for k in rows), pa.bool_()),
    "time": pa.array(nullable(start + datetime.timedelta(seconds=k, microseconds=k + 1) for k in rows), pa.timestamp("us", "UTC")),
}, schema=pa.schema([
    pa.field("required", pa.int64(), nullable=False), pa.field("int32", pa.int32()), pa.field("int64", pa.int64()),
    pa.field("double", pa.float64()), pa.field("float", pa.float32()), pa.field("text", pa.string()),
    pa.field("bool", pa.bool_()), pa.field("time", pa.timestamp("us", "UTC")),
]))


def write(name, **options):
    pq.write_table(table, name + ".parquet", **options)


for codec in ["none", "snappy", "gzip", "brotli", "zstd"]:
    write(codec, compression=codec)
write("groups", row_group_size=64, data_page_size=128, data_page_version="2.0")
write("int96", use_deprecated_int96_timestamps=True, use_dictionary=False)
whole = {"required": "DELTA_BINARY_PACKED", "int32": "DELTA_BINARY_PACKED", "int64": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "bool": "RLE"}
split = {"double": "BYTE_STREAM_SPLIT", "float": "BYTE_STREAM_SPLIT"}
write("delta", use_dictionary=False, column_encoding=whole | split | {"text": "DELTA_BYTE_ARRAY"})
write("delta2", use_dictionary=False, column_encoding=whole | split | {"text": "DELTA_LENGTH_BYTE_ARRAY"}, data_page_version="2.0", data_page_size=256)
write("split", use_dictionary=False, column_encoding={k: "BYTE_STREAM_SPLIT" for k in ["required", "int32", "int64", "time", "float", "double"]}, data_page_version="2.0")
write("spark", flavor="spark", version="1.0")
