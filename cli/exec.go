package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

// execFiles are the inputs of commands that name files of the client's.
func execFiles(spec *wire.Spec) []clientFile {
	var files []clientFile
	names := spec.StageNames()
	for k := range spec.Stages {
		inputs := spec.Stages[k].Exec.Inputs
		for j := range inputs {
			if _, _, ok := names.Output(inputs[j].From); ok || wire.Stored(inputs[j].From) {
				continue
			}
			// The command knows the file by its name in the folder.
			files = append(files, clientFile{fmt.Sprintf("stages[%d].exec.inputs[%d].from", k, j), &inputs[j].From, new(string)})
		}
	}
	return files
}

// execFlag allows commands on workers in the process.
func execFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "exec", Usage: "let exec stages run `PROGRAM`, a name or a pattern of absolute paths (may be repeated)"}
}
