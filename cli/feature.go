package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"
)

func (p *program) featureCommand() *cli.Command {
	return &cli.Command{
		Name: "feature", Usage: "features of students and items that pipelines made", HideHelp: true,
		Subcommands: []*cli.Command{p.featureListCommand(), p.featureShowCommand(), p.featureDiffCommand(), p.featureGetCommand()},
	}
}

// cutOf tells a cut to a person.
func cutOf(us int64) string {
	if us == 0 {
		return "all events"
	}
	return "before " + momentOf(us)
}

// momentOf is a clock's time or, where it cannot be one, a number.
func momentOf(us int64) string {
	t := time.UnixMicro(us).UTC()
	if t.Year() < 1990 {
		return strconv.FormatInt(us, 10)
	}
	return t.Format(time.RFC3339)
}

// cell is a feature's value for a person.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', 5, 64)
	default:
		return oneLine(fmt.Sprint(v))
	}
}
