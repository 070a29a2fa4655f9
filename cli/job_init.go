package cli

import (
	"github.com/urfave/cli/v2"
)

// sampleJob is a job file to start from; a test parses it.
const sampleJob = `name: assist2009
kind: train                            # to tune, register and deploy as well: cohort job init pipeline
data:
  events: assist2009_events.csv.gz     # CSV, gzip or not; or dataset:ID of "cohort data list"
  columns: {student: user_id, item: problem_id, skill: skill_id, correct: correct, time: order_id}
  # correct: {column: Outcome, right: CORRECT, wrong: INCORRECT, drop: [STUDY]}
  multi_skill: combine                 # combine | repeat | first
  window: 200                          # answers a sequence
  shards: 16                           # storage and transport only; moves no bit of the result
# mask: {key: env:MASK_KEY}            # masks student ids; none: a fixed key that is no secret
split: {test: 0.2, valid: 0.2, seed: 1}   # shares of the students; or by a fold file:
# split: {file: assist2009_split.csv.gz, column: akt_test_fold, test: 1, valid: 2}
model: {cell: lstm, embed: 200, hidden: 200, layers: 1, dropout: 0.1}
train:
  workers: 2
  batch: 64
  epochs: 200
  optimizer: adam                      # adam | adamw
  lr: 0.001
  schedule: constant                   # constant | cosine
  clip: 0                              # norm of the gradient; 0 is off
  patience: 10                         # epochs without gain; 0 is off
  min_delta: 0.001
  seed: 42
  precision: fp32
`

// samplePipeline is a pipeline to start from; a test parses it.
const samplePipeline = `# cohort job run retrain.yaml: once, and then as the schedule says
name: retrain
kind: pipeline
# schedule: {cron: "0 3 * * 1", zone: Europe/Berlin, catchup: last, overlap: skip, finish_by: 6h}
source:                                # or data.events: a CSV file, as in a job of kind train
  kind: postgres                       # postgres | kafka | lake | attempts (those that came to /v1/students)
  postgres: {url: "env:ATTEMPTS_URL", table: public.attempts, key: id}
  # kafka: {brokers: ["broker:9092"], topics: [user.attempts], tls: {enabled: true},
  #         sasl: {mechanism: scram-sha-512, user: "env:KAFKA_USER", password: "file:/run/secrets/kafka"}}
  # lake: {url: "s3://bucket/attempts?region=eu-central-1", pattern: "day=*/*.parquet"}
  # from: 2025-01-01                   # events before it are left out; to: likewise those from it on, or "run"
data:
  columns: {student: user_id, item: problem_id, skill: skill_id, correct: correct, time: answered_at, id: id}
  # elapsed: response_ms, elapsed_unit: ms
  multi_skill: combine
mask: {key: "env:MASK_KEY"}            # a secret of the workers; without it ids can be guessed
validate:                              # a gate that fails stops the pipeline and says which number
  completeness: 0.95                   # least share of rows that are whole events
  nulls: 0.05                          # most share of empty values in a column
  duplicates: 0.05
  freshness: 72h                       # most age of the newest event; without it: off
  skew: 1h                             # events later than this after the run are quarantined
  min_class: 0.01                      # least share of the rarer answer
  drift: true                          # against the last dataset accepted
features: {recent: 10, gap: 30m}
split: {test: 0.2, valid: 0.2, seed: 1}
model: {cell: lstm, embed: 200, hidden: 200, layers: 1, dropout: 0.1}
# model: {inputs: [difficulty, elapsed]}   # further inputs, from the features
train: {workers: 2, batch: 64, epochs: 200, lr: 0.001, patience: 10, seed: 42}
# tune:                                # a study first: its best settings are trained
#   trials: 12
#   sampler: tpe                       # tpe | random | grid
#   epochs: 8                          # of a trial at most
#   rungs: [3]                         # epochs at which the best one in 3 (reduction) go on
#   lag: 2                             # trials at once; what is tried depends on it, not on free workers
#   space:
#     train.lr: {low: 0.0005, high: 0.002, log: true}
#     model.hidden: {low: 100, high: 300, step: 50}
#     model.dropout: {values: [0.1, 0.3, 0.5]}
# cross_validate: {folds: 5}           # by student, beside the training
register: {model: dkt, promote: true}  # a version of a model; into production when it passes
gates:                                 # on the held-out students; 0: off. These are the defaults
  auc: 0.75
  accuracy: 0.70
  improvement: 0.01                    # of AUC, over what is in production, beyond chance
  fold_spread: 0.05                    # of AUC between folds
  quality: true                        # the data passed its checks
deploy:                                # replicas behind POST /invocations of every coordinator
  replicas: 2
  strategy: blue-green                 # or canary, with canary: [10, 50] per cent and hold: 5m for each
  error_rate: 0.02                     # traffic goes back where a bound is broken for so long
  p99_ms: 250
  calibration: 0.15
  for: 30s
# stages:                              # more stages; a worker runs commands that its own file allows
#   - {name: notify, kind: exec, after: [deploy], timeout: 1m, exec: {command: [./notify.sh]}}
`

const sampleCoordinator = `# cohort coordinator --config coordinator.yaml
id: c1
data_dir: ./c1
http: 127.0.0.1:7070
raft: 127.0.0.1:7071
gossip: 127.0.0.1:7072
stream: 127.0.0.1:7073
# admin_token: env:COHORT_ADMIN   # who sends it may pass over gates; the same for all coordinators
# alerts:                # who is told when a person must act
#   receivers:           # secrets by reference only: env:NAME or file:PATH
#     - {name: chat, kind: slack, url: "env:SLACK_URL"}
#     - {name: hook, kind: webhook, url: "https://ops.example.org/cohort"}
#     - {name: mail, kind: email, server: "smtp.example.org:587", from: cohort@example.org,
#        to: [ops@example.org], user: cohort, password: "file:/run/secrets/smtp"}
#   rules:               # without any: a default for each of what can be watched
#     - {name: broken, when: job-failed, group: [job], to: [chat]}
#     - {name: stuck, when: stage-waiting, for: 30m, again: 4h}
#   # when: job-failed, stage-waiting, worker-lost, no-workers, schedule-late,
#   #   data-gate, drift, model-rolled-back, deployment-degraded, leader-changes
`

const sampleWorker = `# cohort worker --config worker.yaml
id: w1
data_dir: ./w1
coordinators: [127.0.0.1:7070]
listen: 127.0.0.1:0      # for other members of a training round
# serve: 127.0.0.1:0     # for replicas of models; with port 0 each has its own
# cores: 1               # default: what the machine has
# memory_mb: 2048
# kernels: auto          # auto | avx512 | avx2 | portable
# metrics: 127.0.0.1:7080  # /metrics for Prometheus; default: off. A coordinator's are at its http
# exec: [python3, /opt/etl/*]   # programs that exec stages may run here; default: none
`

func (p *program) jobInitCommand() *cli.Command {
	c := p.command("init", "[job|pipeline|coordinator|worker]", "print a file to start from", nil, func(c *cli.Context) error {
		text, ok := map[string]string{
			"": sampleJob, "job": sampleJob, "pipeline": samplePipeline, "coordinator": sampleCoordinator, "worker": sampleWorker,
		}[c.Args().First()]
		if !ok {
			return usagef("job init %q is unknown; known: job, pipeline, coordinator, worker", c.Args().First())
		}
		p.printf("%s", text)
		return nil
	})
	c.Description = "Prints a job file, or a node's configuration, to standard output."
	return c
}
