package cpu

func (avx512) tiles() (heights []int, columns int) { return []int{12, 8, 4, 2, 1}, 32 }

func (avx512) tile(rows int, p *tileArgs) {
	switch rows {
	case 12:
		avx512Tile12(p)
	case 8:
		avx512Tile8(p)
	case 4:
		avx512Tile4(p)
	case 2:
		avx512Tile2(p)
	default:
		avx512Tile1(p)
	}
}

func (avx512) gated(rows, columns int, p *tileArgs) {
	switch columns {
	case 32:
		gated32(rows, p)
	case 16:
		gated16(rows, p)
	default:
		gated8(rows, p)
	}
}

func gated32(rows int, p *tileArgs) {
	switch rows {
	case 12:
		avx512Gated12x32(p)
	case 8:
		avx512Gated8x32(p)
	case 4:
		avx512Gated4x32(p)
	case 2:
		avx512Gated2x32(p)
	default:
		avx512Gated1x32(p)
	}
}

func gated16(rows int, p *tileArgs) {
	switch rows {
	case 12:
		avx512Gated12x16(p)
	case 8:
		avx512Gated8x16(p)
	case 4:
		avx512Gated4x16(p)
	case 2:
		avx512Gated2x16(p)
	default:
		avx512Gated1x16(p)
	}
}

func gated8(rows int, p *tileArgs) {
	switch rows {
	case 12:
		avx512Gated12x8(p)
	case 8:
		avx512Gated8x8(p)
	case 4:
		avx512Gated4x8(p)
	case 2:
		avx512Gated2x8(p)
	default:
		avx512Gated1x8(p)
	}
}

// move advances pointers by n floats, but for nil.
func move(n int, pointers ...**float32) {
	for _, p := range pointers {
		if *p != nil {
			*p = at(*p, 4*n)
		}
	}
}

func (avx512) forward(p *forwardArgs) {
	units := p.n
	p.n /= 16
	avx512Forward(p)
	if units%16 != 0 {
		move(16*p.n, &p.z, &p.gates, &p.before, &p.c, &p.tc, &p.h)
		p.n = 1
		avx2Forward(p)
	}
}

func (avx512) backward(p *backwardArgs) {
	units := p.n
	p.n /= 16
	avx512Backward(p)
	if units%16 != 0 {
		move(16*p.n, &p.gates, &p.copy, &p.before, &p.tc, &p.head, &p.after, &p.carry)
		p.n = 1
		avx2Backward(p)
	}
}

func (avx512) scale(p *scaleArgs) {
	units := p.n
	p.n /= 16
	avx512Scale(p)
	if units%16 != 0 {
		move(16*p.n, &p.dst, &p.src)
		if p.keep != nil {
			p.keep = at(p.keep, 2*p.n)
		}
		p.n = 1
		avx2Scale(p)
	}
}

func (avx512) keep(p *keepArgs) { avx512Keep(p) }

func (o avx512) fixed(dst []int64, src []float32) bool {
	whole := len(src) &^ 7
	good := true
	if whole > 0 {
		p := fixedArgs{dst: &dst[0], src: &src[0], n: whole / 8}
		avx512Fixed(&p)
		good = passes(p.worst)
	}
	return o.portable.fixed(dst[whole:], src[whole:]) && good
}

func (o avx512) mean(dst []float32, src []int64, scale float64) bool {
	whole := len(src) &^ 7
	good := true
	if whole > 0 {
		p := meanArgs{dst: &dst[0], src: &src[0], n: whole / 8, scale: scale}
		avx512Mean(&p)
		good = p.union>>53 == 0
	}
	return o.portable.mean(dst[whole:], src[whole:], scale) && good
}

func (avx512) activate(p *activateArgs) { p.n /= 16; avx512Activate(p) }

func (avx512) burn(rounds int) (flop int) {
	avx512Burn(&burnArgs{rounds})
	return rounds * 12 * 16 * 2
}
