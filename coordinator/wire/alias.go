package wire

import (
	"fmt"
	"regexp"
	"slices"
)

// Latest names a model's newest version, where a version is asked for.
const Latest = "latest"

var aliasName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

// CheckAlias refuses a name that can't stand beside stages and numbers.
func CheckAlias(name string) error {
	if !aliasName.MatchString(name) {
		return fmt.Errorf("alias %q: want a lower-case letter, then letters, digits, '.', '_' or '-', 63 at most", name)
	}
	if slices.Contains([]string{Latest, string(Development), string(Staging), string(Production), string(Archived)}, name) {
		return fmt.Errorf("alias %q has a meaning already", name)
	}
	return nil
}
