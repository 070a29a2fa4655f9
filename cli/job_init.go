package cli

import (
	"github.com/urfave/cli/v2"
)

// sampleJob is a job file to start from; a test parses it.
const sampleJob = `name: assist2009
kind: train
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
  kind: postgres                       # postgres | kafka | lake
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
# stages:                              # more stages; a worker runs commands that its own file allows
#   - {name: notify, kind: exec, after: [evaluate], timeout: 1m, exec: {command: [./notify.sh]}}
`

const sampleCoordinator = `# cohort coordinator --config coordinator.yaml
id: c1
data_dir: ./c1
http: 127.0.0.1:7070
raft: 127.0.0.1:7071
gossip: 127.0.0.1:7072
stream: 127.0.0.1:7073
# admin_token: env:COHORT_ADMIN   # who sends it may pass over gates; the same for all coordinators
`

const sampleWorker = `# cohort worker --config worker.yaml
id: w1
data_dir: ./w1
coordinators: [127.0.0.1:7070]
listen: 127.0.0.1:0      # for other members of a training round
# cores: 1               # default: what the machine has
# memory_mb: 2048
# kernels: auto          # auto | avx512 | avx2 | portable
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
