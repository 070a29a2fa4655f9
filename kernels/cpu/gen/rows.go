package main

import "fmt"

// gateRows are the pointers to the gates of a row.
func gateRows() []string { return []string{"SI", "R8", "R9", "R10"} }

// gates turns SI, the first gate of a row, and DX, the stride of gates, into
// pointers to all four.
func (a *assembler) gates() {
	a.op("LEAQ (SI)(DX*1), R8")
	a.op("LEAQ (R8)(DX*1), R9")
	a.op("LEAQ (R9)(DX*1), R10")
}

// forward: forwardArgs{z, stride, n, gates, before, c, tc, h}. Gates first, then
// what follows from them: two short loops, whose rounds overlap.
func (a *assembler) forward() {
	a.function("forward", "forwardArgs")
	a.load("SI", "DX", "CX", "R14", "DI", "R11", "R12", "R13")
	a.gates()
	a.holdMath()
	spoilt, z := a.scratch(8), func(n int) string { return a.v(n) }
	made := []string{"(R14)(BX*1)", "(AX)(BX*1)", "(R15)(BX*1)", "(DX)(BX*1)"}
	a.op("LEAQ (R14)(DX*1), AX")
	a.op("LEAQ (R14)(DX*2), R15")
	a.op("ADDQ R15, DX")
	a.each("gates", func() {
		for k, p := range gateRows() {
			a.op("VMOVUPS (%s)(BX*1), %s", p, z(k))
			if k == 2 {
				a.tanh(z(k), spoilt)
			} else {
				a.sigmoid(z(k), spoilt)
			}
			a.op("VMOVUPS %s, %s", z(k), made[k])
		}
	})
	a.op("MOVQ p+0(FP), CX")
	a.op("MOVQ 16(CX), CX")
	a.each("cells", func() {
		a.op("VMOVUPS %s, %s", made[0], z(0))
		a.op("VMULPS %s, %s, %s", made[2], z(0), z(4))
		a.op("TESTQ DI, DI")
		a.op("JZ first")
		a.op("VMOVUPS (DI)(BX*1), %s", z(5))
		a.op("VFMADD231PS %s, %s, %s", made[1], z(5), z(4))
		a.label("first")
		a.op("VMOVUPS %s, (R11)(BX*1)", z(4))
		a.tanh(z(4), spoilt)
		a.op("VMOVUPS %s, (R12)(BX*1)", z(4))
		a.op("VMULPS %s, %s, %s", made[3], z(4), z(4))
		a.op("VMOVUPS %s, (R13)(BX*1)", z(4))
	})
	a.end()
}

// backward: backwardArgs{gates, stride, n, copy, before, tc, head, after, carry}.
func (a *assembler) backward() {
	a.function("backward", "backwardArgs")
	a.load("SI", "DX", "CX", "R14", "DI", "R11", "R12", "R13", "R15")
	a.gates()
	z := func(n int) string { return a.v(n) }
	a.spread(1, z(15))
	a.each("", func() {
		for k, p := range gateRows() {
			a.op("VMOVUPS (%s)(BX*1), %s", p, z(k)) // i f g o
		}
		a.op("VMOVUPS (R11)(BX*1), %s", z(4)) // tc
		a.op("VMOVUPS (R12)(BX*1), %s", z(5)) // dh: the head's part
		a.op("VXORPS %s, %s, %s", z(6), z(6), z(6))
		a.op("TESTQ R13, R13")
		a.op("JZ last")
		a.op("VADDPS (R13)(BX*1), %s, %s", z(5), z(5)) // and that of the step after
		a.op("VMOVUPS (R15)(BX*1), %s", z(6))          // dc after · f after
		a.label("last")
		a.op("VMOVAPS %s, %s", z(15), z(7))
		a.op("VFNMADD231PS %s, %s, %s", z(4), z(4), z(7))
		a.op("VMULPS %s, %s, %s", z(3), z(5), z(8))
		a.op("VFMADD231PS %s, %s, %s", z(7), z(8), z(6)) // dc
		slope := func(k int) {
			a.op("VMOVAPS %s, %s", z(k), z(10))
			a.op("VFNMADD231PS %s, %s, %s", z(k), z(k), z(10))
		}
		a.op("VMULPS %s, %s, %s", z(4), z(5), z(9))
		slope(3)
		a.op("VMULPS %s, %s, %s", z(10), z(9), z(9)) // do
		a.op("VMULPS %s, %s, %s", z(2), z(6), z(11))
		slope(0)
		a.op("VMULPS %s, %s, %s", z(10), z(11), z(11)) // di
		a.op("VXORPS %s, %s, %s", z(12), z(12), z(12))
		a.op("TESTQ DI, DI")
		a.op("JZ first")
		a.op("VMULPS (DI)(BX*1), %s, %s", z(6), z(12))
		slope(1)
		a.op("VMULPS %s, %s, %s", z(10), z(12), z(12)) // df
		a.label("first")
		a.op("VMULPS %s, %s, %s", z(0), z(6), z(13))
		a.op("VMOVAPS %s, %s", z(15), z(10))
		a.op("VFNMADD231PS %s, %s, %s", z(2), z(2), z(10))
		a.op("VMULPS %s, %s, %s", z(10), z(13), z(13)) // dg
		a.op("VMULPS %s, %s, %s", z(1), z(6), z(6))
		a.op("VMOVUPS %s, (R15)(BX*1)", z(6))
		for k, p := range gateRows() {
			a.op("VMOVUPS %s, (%s)(BX*1)", z([]int{11, 12, 13, 9}[k]), p)
		}
		a.op("VMOVUPS %s, (R14)", z(11))
		a.op("VMOVUPS %s, (R14)(DX*1)", z(12))
		a.op("VMOVUPS %s, (R14)(DX*2)", z(13))
		a.op("LEAQ (R14)(DX*2), AX")
		a.op("VMOVUPS %s, (AX)(DX*1)", z(9))
		a.op("ADDQ $%d, R14", a.bytes())
	})
	a.end()
}

// activate: activateArgs{x, n, tanh}: sigmoid or tanh in place, for tests.
func (a *assembler) activate() {
	a.function("activate", "activateArgs")
	a.load("SI", "CX", "DX")
	spoilt := a.scratch(8)
	a.each("", func() {
		a.op("VMOVUPS (SI)(BX*1), %s", a.v(0))
		a.op("TESTQ DX, DX")
		a.op("JNZ tanh")
		a.sigmoid(a.v(0), spoilt)
		a.op("JMP put")
		a.label("tanh")
		a.tanh(a.v(0), spoilt)
		a.label("put")
		a.op("VMOVUPS %s, (SI)(BX*1)", a.v(0))
	})
	a.end()
}

// scale: scaleArgs{dst, src, n, keep, factor, gain}: dst = (src·factor)·gain
// where a bit of keep is set, else +0; without keep src·factor.
func (a *assembler) scale() {
	a.function("scale", "scaleArgs")
	a.load("DI", "SI", "CX", "R8")
	a.op("VBROADCASTSS 32(AX), %s", a.v(14))
	a.op("VBROADCASTSS 36(AX), %s", a.v(15))
	if !a.wide() {
		a.op("VMOVDQU %s, Y13", a.long("bits", 0x0000000200000001, 0x0000000800000004, 0x0000002000000010, 0x0000008000000040))
	}
	a.each("", func() {
		a.op("VMULPS (SI)(BX*1), %s, %s", a.v(14), a.v(0))
		a.op("TESTQ R8, R8")
		a.op("JZ put")
		if a.wide() {
			a.op("KMOVW (R8), K1")
			a.op("VMULPS.Z %s, %s, K1, %s", a.v(15), a.v(0), a.v(0))
		} else {
			a.op("VPBROADCASTB (R8), Y1")
			a.op("VPAND Y13, Y1, Y1")
			a.op("VPCMPEQD Y13, Y1, Y1")
			a.op("VMULPS Y15, Y0, Y0")
			a.op("VANDPS Y1, Y0, Y0")
		}
		a.op("ADDQ $%d, R8", a.floats/8)
		a.label("put")
		a.op("VMOVUPS %s, (DI)(BX*1)", a.v(0))
	})
	a.end()
}

// dot: dotArgs{a, b, n, out}: the head's sum over 16 lanes, n groups of 8. It
// is the same for both: the 16 lanes are two registers.
func (a *assembler) dot() {
	if a.wide() {
		return
	}
	a.function("dot", "dotArgs")
	a.load("SI", "DI", "CX")
	a.op("VXORPS Y0, Y0, Y0")
	a.op("VXORPS Y1, Y1, Y1")
	a.label("loop")
	a.op("CMPQ CX, $2")
	a.op("JLT rest")
	for k := range 2 {
		a.op("VMOVUPS %d(SI), Y2", 32*k)
		a.op("VFMADD231PS %d(DI), Y2, Y%d", 32*k, k)
	}
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, DI")
	a.op("SUBQ $2, CX")
	a.op("JMP loop")
	a.label("rest")
	a.op("TESTQ CX, CX")
	a.op("JZ done")
	a.op("VMOVUPS (SI), Y2")
	a.op("VFMADD231PS (DI), Y2, Y0")
	a.label("done")
	a.op("VADDPS Y1, Y0, Y0")
	a.op("VEXTRACTF128 $1, Y0, X1")
	a.op("VADDPS X1, X0, X0")
	a.op("VMOVHLPS X0, X0, X1")
	a.op("VADDPS X1, X0, X0")
	a.op("VMOVSHDUP X0, X1")
	a.op("VADDSS X1, X0, X0")
	a.op("VMOVSS X0, 24(AX)")
	a.end()
}

// adam: adamArgs{theta, m, v, grad, n, scalars}: ARITHMETIC 6. Divisions and
// memory bound it, so wider registers would not help.
func (a *assembler) adam() {
	if a.wide() {
		return
	}
	a.function("adam", "adamArgs")
	a.load("DI", "SI", "R8", "R9", "CX")
	for k := range 8 { // β1 1−β1 β2 1−β2 −a r ε −decay
		a.op("VBROADCASTSS %d(AX), Y%d", 40+4*k, 8+k)
	}
	a.each("", func() {
		a.op("VMOVUPS (R9)(BX*1), Y0")
		a.op("VMULPS Y0, Y9, Y1")
		a.op("VMOVUPS (SI)(BX*1), Y2")
		a.op("VFMADD231PS Y2, Y8, Y1") // m
		a.flush("Y1", 0x1p-100, true)
		a.op("VMOVUPS Y1, (SI)(BX*1)")
		a.op("VMULPS Y0, Y11, Y2")
		a.op("VMULPS Y0, Y2, Y2")
		a.op("VMOVUPS (R8)(BX*1), Y3")
		a.op("VFMADD231PS Y3, Y10, Y2") // v
		a.flush("Y2", 0x1p-120, false)
		a.op("VMOVUPS Y2, (R8)(BX*1)")
		a.op("VSQRTPS Y2, Y2")
		a.op("VMULPS Y13, Y2, Y2")
		a.op("VADDPS Y14, Y2, Y2")
		a.op("VDIVPS Y2, Y1, Y1")
		a.op("VMOVUPS (DI)(BX*1), Y3")
		a.op("VMOVAPS Y3, Y4")
		a.op("VFMADD231PS Y3, Y15, Y4")
		a.op("VFMADD231PS Y1, Y12, Y4")
		a.op("VMOVUPS Y4, (DI)(BX*1)")
	})
	a.end()
}

// flush makes entries of y with a magnitude below least +0; NaN stays.
func (a *assembler) flush(y string, least float32, signed bool) {
	mag := y
	if signed {
		a.op("VPCMPEQD Y5, Y5, Y5")
		a.op("VPSRLD $1, Y5, Y5")
		a.op("VANDPS %s, Y5, Y5", y)
		mag = "Y5"
	}
	a.spread(least, "Y6")
	a.op("VCMPPS $5, Y6, %s, Y5", mag) // not less than
	a.op("VANDPS %s, Y5, %s", y, y)
}

// half names the lower half of a register.
func (a *assembler) half(n int) string {
	return fmt.Sprintf("%s%d", map[bool]string{true: "Y", false: "X"}[a.wide()], n)
}

// burn: burnArgs{n}: n rounds of independent FMAs, what the tiles can reach.
func (a *assembler) burn() {
	a.function("burn", "burnArgs")
	a.load("CX")
	for n := range 14 {
		a.spread(0, a.v(n))
	}
	a.label("loop")
	for n := range 12 {
		a.op("VFMADD231PS %s, %s, %s", a.v(12), a.v(13), a.v(n))
	}
	a.op("DECQ CX")
	a.op("JNZ loop")
	a.end()
}

// touch: touchArgs{p, rows, stride, lines}: asks for cache lines ahead of their
// use: so many from the start of each row.
func (a *assembler) touch() {
	if a.wide() {
		return
	}
	a.function("touch", "touchArgs")
	a.load("SI", "CX", "DX", "R8")
	a.label("row")
	a.op("MOVQ SI, DI")
	a.op("MOVQ R8, BX")
	a.label("line")
	a.op("PREFETCHT1 (DI)")
	a.op("ADDQ $64, DI")
	a.op("DECQ BX")
	a.op("JNZ line")
	a.op("ADDQ DX, SI")
	a.op("DECQ CX")
	a.op("JNZ row")
	a.end()
}
