package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) modelCommand() *cli.Command {
	return &cli.Command{
		Name: "model", Usage: "trained models: versions, production, lineage", HideHelp: true,
		Subcommands: []*cli.Command{
			p.modelListCommand(), p.modelShowCommand(), p.modelHistoryCommand(), p.modelDiffCommand(),
			p.modelPromoteCommand(), p.modelRollbackCommand(), p.modelVerifyCommand(), p.modelReproduceCommand(), p.modelExportCommand(),
			p.modelNoteCommand(), p.modelAliasCommand(), p.modelDeleteCommand(),
		},
	}
}

const refHelp = `MODEL is NAME@VERSION, where VERSION is a number, an alias, production, staging
or latest; NAME alone is its version in production or, before there is one, the
latest.`

// splitRef takes NAME@VERSION apart; VERSION may be missing.
func splitRef(ref string) (name, version string, err error) {
	name, version, named := strings.Cut(ref, "@")
	if name == "" || named && version == "" || strings.Contains(version, "@") {
		return "", "", usagef("%q names no model: want NAME or NAME@VERSION", ref)
	}
	return name, version, nil
}

// lookUp finds the version that a reference means; where it names none, one of
// otherwise, the first that there is.
func lookUp(ctx context.Context, api *client.Client, ref string, otherwise ...string) (v wire.VersionView, err error) {
	name, version, err := splitRef(ref)
	if err != nil {
		return v, err
	}
	if version != "" {
		otherwise = []string{version}
	}
	for _, o := range otherwise {
		v, err = api.Version(ctx, name, o)
		if reply, ok := errors.AsType[*wire.Error](err); !ok || reply.Code != wire.CodeNotFound {
			return v, err
		}
	}
	return v, err
}

// version is the one that a command's first argument means, as lookUp finds it, and
// the client that found it.
func (p *program) version(c *cli.Context, otherwise ...string) (*client.Client, wire.VersionView, error) {
	api, err := p.client(c)
	if err != nil {
		return nil, wire.VersionView{}, err
	}
	v, err := lookUp(c.Context, api, c.Args().First(), otherwise...)
	return api, v, err
}

// current is what NAME alone means.
func current() []string { return []string{string(wire.Production), wire.Latest} }

func refOf(v *wire.ModelVersion) string { return fmt.Sprintf("%s@%d", v.Model, v.Version) }

func numbered(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// readBlob reads a blob whole. One whose bytes are not those of its hash, or
// break off, is said to be altered.
func readBlob(ctx context.Context, api *client.Client, what, hash string) ([]byte, error) {
	b, err := api.Blobs().Get(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, hash, err)
	}
	defer b.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(b)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%s %s: altered or broken off: %w", what, hash, err)
	}
	return text, err
}

// modelChanged says what a command came to.
func (p *program) modelChanged(out wire.Outcome, format string, args ...any) error {
	if p.format == "json" {
		return p.printJSON(out)
	}
	if !p.quiet {
		p.printf(format+"\n", args...)
	}
	return nil
}

func modelCheckFlag() cli.Flag {
	return &cli.UintFlag{Name: "check-index", Usage: "refuse when the model's modify_index is not `N` any more"}
}
