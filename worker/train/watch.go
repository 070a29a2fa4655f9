package train

import (
	"time"

	"cohort/coordinator/wire"
	"cohort/dkt"
)

// reportEvery is the least time between two reports of progress.
const reportEvery = 200 * time.Millisecond

// FirstStep is logged when a member's first step of a run is done.
const FirstStep = "first step done"

// watcher tells the coordinator how a training goes, and hands states to the
// saver. Only it reads the clock, and nothing that it knows goes back into the
// training.
type watcher struct {
	env   Env
	saver *saver // nil: another member saves
	now   func() time.Time

	epochs   int             // at most
	last     dkt.EpochReport // finished epoch, if any
	begin    time.Time       // of the steps under way
	reported time.Time
	spent    time.Duration // in finished stretches of steps
	answers  int64         // answered in spent and since begin
	recent   int64         // of these, since begin
	steps    int           // of an epoch
	norm     float64       // of the gradient that was measured last
}

func newWatcher(env Env, s *saver, st *dkt.State, epochs int) *watcher {
	w := &watcher{env: env, saver: s, now: time.Now, epochs: epochs}
	w.begin = w.now()
	if n := len(st.History); n > 0 {
		w.last = st.History[n-1]
	}
	return w
}

// rate is training answers a second, validation left out.
func (w *watcher) rate(upTo time.Time) float64 {
	d := w.spent
	if w.recent > 0 {
		d += upTo.Sub(w.begin)
	}
	if d <= 0 {
		return 0
	}
	return float64(w.answers) / d.Seconds()
}

// StepDone reports now and then.
func (w *watcher) StepDone(r dkt.StepReport) {
	if w.answers == 0 {
		w.env.Logger.Info(FirstStep, "epoch", r.Epoch, "step", r.Step)
	}
	w.answers += r.Answers
	w.recent += r.Answers
	w.steps = r.Steps
	if r.Norm > 0 {
		w.norm = r.Norm
	}
	now := w.now()
	if r.Step == r.Steps { // validation comes next
		w.spent += now.Sub(w.begin)
		w.recent = 0
	}
	if r.Step < r.Steps && now.Sub(w.reported) < reportEvery {
		return
	}
	w.reported = now
	p := w.progress("training", r.Epoch, r.Epochs, r.Step)
	p.Rate = w.rate(now)
	if w.last.Epoch == 0 {
		p.Loss = r.Loss
	}
	if r.Step == r.Steps {
		p.Message = "validating"
	}
	w.env.Progress(p)
}

func (w *watcher) progress(message string, epoch, epochs, step int) wire.Progress {
	return wire.Progress{
		Message: message, Epoch: epoch, Epochs: epochs,
		Done: int64(epoch-1)*int64(w.steps) + int64(step), Total: int64(epochs) * int64(w.steps),
		Loss: w.last.Loss, ValidAUC: w.last.Valid.AUC, Norm: w.norm, Rate: w.rate(w.begin),
	}
}

// EpochDone reports an epoch and has its state saved.
func (w *watcher) EpochDone(r dkt.EpochReport, st *dkt.State) error {
	w.last = r
	w.env.Logger.Info("epoch done", "epoch", r.Epoch, "loss", r.Loss, "valid_auc", r.Valid.AUC, "best", r.Best)
	w.env.Progress(w.progress("training", r.Epoch, w.epochs, w.steps))
	if w.saver != nil {
		w.saver.offer(st.Clone())
	}
	w.begin = w.now()
	w.reported = w.begin
	return nil
}
