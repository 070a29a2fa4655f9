package cpu

import (
	"syscall"
	"unsafe"
)

// huge allocates n floats, on large pages where the system grants them: kernels
// stride through more small pages than a processor's table of them holds.
func huge(n int) []float32 {
	f := make([]float32, n)
	const page, advise = 2 << 20, 14 // MADV_HUGEPAGE
	p := uintptr(unsafe.Pointer(unsafe.SliceData(f)))
	first, last := (p+page-1)&^(page-1), (p+uintptr(4*n))&^(page-1)
	if first < last {
		whole := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(f)), first-p)), last-first)
		_ = syscall.Madvise(whole, advise) // a wish
	}
	return f
}
