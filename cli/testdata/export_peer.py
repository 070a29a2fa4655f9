"""Reads a model's exports. Input is JSON: onnx and safetensors (files),
interactions (sequences), fill. Prints JSON: p (onnxruntime's probabilities after
each sequence), meta (of the ONNX file), tensors (name to type, shape and SHA-256)
and safetensors' metadata."""
import hashlib
import json
import sys

import numpy
import onnx
import onnxruntime
from safetensors import safe_open

job = json.load(sys.stdin)
onnx.checker.check_model(job["onnx"], full_check=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(job["onnx"], options, providers=["CPUExecutionProvider"])
lengths = [len(s) for s in job["interactions"]]
rows = numpy.full((len(lengths), max(lengths)), job["fill"], dtype=numpy.int64)
for row, s in zip(rows, job["interactions"]):
    row[: len(s)] = s
(p,) = session.run(["probabilities"], {"interactions": rows, "lengths": numpy.array(lengths, dtype=numpy.int64)})
tensors = {}
with safe_open(job["safetensors"], framework="numpy") as f:
    metadata = f.metadata()
    for name in f.keys():
        t = f.get_tensor(name)
        tensors[name] = {"type": str(t.dtype), "shape": list(t.shape), "sha256": hashlib.sha256(t.tobytes()).hexdigest()}
json.dump(
    {"p": p.tolist(), "meta": session.get_modelmeta().custom_metadata_map, "tensors": tensors, "metadata": metadata}, sys.stdout
)
