package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// CheckExec reports what is wrong with a worker's list of programs: names that
// are looked for in the worker's PATH, and patterns of absolute paths (as of
// path.Match). The list says what may be started, not what that does: a shell
// or an interpreter on it runs anything.
func CheckExec(list []string) error {
	var faults []error
	for _, p := range list {
		switch _, err := path.Match(p, "/"); {
		case err != nil:
			faults = append(faults, fmt.Errorf("exec: %q is no pattern", p))
		case path.IsAbs(p):
		case p == "" || strings.ContainsAny(p, "/*?["):
			faults = append(faults, fmt.Errorf("exec: %q is neither a program's name nor a pattern of absolute paths", p))
		}
	}
	return errors.Join(faults...)
}

// allowed finds a command's program, if it is on the list. The folder of the
// stage is not looked in: what a job brings is data.
func allowed(list, command []string) (program string, err error) {
	if len(command) == 0 || command[0] == "" {
		return "", inputf("exec: no command is given")
	}
	name := command[0]
	if len(list) == 0 {
		return "", inputf("exec: this worker runs no commands, so not %q: its configuration allows programs by exec: [NAME, /PATH/*]", name)
	}
	refused := inputf("exec: program %q is not among those that this worker allows: %s", name, strings.Join(list, ", "))
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		return "", refused
	}
	program, err = exec.LookPath(name)
	if err != nil {
		for _, p := range list {
			if matches(p, name) {
				return "", fmt.Errorf("exec: program %s can't be run on this worker: %w", name, lookFault(err))
			}
		}
		return "", refused
	}
	program = filepath.Clean(program)
	for _, p := range list {
		if matches(p, program) {
			return program, nil
		}
	}
	return "", refused
}

// matches reports whether an entry of the list is for a program, by its path or
// by a name that leads to nothing.
func matches(entry, program string) bool {
	if path.IsAbs(entry) {
		ok, _ := path.Match(entry, program) // CheckExec has seen the pattern
		return ok
	}
	found, err := exec.LookPath(entry)
	return entry == program || err == nil && filepath.Clean(found) == program
}

// lookFault leaves out what exec says twice.
func lookFault(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err
}

// searchPath is where commands look for programs, and so where this worker does.
func searchPath() string {
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

// kept are variables that are the worker's to set: by them a job would choose
// what the allowed programs load.
func kept(name string) bool {
	return name == "PATH" || strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "COHORT_")
}
