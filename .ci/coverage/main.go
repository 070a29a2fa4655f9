// Command coverage prints the statement coverage of a profile by package and
// in total, and fails below a minimum. It counts a statement once however many
// test binaries saw it, which go tool cover does not.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	least := flag.Float64("min", 0, "fail below this percentage of all statements")
	flag.Parse()
	if err := run(os.Stdout, flag.Arg(0), *least); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

type block struct {
	statements int
	hit        bool
}

func run(w io.Writer, file string, least float64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	blocks := map[string]block{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var place string
		var n, count int
		if _, err := fmt.Sscanf(s.Text(), "%s %d %d", &place, &n, &count); err != nil {
			continue // the mode line
		}
		blocks[place] = block{n, count > 0 || blocks[place].hit}
	}
	type sum struct{ hit, all int }
	packages := map[string]sum{}
	var total sum
	for place, b := range blocks {
		name := path.Dir(strings.SplitN(place, ":", 2)[0])
		s := packages[name]
		s.all += b.statements
		total.all += b.statements
		if b.hit {
			s.hit += b.statements
			total.hit += b.statements
		}
		packages[name] = s
	}
	names := make([]string, 0, len(packages))
	for name := range packages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := packages[name]
		fmt.Fprintf(w, "%6.1f %%  %s\n", 100*float64(s.hit)/float64(s.all), name)
	}
	percent := 100 * float64(total.hit) / float64(max(total.all, 1))
	fmt.Fprintf(w, "%6.1f %%  of %d statements\n", percent, total.all)
	if percent < least {
		return fmt.Errorf("%.1f %% of statements are covered, want %.0f %%", percent, least)
	}
	return nil
}
