package cpu

import "sync"

// phase is what threads do between two joins.
type phase func(e *Engine, k int, t *thread) error

// crew are the goroutines of all threads but the caller's. They stay, so that a
// step starts none and allocates nothing.
type crew struct {
	begin  []chan phase
	faults []error
	wait   sync.WaitGroup // of a phase
	gone   sync.WaitGroup
}

func (c *crew) hire(e *Engine) {
	c.faults = make([]error, len(e.threads))
	for k := 1; k < len(e.threads); k++ {
		begin := make(chan phase)
		c.begin = append(c.begin, begin)
		c.gone.Go(func() {
			for f := range begin {
				c.faults[k] = e.run(k, f)
				c.wait.Done()
			}
		})
	}
}

func (c *crew) dismiss() {
	for _, begin := range c.begin {
		close(begin)
	}
	c.begin = nil
	c.gone.Wait()
}

// each runs f on every thread, waits, and returns the first thread's error.
func (e *Engine) each(f phase) error {
	c := &e.crew
	c.wait.Add(len(c.begin))
	for _, begin := range c.begin {
		begin <- f
	}
	c.faults[0] = e.run(0, f)
	c.wait.Wait()
	for _, err := range c.faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// run is a phase on one thread, after a check of its floating-point mode, which
// foreign code may have changed.
func (e *Engine) run(k int, f phase) error {
	if !checkControl() {
		return errControl
	}
	return f(e, k, e.threads[k])
}
