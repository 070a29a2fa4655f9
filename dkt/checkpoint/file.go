package checkpoint

import (
	"errors"
	"fmt"
	"io"

	"cohort/kernels"
)

// window is how many bytes of a file exist at a time, a multiple of 8.
const window = 64 << 10

// File is a checkpoint as a file's bytes, made as they are read: however large
// the model, no second copy of it is. The model must not change meanwhile.
type File struct {
	head    []byte
	tensors []tensor
	size    int64 // of head and tensors
	at      int64 // where Read goes on
	begin   int64 // of piece, in the file
	piece   []byte
}

var _ io.ReadSeeker = (*File)(nil)

func newFile(tensors []tensor, meta map[string]string) (*File, error) {
	head, err := headerOf(tensors, meta)
	if err != nil {
		return nil, err
	}
	f := &File{head: head, tensors: tensors, size: int64(len(head))}
	for _, t := range tensors {
		f.size += 4 * int64(len(t.data))
	}
	return f, nil
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.at >= f.size {
		return 0, io.EOF
	}
	if f.at < f.begin || f.at >= f.begin+int64(len(f.piece)) {
		f.fill()
	}
	n = copy(p, f.piece[f.at-f.begin:])
	f.at += int64(n)
	return n, nil
}

// fill makes the piece that holds the byte at f.at: the header, or as much of
// one tensor as fits.
func (f *File) fill() {
	f.begin, f.piece = 0, append(f.piece[:0], f.head...)
	begin := int64(len(f.head))
	if f.at < begin {
		return
	}
	for _, t := range f.tensors {
		end := begin + 4*int64(len(t.data))
		if f.at >= end {
			begin = end
			continue
		}
		skip := (f.at - begin) / 4
		f.begin = begin + 4*skip
		f.piece = kernels.AppendFloats(f.piece[:0], t.data[skip:min(int64(len(t.data)), skip+window/4)])
		return
	}
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.size
	case io.SeekStart:
	default:
		return 0, fmt.Errorf("seek checkpoint: whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek checkpoint: before its beginning")
	}
	f.at = offset
	return offset, nil
}
