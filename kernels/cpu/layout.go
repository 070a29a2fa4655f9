package cpu

import "cohort/kernels"

// dims are a shape with the padded sizes of the engine's own layouts: units to
// groups of 8, so that gate g of unit u is column g·hp + u of np. Padding holds
// zeros and is in no chain over units. Rows of units lie hq apart, rows of gates
// gq, an odd number of cache lines, so that they spread over a cache's sets.
type dims struct {
	kernels.Shape
	hp, hq, np, gq int
	heights        []int // of tiles, descending
	columns        int   // of a panel
}

// blockUnits is the number of units of a block of the sums over gates.
const blockUnits = 32

// keepUnits is how many units' dropout is drawn at once.
const keepUnits = 64

func up(n, m int) int { return (n + m - 1) / m * m }

func pad(s kernels.Shape, o ops) dims {
	d := dims{Shape: s, hp: up(s.Hidden, 8)}
	d.np = kernels.Gates * d.hp
	d.hq, d.gq = oddLines(d.hp), oddLines(d.np)
	d.heights, d.columns = o.tiles()
	return d
}

// oddLines rounds n floats up to an odd number of cache lines.
func oddLines(n int) int { return up(n, 16) | 16 }

// panels is the number of panels of np, which they fill.
func (d dims) panels() int { return d.np / d.columns }

// keepBytes is the length of a row of dropout's bits.
func (d dims) keepBytes() int { return up(d.Hidden, keepUnits) / 8 }

// width is that of the panel at a column of n, n a multiple of 8: the widest
// that fits.
func (d dims) width(at, n int) int {
	w := d.columns
	for w > n-at {
		w /= 2
	}
	return w
}

// height is that of the next tile of so many rows.
func (d dims) height(rows int) int {
	for _, h := range d.heights {
		if h <= rows {
			return h
		}
	}
	return 1
}

// packForward puts a matrix of rows × 4H into panels [np/columns][rows][columns].
func (d dims) packForward(to, m []float32, rows, from, until int) {
	c := d.columns
	for n := from * c; n < until*c; n += 8 {
		g, u := n/d.hp, n%d.hp
		units := min(8, d.Hidden-u)
		if units <= 0 {
			continue
		}
		panel := to[n/c*rows*c+n%c:]
		for k := range rows {
			copy(panel[k*c:k*c+units], m[(k*kernels.Gates+g)*d.Hidden+u:])
		}
	}
}

// packBackward puts its transpose into panels of rows, [rows padded to 8] in
// widths, [H units][4][width]: panel by panel from one row to another.
func (d dims) packBackward(to, m []float32, rows, from, until int) {
	for at := 0; at < up(rows, 8); {
		w := d.width(at, up(rows, 8))
		if at >= from && at < until {
			panel := to[at*d.Width():]
			for j := range min(w, rows-at) {
				row := m[(at+j)*d.Width():]
				for g := range kernels.Gates {
					for u, v := range row[g*d.Hidden:][:d.Hidden] {
						panel[(u*kernels.Gates+g)*w+j] = v
					}
				}
			}
		}
		at += w
	}
}

// padGates copies a row of 4H to one of np.
func (d dims) padGates(to, from []float32) {
	for g := range kernels.Gates {
		copy(to[g*d.hp:], from[g*d.Hidden:][:d.Hidden])
	}
}

// share is thread k's part of n items.
func share(n, k, threads int) (from, to int) { return n * k / threads, n * (k + 1) / threads }
