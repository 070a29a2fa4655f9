package stage

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Bounds of a command's output lines. A command may print without end: it is
// neither held up for long nor kept in memory.
const (
	mostLine  = 2 << 10   // bytes of a line; the rest is cut
	burst     = 400       // lines at once,
	perSecond = 100       // and so many more a second
	burstSize = 256 << 10 // likewise bytes,
	sizeRate  = 64 << 10  // a second
	keptLines = 20        // the last ones that were left out are told at the end
)

// A console makes log lines of what a command prints.
type console struct {
	secrets  [][]byte // the longest first
	emit     func(lines []string)
	now      func() time.Time
	out, err *printed

	mu     sync.Mutex // guards below, and the fields of out and err
	at     time.Time  // of the allowance
	lines  float64    // that may be told
	size   float64    // bytes, likewise
	left   int        // lines left out
	held   []string   // the last of them
	queued []string   // to tell
}

func newConsole(secrets [][]byte, emit func(lines []string)) *console {
	c := &console{secrets: secrets, emit: emit, now: time.Now, lines: burst, size: burstSize}
	c.at = c.now()
	longest := 0
	if len(secrets) > 0 {
		longest = len(secrets[0])
	}
	c.out = &printed{of: c, mark: "out | ", most: mostLine + longest}
	c.err = &printed{of: c, mark: "err | ", most: mostLine + longest}
	return c
}

// refill grants what the time that has passed allows.
func (c *console) refill() {
	now := c.now()
	passed := now.Sub(c.at).Seconds()
	c.at = now
	c.lines = min(burst, c.lines+passed*perSecond)
	c.size = min(burstSize, c.size+passed*sizeRate)
}

// may reports whether another line may be told.
func (c *console) may() bool { return c.lines >= 1 && c.size >= mostLine }

// add tells a line, or notes that it is left out.
func (c *console) add(line string) {
	if !c.may() {
		c.left++
		c.held = append(c.held, line)
		if len(c.held) > keptLines {
			c.held = c.held[1:]
		}
		return
	}
	if c.left > 0 {
		c.queued = append(c.queued, fmt.Sprintf("(%d lines left out)", c.left))
		c.left, c.held = 0, nil
	}
	c.lines--
	c.size -= float64(len(line))
	c.queued = append(c.queued, line)
}

// flush tells what is queued.
func (c *console) flush() {
	if len(c.queued) > 0 {
		c.emit(c.queued)
		c.queued = nil
	}
}

// close ends both streams.
func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.end()
	c.err.end()
	if n := c.left - len(c.held); n > 0 {
		c.queued = append(c.queued, fmt.Sprintf("(%d lines left out)", n))
	}
	c.queued = append(c.queued, c.held...)
	c.flush()
}

// printed is one of a command's streams, and is written to by one goroutine.
type printed struct {
	of   *console
	mark string // of its lines
	most int    // bytes of a line that are kept: a secret may begin at the last that is told
	line []byte // so far
	last []string
}

// lineEnds end a line; a progress bar ends its own with the second.
const lineEnds = "\n\r"

// Write takes what was printed. It never fails. Lines that can't be told are
// not even looked at, but for the last.
func (p *printed) Write(b []byte) (int, error) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	n, skipped := len(b), false
	p.of.refill()
	for len(b) > 0 {
		if !skipped && !p.of.may() {
			b, skipped = p.skip(b), true
		}
		end := bytes.IndexAny(b, lineEnds)
		if end < 0 {
			p.grow(b)
			break
		}
		p.grow(b[:end])
		p.end()
		b = b[end+1:]
	}
	p.of.flush()
	return n, nil
}

// skip counts the lines of b that will not be told, and gives the last ones.
func (p *printed) skip(b []byte) []byte {
	from := len(b)
	for range keptLines + 1 {
		if from = bytes.LastIndexAny(b[:from], lineEnds); from < 0 {
			return b
		}
	}
	for k := range lineEnds {
		p.of.left += bytes.Count(b[:from+1], []byte(lineEnds[k:k+1]))
	}
	p.line = p.line[:0]
	return b[from+1:]
}

func (p *printed) grow(b []byte) {
	p.line = append(p.line, b[:min(len(b), p.most-len(p.line))]...)
}

// end makes a log line of what was printed so far. Blank lines are none.
func (p *printed) end() {
	text := redact(p.line, p.of.secrets, mostLine)
	cut := len(p.line) > mostLine
	p.line = p.line[:0]
	line := strings.TrimRightFunc(legible(text), unicode.IsSpace)
	if line == "" {
		return
	}
	if cut {
		line += "…"
	}
	p.last = append(p.last, line)
	if len(p.last) > lastLines {
		p.last = p.last[1:]
	}
	p.of.add(p.mark + line)
}

// legible replaces what is no text, and leaves out what would move a terminal's
// cursor.
func legible(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "\uFFFD"))
}

// lastWords are the stream's last lines, on one.
func (p *printed) lastWords() string {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	text := strings.Join(p.last, " / ")
	if over := len(text) - mostLast; over > 0 {
		text = "…" + strings.ToValidUTF8(text[over:], "")
	}
	return text
}
