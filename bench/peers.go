package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"cohort/dkt"
)

// Race is a comparison with other people's DKT on the same batches, from the
// same weights: one dense step, forward and backward, and one epoch with
// loading, optimiser and validation. Dropout is off: masks can't agree.
type Race struct {
	Epoch   Epoch
	reload  func(ctx context.Context) (dkt.Data, error) // cohort's own loading
	Threads int
	Peers   []Peer
}

// Peer is a competitor's program: it is given a folder and the number of
// threads, says what it is, and then does an event for each line it reads.
type Peer struct {
	Name    string
	Command []string
	Sorted  bool // it takes batches of like lengths
}

// Peers are the competitors of a folder with dkt.py and onednn. The system's
// Python is the one that has its PyTorch.
func Peers(folder string) []Peer {
	script := filepath.Join(folder, "dkt.py")
	return []Peer{
		{Name: "torch-usual", Command: []string{"/usr/bin/python3", script, "usual"}},
		{Name: "torch-mended", Command: []string{"/usr/bin/python3", script, "mended"}, Sorted: true},
		{Name: "onednn", Command: []string{filepath.Join(folder, "onednn")}, Sorted: true},
	}
}

// The agreement of losses that makes a comparison one of equals: float sums in
// another order move an epoch's mean in the fourth digit.
const agreement = 2e-3

// outcome is what each competitor answers.
type outcome struct {
	Seconds float64 `json:"seconds"`
	Loss    float64 `json:"loss"` // mean, nats an answer
	AUC     float64 `json:"auc"`
}

// Versus is cohort against one competitor in one event.
type Versus struct {
	Event string  `json:"event"` // dense, epoch
	Peer  string  `json:"peer"`
	Code  string  `json:"version"`
	Rates Spread  `json:"answers_per_second"`
	Own   Spread  `json:"cohort_answers_per_second"`
	Ratio Spread  `json:"ratio"`      // of paired times
	Best  float64 `json:"best_ratio"` // of the best times
	Loss  float64 `json:"loss"`
	Want  float64 `json:"cohort_loss"` // over the same batches
	AUC   float64 `json:"auc,omitempty"`
}

// NewRace takes an event log; E = H as everywhere.
func NewRace(ctx context.Context, l Log, hidden, threads int, peers []Peer) (*Race, error) {
	e, reload, err := openLog(ctx, l, hidden)
	if err != nil {
		return nil, err
	}
	e.Config.Dropout = 0
	return &Race{Epoch: e, reload: reload, Threads: threads, Peers: peers}, nil
}

// Run races count rounds, everybody in turn, and writes a line a turn.
func (r *Race) Run(ctx context.Context, count int, lines io.Writer) (machine Machine, all []Versus, err error) {
	folder, err := os.MkdirTemp("", "cohort-race-")
	if err != nil {
		return machine, nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // temporary
	own, err := newRunner(r)
	if err != nil {
		return machine, nil, err
	}
	defer own.close()
	if err := own.write(folder); err != nil {
		return machine, nil, err
	}
	field, err := startAll(ctx, r.Peers, folder, r.Threads)
	defer func() {
		for _, p := range field {
			p.stop()
		}
	}()
	if err != nil {
		return machine, nil, err
	}
	machine = Describe()
	if _, err := io.WriteString(lines, machine.header()); err != nil {
		return machine, nil, err
	}
	for _, event := range []string{"dense", "epoch"} {
		some, err := own.race(ctx, event, field, count, lines)
		if err != nil {
			return machine, nil, fmt.Errorf("%s: %w", event, err)
		}
		all = append(all, some...)
	}
	return machine, all, nil
}

// race is one event: an unmeasured round that also compares the losses, then
// count rounds.
func (o *runner) race(ctx context.Context, event string, field []*peer, count int, lines io.Writer) ([]Versus, error) {
	all, times := make([]Versus, len(field)), make([][]float64, len(field)+1)
	for k, p := range field {
		var err error
		if all[k], err = o.qualify(ctx, event, p); err != nil {
			return nil, err
		}
	}
	n := float64(o.answers(event))
	for range count {
		var own float64
		for k := -1; k < len(field); k++ { // cohort is -1
			name, do := "cohort", o.do
			if k >= 0 {
				name, do = field[k].Name, field[k].do
			}
			got, err := do(ctx, event)
			if err != nil {
				return nil, err
			}
			if k < 0 {
				own = got.Seconds
			}
			times[k+1] = append(times[k+1], got.Seconds)
			metrics := []Metric{{"ns/op", 1e9 * got.Seconds}, {"answers/s", n / got.Seconds}, {"x-cohort", got.Seconds / own}}
			if _, err := io.WriteString(lines, line("Race/"+event+"/"+name, metrics)); err != nil {
				return nil, err
			}
		}
	}
	for k := range field {
		all[k].compare(n, times[k+1], times[0])
	}
	return all, nil
}

// qualify has a competitor run once and holds its loss to cohort's.
func (o *runner) qualify(ctx context.Context, event string, p *peer) (v Versus, err error) {
	got, err := p.do(ctx, event)
	if err != nil {
		return v, err
	}
	want, err := o.want(ctx, event, p.Sorted)
	if err != nil {
		return v, err
	}
	if !(math.Abs(got.Loss-want) <= agreement*want) {
		return v, fmt.Errorf("%s has loss %.6f, cohort %.6f over the same batches: they do not compute the same", p.Name, got.Loss, want)
	}
	return Versus{Event: event, Peer: p.Name, Code: p.Version, Loss: got.Loss, Want: want, AUC: got.AUC}, nil
}

func (v *Versus) compare(n float64, theirs, own []float64) {
	var rates, ours, ratios []float64
	for k := range theirs {
		rates, ours = append(rates, n/theirs[k]), append(ours, n/own[k])
		ratios = append(ratios, theirs[k]/own[k])
	}
	v.Rates, v.Own, v.Ratio = spread(rates), spread(ours), spread(ratios)
	v.Best = slices.Min(theirs) / slices.Min(own)
}

// peer is a competitor's process.
type peer struct {
	Peer
	Version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// startAll starts all, and answers those that it has started.
func startAll(ctx context.Context, all []Peer, folder string, threads int) (field []*peer, err error) {
	for _, c := range all {
		p, err := start(ctx, c, folder, threads)
		if err != nil {
			return field, err
		}
		field = append(field, p)
	}
	return field, nil
}

func start(ctx context.Context, c Peer, folder string, threads int) (*peer, error) {
	p := &peer{Peer: c}
	args := append(slices.Clone(c.Command[1:]), folder, strconv.Itoa(threads))
	p.cmd = exec.CommandContext(ctx, c.Command[0], args...) //nolint:gosec // the user's own competitors
	p.cmd.Env = append(os.Environ(), "OMP_NUM_THREADS="+strconv.Itoa(threads))
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w: make bench-peers installs what it needs", p.Name, err)
	}
	if !p.out.Scan() {
		p.stop()
		return nil, fmt.Errorf("%s ended before it began: make bench-peers installs what it needs", p.Name)
	}
	p.Version = p.out.Text()
	return p, nil
}

func (p *peer) do(ctx context.Context, event string) (o outcome, err error) {
	if err := ctx.Err(); err != nil {
		return o, err
	}
	if _, err := io.WriteString(p.in, event+"\n"); err != nil {
		return o, fmt.Errorf("%s: %w", p.Name, err)
	}
	if !p.out.Scan() {
		return o, fmt.Errorf("%s ended in the middle of %s", p.Name, event)
	}
	if err := json.Unmarshal(p.out.Bytes(), &o); err != nil {
		return o, fmt.Errorf("%s answered %q: %w", p.Name, p.out.Text(), err)
	}
	return o, nil
}

func (p *peer) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait() // it ends with its input
}
