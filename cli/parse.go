package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

// A call is a command line taken apart. urfave/cli stops reading flags at the
// first argument and lets a subcommand's flag shadow a global one, so parse
// finds the command first and line puts all flags right behind it.
type call struct {
	tree  []*cli.Command
	path  []*cli.Command // from the top to the command
	flags []given
	args  []string
	help  bool
}

// given is a flag as it was given. Origin is empty on the command line, else
// the variable or file that it came from.
type given struct {
	name, value, origin string
	set                 bool // value was given
}

func (c *call) name() string {
	words := []string{"cohort"}
	for _, p := range c.path {
		words = append(words, p.Name)
	}
	return strings.Join(words, " ")
}

// leaf is the deepest command found, nil before the first.
func (c *call) leaf() *cli.Command {
	if c == nil || len(c.path) == 0 {
		return nil
	}
	return c.path[len(c.path)-1]
}

// below are the commands that may follow.
func (c *call) below() []*cli.Command {
	if l := c.leaf(); l != nil {
		return l.Subcommands
	}
	return c.tree
}

// line is the call in the order that urfave/cli reads.
func (c *call) line() []string {
	line := []string{"cohort"}
	for _, p := range c.path {
		line = append(line, p.Name)
	}
	for _, f := range c.flags {
		word := "--" + f.name
		if f.set {
			word += "=" + f.value
		}
		line = append(line, word)
	}
	return append(append(line, "--"), c.args...)
}

// parse takes the arguments behind the program's name apart. The call is
// answered with an error too, as far as it was understood.
func parse(tree []*cli.Command, words []string) (*call, error) {
	c := &call{tree: tree}
	for k := 0; k < len(words); k++ {
		w := words[k]
		switch {
		case w == "--":
			c.args = append(c.args, words[k+1:]...)
			k = len(words)
		case len(w) > 1 && w[0] == '-' && !isNumber(w):
			used, err := c.flag(w, words[k+1:])
			if err != nil {
				return c, err
			}
			k += used
		case len(c.below()) == 0:
			c.args = append(c.args, w)
		case w == "help":
			c.help = true
		default:
			if err := c.step(w); err != nil {
				return c, err
			}
		}
	}
	return c, c.check()
}

func isNumber(w string) bool { _, err := strconv.ParseFloat(w, 64); return err == nil }

func (c *call) step(word string) error {
	var names []string
	for _, b := range c.below() {
		if b.HasName(word) {
			c.path = append(c.path, b)
			return nil
		}
		names = append(names, b.Name)
	}
	hint := "known: " + strings.Join(names, ", ")
	if near := wire.Nearest(word, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", c.name()+" "+near)
	}
	return usagef("unknown command %q; %s", c.name()+" "+word, hint)
}

// flag reads the flag w, its value perhaps in rest, and says how many words of
// rest it used.
func (c *call) flag(w string, rest []string) (used int, err error) {
	name, value, set := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(w, "-"), "-"), "=")
	switch {
	case name == "help" || name == "h":
		c.help = true
		return 0, nil
	case name == "version" && len(c.path) == 0:
		return 0, c.step("version")
	}
	if !set && c.wantsValue(name) {
		if len(rest) == 0 {
			return 0, usagef("flag --%s needs a value", name)
		}
		value, set, used = rest[0], true, 1
	}
	c.flags = append(c.flags, given{name: name, value: value, set: set})
	return used, nil
}

// wantsValue looks at the commands that may yet be meant. A name takes a value
// everywhere or nowhere, which a test checks.
func (c *call) wantsValue(name string) bool {
	found := false
	visit(c.scope(), func(k *cli.Command) {
		if f := flagOf(k, name); f != nil {
			_, boolean := f.(*cli.BoolFlag)
			found = found || !boolean
		}
	})
	return found
}

func (c *call) scope() []*cli.Command {
	if l := c.leaf(); l != nil {
		return []*cli.Command{l}
	}
	return c.tree
}

func visit(tree []*cli.Command, do func(*cli.Command)) {
	for _, c := range tree {
		do(c)
		visit(c.Subcommands, do)
	}
}

func flagOf(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// check holds flags and arguments to the command that was found.
func (c *call) check() error {
	if len(c.below()) > 0 && !c.help {
		if len(c.path) == 0 && len(c.flags) == 0 {
			c.help = true
			return nil
		}
		var names []string
		for _, b := range c.below() {
			names = append(names, b.Name)
		}
		return usagef("%s needs a command: %s", c.name(), strings.Join(names, ", "))
	}
	if c.help {
		return nil
	}
	for k := range c.flags {
		if err := c.checkFlag(&c.flags[k]); err != nil {
			return err
		}
	}
	return c.checkArgs()
}

func (c *call) checkFlag(g *given) error {
	f := flagOf(c.leaf(), g.name)
	if f == nil {
		var names []string
		for _, f := range c.leaf().Flags {
			names = append(names, f.Names()...)
		}
		hint := fmt.Sprintf("see \"%s --help\"", c.name())
		if near := wire.Nearest(g.name, names); near != "" {
			hint = fmt.Sprintf("did you mean --%s?", near)
		}
		return usagef("unknown flag --%s of %q; %s", g.name, c.name(), hint)
	}
	if want := wanted(f, g); want != "" {
		from := ""
		if g.origin != "" {
			from = " (from " + g.origin + ")"
		}
		return usagef("--%s %q%s: want %s", g.name, g.value, from, want)
	}
	return nil
}

// wanted says what the flag wants instead of its value, empty when it fits.
func wanted(f cli.Flag, g *given) string {
	var err error
	switch f.(type) {
	case *cli.BoolFlag:
		if g.set {
			_, err = strconv.ParseBool(g.value)
		}
		return text(err, "true or false")
	case *cli.IntFlag:
		_, err = strconv.ParseInt(g.value, 10, 32)
		return text(err, "a whole number")
	case *cli.UintFlag:
		_, err = strconv.ParseUint(g.value, 10, 32)
		return text(err, "a whole number, 0 or more")
	case *cli.Float64Flag:
		_, err = strconv.ParseFloat(g.value, 64)
		return text(err, "a number such as 0.02")
	case *cli.DurationFlag:
		_, err = time.ParseDuration(g.value)
		return text(err, "a duration such as 30s or 5m")
	}
	return ""
}

func text(err error, want string) string {
	if err == nil {
		return ""
	}
	return want
}

// checkArgs counts arguments against ArgsUsage: "JOB", "[JOB]" or "FILE...".
func (c *call) checkArgs() error {
	want := strings.Fields(c.leaf().ArgsUsage)
	for k, w := range want {
		if k >= len(c.args) && !strings.HasPrefix(w, "[") {
			return usagef("%s needs %s; see \"%s --help\"", c.name(), w, c.name())
		}
	}
	if len(c.args) > len(want) {
		return usagef("%s: unexpected argument %q; usage: %s %s", c.name(), c.args[len(want)], c.name(), c.leaf().ArgsUsage)
	}
	return nil
}
