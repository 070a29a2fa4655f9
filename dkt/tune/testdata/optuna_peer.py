"""Runs a study of Optuna's TPESampler. The first line of input says which: seed,
trials, startup and space. For each trial it prints its values, and reads what
they come to."""
import json
import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution


def distribution(p):
    if p.get("Values"):
        return CategoricalDistribution(p["Values"])
    step = p["Step"] or None
    if p["Int"]:
        return IntDistribution(int(p["Low"]), int(p["High"]), log=p["Log"], step=int(step or 1))
    return FloatDistribution(p["Low"], p["High"], log=p["Log"], step=step)


def run(line):
    job = json.loads(line)
    space = {p["Name"]: distribution(p) for p in job["Space"]}
    sampler = optuna.samplers.TPESampler(seed=job["Seed"], n_startup_trials=job["Startup"])
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(job["Trials"]):
        trial = study.ask()
        values = {
            name: trial.suggest_categorical(name, d.choices)
            if isinstance(d, CategoricalDistribution)
            else trial._suggest(name, d)
            for name, d in space.items()
        }
        print(json.dumps(values), flush=True)
        study.tell(trial, float(sys.stdin.readline()))


optuna.logging.set_verbosity(optuna.logging.ERROR)
for line in sys.stdin:
    run(line)
