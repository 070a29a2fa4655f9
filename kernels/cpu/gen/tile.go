package main

import "fmt"

// The fields of tileArgs after a, aRow, aStep, b, bStep, c, cRow, in bytes.
const (
	fieldK     = 56
	fieldStart = 64
	fieldAt    = 72
	fieldBlock = 80
)

// rowAt addresses row r of the A operand: SI, DI and R14 point to rows 0, 4 and
// 8; R8 is the stride, R12 three times it.
func rowAt(r int) string {
	p := []string{"SI", "DI", "R14"}[r/4]
	return []string{"(" + p + ")", "(" + p + ")(R8*1)", "(" + p + ")(R8*2)", "(" + p + ")(R12*1)"}[r%4]
}

// advance adds to the pointers of A that rows use.
func (a *assembler) advance(rows int, by string) {
	for k, p := range []string{"SI", "DI", "R14"} {
		if rows > 4*k {
			a.op("ADDQ %s, %s", by, p)
		}
	}
}

// operands loads the pointers and strides: A as rowAt has it, its step R9, B
// in BX with step R10, C in DX with stride R11.
func (a *assembler) operands() {
	a.load("SI", "R8", "R9", "BX", "R10", "DX", "R11")
	a.op("LEAQ (R8)(R8*2), R12")
	a.op("LEAQ (SI)(R8*4), DI")
	a.op("LEAQ (SI)(R8*8), R14")
}

func (p panel) accumulator(row, vector int) string {
	return fmt.Sprintf("%s%d", p.reg, row*p.vectors+vector)
}

func (p panel) bytes() int { return 4 * p.floats }

// rank1 adds the product of a column of A and a row of B at an offset.
func (a *assembler) rank1(rows int, p panel, at int) {
	free := rows * p.vectors
	for v := range p.vectors {
		a.op("VMOVUPS %d(BX), %s%d", at+v*p.bytes(), p.reg, free+v)
	}
	for r := range rows {
		y := fmt.Sprintf("%s%d", p.reg, free+p.vectors+r%2)
		a.op("VBROADCASTSS %s, %s", rowAt(r), y)
		for v := range p.vectors {
			a.op("VFMADD231PS %s%d, %s, %s", p.reg, free+v, y, p.accumulator(r, v))
		}
	}
}

func (a *assembler) zero(rows int, p panel) {
	for n := range rows * p.vectors {
		if p.reg == "Z" || n > 15 {
			a.op("VPXORD %s%d, %s%d, %s%d", p.reg, n, p.reg, n, p.reg, n)
			continue
		}
		a.op("VXORPS %s%d, %s%d, %s%d", p.reg, n, p.reg, n, p.reg, n)
	}
}

// store writes the accumulators to C, or adds them.
func (a *assembler) store(rows int, p panel, add bool) {
	a.op("MOVQ DX, CX")
	for r := range rows {
		for v := range p.vectors {
			y, c := p.accumulator(r, v), fmt.Sprintf("%d(CX)", v*p.bytes())
			if add {
				a.op("VADDPS %s, %s, %s", c, y, y)
			}
			a.op("VMOVUPS %s, %s", y, c)
		}
		a.op("ADDQ R11, CX")
	}
}

// tile is C[rows][columns] = chains over k of A[rows][k]·B[k][columns] from the
// rows of start or, where that is nil, from +0.
func (a *assembler) tile(rows int) {
	p := a.panels[0]
	a.function(fmt.Sprintf("tile%d", rows), "tileArgs")
	a.operands()
	a.op("MOVQ %d(AX), CX", fieldStart)
	a.op("TESTQ CX, CX")
	a.op("JZ zero")
	a.op("MOVQ %d(AX), R13", fieldAt)
	for r := range rows {
		a.op("MOVQ %d(CX), R15", 8*r)
		for v := range p.vectors {
			a.op("VMOVUPS %d(R15)(R13*1), %s", v*p.bytes(), p.accumulator(r, v))
		}
	}
	a.op("JMP start")
	a.label("zero")
	a.zero(rows, p)
	a.label("start")
	a.op("MOVQ %d(AX), CX", fieldK)
	a.op("TESTQ CX, CX")
	a.op("JZ done")
	a.label("loop")
	a.rank1(rows, p, 0)
	a.advance(rows, "R9")
	a.op("ADDQ R10, BX")
	a.op("DECQ CX")
	a.op("JNZ loop")
	a.label("done")
	a.store(rows, p, false)
	a.end()
}

// gated is C[rows][columns] = (P0 + P1) + …, a block being a chain from +0 over
// so many units and within a unit over the four gates: aStep is the distance of
// two gates in A, units are adjacent; B is [unit][4][columns].
func (a *assembler) gated(rows int, p panel) {
	a.function(fmt.Sprintf("gated%dx%d", rows, p.columns()), "tileArgs")
	a.operands()
	a.op("MOVQ %d(AX), R13", fieldK)
	a.op("LEAQ (R9)(R9*2), R15") // from gate o of a unit to gate i of the next
	a.op("NEGQ R15")
	a.op("ADDQ $4, R15")
	a.label("block")
	a.zero(rows, p)
	a.op("MOVQ %d(AX), CX", fieldBlock)
	a.op("CMPQ R13, CX")
	a.op("JGE loop")
	a.op("MOVQ R13, CX")
	a.label("loop")
	for g := range 4 {
		a.rank1(rows, p, g*4*p.columns())
		a.advance(rows, []string{"R9", "R9", "R9", "R15"}[g])
	}
	a.op("ADDQ $%d, BX", 16*p.columns())
	a.op("DECQ CX")
	a.op("JNZ loop")
	a.op("CMPQ R13, %d(AX)", fieldK)
	a.op("JNE add")
	a.store(rows, p, false)
	a.op("JMP next")
	a.label("add")
	a.store(rows, p, true)
	a.label("next")
	a.op("SUBQ %d(AX), R13", fieldBlock)
	a.op("JG block")
	a.end()
}
