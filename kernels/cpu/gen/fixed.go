package main

import "cohort/kernels"

// fixed: fixedArgs{dst, src, n, worst}: dst += ToFixed(src) for n groups of half
// a register; worst becomes the largest magnitude seen, as bits: those of a NaN
// are above all numbers'.
func (a *assembler) fixed() {
	a.function("fixed", "fixedArgs")
	a.load("DI", "SI", "CX")
	if a.wide() {
		a.op("VBROADCASTSS %s, Y0", a.constant(kernels.FixedOne))
	} else {
		a.op("VBROADCASTSD %s, Y0", a.long("one30", 0x41d0000000000000))
		a.op("VBROADCASTSD %s, Y1", a.long("magic", 0x4338000000000000))
	}
	a.op("VBROADCASTSS %s, %s", a.word(0x7fffffff), a.half(3))
	a.op("VPXOR X2, X2, X2")
	a.op("SUBQ $2, CX")
	a.op("JLT one")
	a.label("loop")
	a.door(0)
	a.door(1)
	a.op("ADDQ $%d, SI", a.bytes())
	a.op("ADDQ $%d, DI", 2*a.bytes())
	a.op("SUBQ $2, CX")
	a.op("JGE loop")
	a.label("one")
	a.op("ADDQ $2, CX")
	a.op("JZ done")
	a.door(0)
	a.label("done")
	if a.wide() {
		a.op("VEXTRACTI128 $1, Y2, X3")
		a.op("VPMAXUD X3, X2, X2")
	}
	a.op("VPSHUFD $0x4e, X2, X3")
	a.op("VPMAXUD X3, X2, X2")
	a.op("VPSHUFD $0xb1, X2, X3")
	a.op("VPMAXUD X3, X2, X2")
	a.op("VMOVD X2, BX")
	a.op("MOVQ BX, 24(AX)")
	a.end()
}

// door converts the kth half register of src and adds it to dst. Scaling by a
// power of two is exact; AVX-512 rounds to an integer in one instruction.
func (a *assembler) door(k int) {
	x, y, z := a.half(4+4*k), a.half(5+4*k), a.v(6+4*k)
	a.op("VMOVUPS %d(SI), %s", k*a.bytes()/2, x)
	a.op("VANDPS %s, %s, %s", a.half(3), x, y)
	a.op("VPMAXUD %s, %s, %s", y, a.half(2), a.half(2))
	if a.wide() {
		a.op("VMULPS Y0, %s, %s", x, x)
		a.op("VCVTPS2QQ %s, %s", x, z)
	} else {
		a.op("VCVTPS2PD %s, %s", x, z)
		a.op("VFMADD213PD Y1, Y0, %s", z)
		a.op("VPSUBQ Y1, %s, %s", z, z)
	}
	a.op("VPADDQ %d(DI), %s, %s", k*a.bytes(), z, z)
	a.op("VMOVUPS %s, %d(DI)", z, k*a.bytes())
}

// mean: meanArgs{dst, src, n, scale, or}: dst = FromFixed(src, scale) for n groups
// of half a register. An entry is below SumLimit = 2^52 in magnitude if neither
// x = q + 2^52 − 1 nor x + 1 has a bit from 53 on: or becomes the union of all.
func (a *assembler) mean() {
	a.function("mean", "meanArgs")
	a.load("DI", "SI", "CX")
	or, move := "VPOR", "VMOVDQU"
	if a.wide() {
		or, move = "VPORQ", "VMOVDQU64"
	} else { // AVX2 converts halves, whose sum is exact
		a.op("VBROADCASTSD %s, Y8", a.long("low", 0x4330000000000000))   // 2^52
		a.op("VBROADCASTSD %s, Y9", a.long("high", 0x4530000080000000))  // 2^84 + 2^63
		a.op("VBROADCASTSD %s, Y10", a.long("both", 0x4530000080100000)) // 2^84 + 2^63 + 2^52
	}
	a.op("VBROADCASTSD 24(AX), %s", a.v(0))
	a.op("VBROADCASTSD %s, %s", a.long("most", uint64(kernels.SumLimit-1)), a.v(1))
	a.op("VBROADCASTSD %s, %s", a.long("one", 1), a.v(3))
	a.op("VPXOR X2, X2, X2")
	a.op("TESTQ CX, CX")
	a.op("JZ done")
	a.label("loop")
	a.op("%s (SI), %s", move, a.v(5))
	a.op("VPADDQ %s, %s, %s", a.v(1), a.v(5), a.v(6))
	a.op("%s %s, %s, %s", or, a.v(6), a.v(2), a.v(2))
	a.op("VPADDQ %s, %s, %s", a.v(3), a.v(6), a.v(6))
	a.op("%s %s, %s, %s", or, a.v(6), a.v(2), a.v(2))
	if a.wide() {
		a.op("VCVTQQ2PD Z5, Z5")
		a.op("VMULPD Z0, Z5, Z5")
		a.op("VCVTPD2PS Z5, Y5")
	} else {
		a.op("VPBLENDD $0x55, Y5, Y8, Y6")
		a.op("VPSRLQ $32, Y5, Y5")
		a.op("VPXOR Y9, Y5, Y5")
		a.op("VSUBPD Y10, Y5, Y5")
		a.op("VADDPD Y6, Y5, Y5")
		a.op("VMULPD Y0, Y5, Y5")
		a.op("VCVTPD2PSY Y5, X5")
	}
	a.op("VMOVUPS %s, (DI)", a.half(5))
	a.op("ADDQ $%d, SI", a.bytes())
	a.op("ADDQ $%d, DI", a.bytes()/2)
	a.op("DECQ CX")
	a.op("JNZ loop")
	a.label("done")
	if a.wide() {
		a.op("VEXTRACTI64X4 $1, Z2, Y3")
		a.op("VPOR Y3, Y2, Y2")
	}
	a.op("VEXTRACTI128 $1, Y2, X3")
	a.op("VPOR X3, X2, X2")
	a.op("VPSHUFD $0x4e, X2, X3")
	a.op("VPOR X3, X2, X2")
	a.op("VMOVQ X2, BX")
	a.op("MOVQ BX, 32(AX)")
	a.end()
}

// keep: keepArgs{dst, n, key0, key1, c0, c1, c2, least}: for n groups of as many
// counters as a register has lanes, a bit for each word of Philox at or above
// least.
func (a *assembler) keep() {
	a.function("keep", "keepArgs")
	a.load("DI", "CX")
	lanes := []uint64{0x0000000100000000, 0x0000000300000002, 0x0000000500000004, 0x0000000700000006}
	if a.wide() {
		lanes = append(lanes, 0x0000000900000008, 0x0000000b0000000a, 0x0000000d0000000c, 0x0000000f0000000e)
	}
	r := func(n int) string { return a.v(n) }
	const c0, c1, c2, c3, mul0, mul1, lane, least = 0, 1, 2, 3, 8, 9, 10, 11
	move := map[bool]string{true: "VMOVDQU32", false: "VMOVDQU"}[a.wide()]
	a.op("%s %s, %s", move, a.long("lanes", lanes...), r(lane))
	a.op("VPBROADCASTD %s, %s", a.word(kernels.PhiloxM0), r(mul0))
	a.op("VPBROADCASTD %s, %s", a.word(kernels.PhiloxM1), r(mul1))
	a.op("VPBROADCASTD 36(AX), %s", r(least))
	a.op("MOVQ $0x1111111111111111, R12")
	if a.wide() {
		a.op("MOVL $0xaaaa, R10")
		a.op("KMOVW R10, K3")
		a.op("KNOTW K3, K4")
		a.op("VPBROADCASTD %s, Z12", a.word(kernels.PhiloxW0))
		a.op("VPBROADCASTD %s, Z13", a.word(kernels.PhiloxW1))
	}
	a.op("TESTQ CX, CX")
	a.op("JZ done")
	a.label("loop")
	for k, c := range []int{c0, c1, c2} {
		a.op("VPBROADCASTD %d(AX), %s", 24+4*k, r(c))
	}
	a.op("%s %s, %s", map[bool]string{true: "VMOVDQA32", false: "VMOVDQA"}[a.wide()], r(lane), r(c3))
	if a.wide() {
		a.op("VPBROADCASTD 16(AX), Z14")
		a.op("VPBROADCASTD 20(AX), Z15")
	} else {
		a.op("MOVL 16(AX), R8")
		a.op("MOVL 20(AX), R9")
	}
	a.rounds(r)
	a.gather(r, r(least))
	if a.wide() {
		a.op("MOVQ R10, (DI)")
	} else {
		a.op("MOVL R10, (DI)")
	}
	a.op("ADDQ $%d, DI", a.floats/2)
	a.spreadWord(uint32(a.floats), r(4))
	a.op("VPADDD %s, %s, %s", r(4), r(lane), r(lane))
	a.op("DECQ CX")
	a.op("JNZ loop")
	a.label("done")
	a.end()
}

func (a *assembler) spreadWord(w uint32, y string) { a.op("VPBROADCASTD %s, %s", a.word(w), y) }

// rounds are the ten of Philox; the key moves on after each.
func (a *assembler) rounds(r func(int) string) {
	a.op("MOVL $10, BX")
	a.label("round")
	a.round(r)
	if a.wide() {
		a.op("VPADDD Z12, Z14, Z14")
		a.op("VPADDD Z13, Z15, Z15")
	} else {
		a.op("ADDL $0x%x, R8", kernels.PhiloxW0)
		a.op("ADDL $0x%x, R9", kernels.PhiloxW1)
	}
	a.op("DECL BX")
	a.op("JNZ round")
}

// gather leaves in R10 a bit for each word at or above least, in the order of
// words: R12 spreads those of a register to every fourth.
func (a *assembler) gather(r func(int) string, least string) {
	a.op("XORQ R10, R10")
	for w := range 4 {
		if a.wide() {
			a.op("VPCMPUD $5, %s, %s, K1", least, r(w))
			a.op("KMOVW K1, R11")
		} else {
			a.op("VPMAXUD %s, %s, Y4", least, r(w))
			a.op("VPCMPEQD %s, Y4, Y4", r(w))
			a.op("VMOVMSKPS Y4, R11")
		}
		a.op("PDEPQ R12, R11, R11")
		if w > 0 {
			a.op("SHLQ $%d, R11", w)
		}
		a.op("ORQ R11, R10")
	}
}

// round is one of Philox's: counters in registers 0 to 3, keys in 14 and 15 or,
// for AVX2, in R8 and R9.
func (a *assembler) round(r func(int) string) {
	for k, c := range []int{0, 2} { // products of even lanes in 4 and 6, of odd ones in 5 and 7
		a.op("VPMULUDQ %s, %s, %s", r(8+k), r(c), r(4+2*k))
		a.op("VPSRLQ $32, %s, %s", r(c), r(5+2*k))
		a.op("VPMULUDQ %s, %s, %s", r(8+k), r(5+2*k), r(5+2*k))
	}
	// c0 = high1 ^ c1 ^ key0, c1 = low1, c2 = high0 ^ c3 ^ key1, c3 = low0
	for k, c := range []int{2, 0} {
		even, odd := r(4+c), r(5+c)
		high, low, old := r(2*k), r(2*k+1), r(12)
		if a.wide() {
			a.op("VMOVDQA32 %s, %s", odd, high)
			a.op("VPSHUFD $0xf5, %s, K4, %s", even, high)
			a.op("VPTERNLOGD $0x96, %s, %s, %s", r(14+k), low, high)
			a.op("VPSHUFD $0xa0, %s, K3, %s", odd, even)
			a.op("VMOVDQA32 %s, %s", even, low)
			continue
		}
		a.op("VPSRLQ $32, %s, %s", even, old)
		a.op("VPBLENDD $0xaa, %s, %s, %s", odd, old, high)
		a.op("VPXOR %s, %s, %s", low, high, high)
		a.op("VMOVD %s, X13", []string{"R8", "R9"}[k])
		a.op("VPBROADCASTD X13, Y13")
		a.op("VPXOR Y13, %s, %s", high, high)
		a.op("VPSLLQ $32, %s, %s", odd, old)
		a.op("VPBLENDD $0xaa, %s, %s, %s", old, even, low)
	}
}
