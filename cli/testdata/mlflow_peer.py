"""MLflow's own scoring client, and the judgement of its own server. Input is JSON:
host, port, codes (one sequence), student, skills, correct (the same as a frame),
posts (requests as documented: type, body), judged (requests of the protocol).
Prints JSON: calls (what each call of the client gave), posts (status, body),
judged (the status that MLflow's server gives)."""
import io
import json
import sys

import numpy
import pandas
import requests
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

job = json.load(sys.stdin)
client = ScoringServerClient(job["host"], job["port"])
client.ping()
frame = pandas.DataFrame({k: job[k] for k in ("student", "skill", "correct")})
frame["correct"] = frame["correct"].astype(int)
csv = io.StringIO()
frame.to_csv(csv, index=False)


def listed(reply):
    """The predictions as the client hands them on: a frame, and an array."""
    array = reply.get_predictions("ndarray")
    assert (reply.get_predictions("dataframe").to_numpy() == array).all()
    return array.tolist()


calls = {
    "DataFrame": listed(client.invoke(frame)),
    "DataFrame of bool": listed(client.invoke(frame.assign(correct=frame["correct"] == 1))),
    "ndarray": listed(client.invoke(numpy.array([job["codes"]]))),
    "ndarray of float": listed(client.invoke(numpy.array([job["codes"]], dtype=float))),
    "list": listed(client.invoke([job["codes"]])),
    "text": listed(client.invoke(json.dumps({"instances": [job["codes"]]}))),
    "params": listed(client.invoke(frame, params={"output": "list"})),
}
named = client.invoke(frame, params={"output": "named"})["predictions"]

url = client.url_prefix + "/invocations"
documented = {
    "dataframe_split": ("application/json", json.dumps({"dataframe_split": frame.to_dict(orient="split")})),
    "dataframe_records": ("application/json", json.dumps({"dataframe_records": frame.to_dict(orient="records")})),
    "inputs": ("application/json", json.dumps({"inputs": [job["codes"]]})),
    "instances": ("application/json", json.dumps({"instances": [job["codes"]]})),
    "instances by name": (
        "application/json",
        json.dumps({"instances": [{"skills": job["skill"], "correct": job["correct"]}], "params": {}}),
    ),
    "charset": ("application/json; charset=utf-8", json.dumps({"inputs": [job["codes"]]})),
    "csv": ("text/csv", csv.getvalue()),
    "csv, charset": ("text/csv; charset=UTF-8", csv.getvalue()),
}
posts = {}
for name, (kind, body) in documented.items():
    r = requests.post(url, data=body.encode(), headers={"Content-Type": kind})
    posts[name] = {"status": r.status_code, "type": r.headers["Content-Type"], "body": r.text}


class Model:
    """Answers whatever can be read."""

    metadata = None

    def predict(self, data, params=None):
        return [0.5] * len(data)


judged = []
for q in job["judged"]:
    try:
        status = scoring_server.invocations(q["body"].encode(), q["type"], Model(), None).status
    except MlflowException as e:
        status = e.get_http_status_code()
    judged.append(status)

json.dump({"version": client.get_version(), "calls": calls, "named": named, "posts": posts, "judged": judged}, sys.stdout)
