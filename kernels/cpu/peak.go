package cpu

import "time"

// Peak measures how many floating-point operations a second the engine's threads
// do when nothing but independent FMAs keeps them busy, over about d: what a
// kernel's own rate is to be seen against.
func (e *Engine) Peak(d time.Duration) float64 {
	counts := make([]int, len(e.threads))
	start := time.Now()
	_ = e.each(func(e *Engine, k int, _ *thread) error {
		for time.Since(start) < d {
			counts[k] += e.ops.burn(1 << 12)
		}
		return nil
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}
