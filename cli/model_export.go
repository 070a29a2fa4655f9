package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

func (p *program) modelExportCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "format", Value: "safetensors", Usage: "`FORMAT` of the file: safetensors"},
		&cli.StringFlag{Name: "file", Usage: "`FILE` to write, - for stdout (default: NAME-VERSION and the format's ending)"},
	)
	c := p.command("export", "MODEL", "write a version's model to a file", flags, p.exportModel)
	c.Description = refHelp + " Only a version that verifies is written."
	return c
}

func (p *program) exportModel(c *cli.Context) error {
	write, ending, err := exporter(c.String("format"))
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	v, err := lookUp(c.Context, api, c.Args().First(), current()...)
	if err != nil {
		return err
	}
	r, err := verify(c.Context, api, &v.ModelVersion)
	if err != nil {
		return err
	}
	if fault := r.fault(); fault != nil {
		return fault
	}
	weights, err := readBlob(c.Context, api, "weights", v.Weights)
	if err != nil {
		return err
	}
	path := c.String("file")
	if path == "-" {
		return write(p.out, weights)
	}
	if path == "" {
		path = fmt.Sprintf("%s-%d.%s", v.Model, v.Version, ending)
	}
	if err := writeWhole(path, func(w io.Writer) error { return write(w, weights) }); err != nil {
		return fmt.Errorf("export %s: %w", refOf(&v.ModelVersion), err)
	}
	if p.format == "json" {
		return p.printJSON(map[string]any{"model": v.Model, "version": v.Version, "file": path, "weights_sha256": v.WeightsHash})
	}
	if !p.quiet {
		p.printf("%s is in %s\n", refOf(&v.ModelVersion), path)
	}
	return nil
}

// exporter writes a weights file in a format.
func exporter(format string) (write func(w io.Writer, weights []byte) error, ending string, err error) {
	if format == "safetensors" {
		return func(w io.Writer, weights []byte) error {
			_, err := w.Write(weights)
			return err
		}, format, nil
	}
	return nil, "", usagef("--format %q is unknown; known: safetensors", format)
}

// writeWhole writes a file aside and gives it its name when it is whole.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error at hand says more
		}
	}()
	if err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
