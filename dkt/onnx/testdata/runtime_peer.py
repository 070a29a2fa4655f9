"""Checks an ONNX file and runs it. Input is JSON: file, interactions, lengths.
Prints the probabilities as JSON, or the runtime's error."""
import json
import sys

import numpy
import onnx
import onnxruntime

job = json.load(sys.stdin)
onnx.checker.check_model(job["file"], full_check=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(job["file"], options, providers=["CPUExecutionProvider"])
(out,) = session.run(
    ["probabilities"],
    {
        "interactions": numpy.array(job["interactions"], dtype=numpy.int64),
        "lengths": numpy.array(job["lengths"], dtype=numpy.int64),
    },
)
json.dump({"p": out.tolist(), "meta": session.get_modelmeta().custom_metadata_map}, sys.stdout)
