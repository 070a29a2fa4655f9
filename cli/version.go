package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) versionCommand() *cli.Command {
	return p.command("version", "", "print the version", nil, func(*cli.Context) error {
		version, revision := buildVersion()
		if p.format == "json" {
			return p.printJSON(map[string]any{
				"version": version, "revision": revision, "go": runtime.Version(), "feature_level": wire.FeatureLevel,
			})
		}
		p.printf("cohort %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	})
}

// buildVersion is what the Go tool wrote into the binary.
func buildVersion() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", ""
	}
	version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	if version == "" {
		version = "(devel)"
	}
	return version, revision
}
