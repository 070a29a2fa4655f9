package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
	"cohort/dkt/checkpoint"
	"cohort/dkt/onnx"
)

func (p *program) modelExportCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "format", Value: "safetensors", Usage: "`FORMAT` of the file: safetensors or onnx"},
		&cli.StringFlag{Name: "file", Usage: "`FILE` to write, - for stdout (default: NAME-VERSION and the format's ending)"},
	)
	c := p.command("export", "MODEL", "write a version's model to a file", flags, p.exportModel)
	c.Description = refHelp + ` Only a version that verifies is written.
ONNX has inputs interactions [batch, time] (skill + skills·correct) and lengths
[batch], output probabilities [batch, skills]; a model that takes difficulty or
elapsed time can't be written so.`
	return c
}

func (p *program) exportModel(c *cli.Context) error {
	write, ending, err := exporter(c.String("format"))
	if err != nil {
		return err
	}
	api, v, err := p.version(c, current()...)
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
	m := exported{weights: r.weights, version: &v.ModelVersion}
	path := c.String("file")
	if path == "-" {
		return write(m, p.out)
	}
	if path == "" {
		path = fmt.Sprintf("%s-%d.%s", v.Model, v.Version, ending)
	}
	if err := writeWhole(path, func(w io.Writer) error { return write(m, w) }); err != nil {
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

// exported is a version with its weights file.
type exported struct {
	weights []byte
	version *wire.ModelVersion
}

// exporter writes a model in a format.
func exporter(format string) (write func(exported, io.Writer) error, ending string, err error) {
	switch format {
	case "safetensors":
		return exported.safetensors, format, nil
	case "onnx":
		return exported.onnx, format, nil
	}
	return nil, "", usagef("--format %q is unknown; known: safetensors, onnx", format)
}

func (e exported) safetensors(w io.Writer) error {
	_, err := w.Write(e.weights)
	return err
}

func (e exported) onnx(w io.Writer) error {
	p, m, err := checkpoint.ReadWeights(bytes.NewReader(e.weights))
	if err != nil {
		return err
	}
	return onnx.Write(w, p, m.Skills, map[string]string{
		"model": e.version.Model, "version": fmt.Sprint(e.version.Version), "weights_sha256": e.version.WeightsHash,
	})
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
