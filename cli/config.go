package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

const defaultAddr = "http://127.0.0.1:7070"

// settings are what ./cohort.yaml and the user's config.yaml may hold: values
// of the flags of the same name.
type settings struct {
	Addr    string `yaml:"addr"`
	Output  string `yaml:"output"`
	NoColor string `yaml:"no_color"`
	Quiet   string `yaml:"quiet"`
	Workers string `yaml:"workers"`
	DataDir string `yaml:"data_dir"`
	HTTP    string `yaml:"http"`
	Kernels string `yaml:"kernels"`
}

func (s settings) values() map[string]string {
	return map[string]string{
		"addr": s.Addr, "output": s.Output, "no-color": s.NoColor, "quiet": s.Quiet,
		"workers": s.Workers, "data-dir": s.DataDir, "http": s.HTTP, "kernels": s.Kernels,
	}
}

// layer fills in flags that the command line left out: COHORT_*, then the
// project's file, then the user's.
func (p *program) layer(c *call) error {
	sources := []source{{values: p.variables(c), named: func(flag string) string { return variable(flag) }}}
	for _, path := range p.files() {
		s, err := readSettings(path)
		if err != nil {
			return err
		}
		sources = append(sources, source{values: s.values(), named: func(string) string { return path }})
	}
	for _, f := range c.leaf().Flags {
		name := f.Names()[0]
		for _, s := range sources {
			if c.gave(f.Names()) {
				break
			}
			if v := s.values[name]; v != "" {
				g := given{name: name, value: v, set: true, origin: s.named(name)}
				if err := c.checkFlag(&g); err != nil {
					return err
				}
				c.flags = append(c.flags, g)
			}
		}
	}
	return nil
}

// A source is one layer of settings.
type source struct {
	values map[string]string   // flag → value
	named  func(string) string // where a flag's value stands
}

func variable(flag string) string {
	return "COHORT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (p *program) variables(c *call) map[string]string {
	m := map[string]string{}
	for _, f := range c.leaf().Flags {
		name := f.Names()[0]
		m[name] = p.env[variable(name)]
	}
	return m
}

func (c *call) gave(names []string) bool {
	return slices.ContainsFunc(c.flags, func(g given) bool { return slices.Contains(names, g.name) })
}

// files are the settings files, the strongest first.
func (p *program) files() []string {
	files := []string{"cohort.yaml"}
	if home := p.env["XDG_CONFIG_HOME"]; home != "" {
		return append(files, filepath.Join(home, "cohort", "config.yaml"))
	}
	if home := p.env["HOME"]; home != "" {
		return append(files, filepath.Join(home, ".config", "cohort", "config.yaml"))
	}
	return files
}

func readSettings(path string) (settings, error) {
	var s settings
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return s, nil
	}
	return s, wire.ParseStrict(path, text, &s)
}

// addresses splits --addr and gives each a scheme.
func addresses(list string) ([]string, error) {
	var addrs []string
	for a := range strings.SplitSeq(list, ",") {
		a = strings.TrimRight(strings.TrimSpace(a), "/")
		if a == "" {
			continue
		}
		if !strings.Contains(a, "://") {
			a = "http://" + a
		}
		if !strings.HasPrefix(a, "http://") && !strings.HasPrefix(a, "https://") {
			return nil, usagef("--addr %q: want HOST:PORT or http://HOST:PORT", a)
		}
		addrs = append(addrs, a)
	}
	if len(addrs) == 0 {
		return nil, usagef("--addr is empty: want HOST:PORT or http://HOST:PORT")
	}
	return addrs, nil
}
