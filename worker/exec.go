package worker

import (
	"fmt"
	"os"
	"path/filepath"

	"cohort/worker/supervise"
)

// clearExec ends what a worker that was killed left of exec stages in the data
// folder, and answers the absolute path of the folder that they have there.
func clearExec(dataDir string) (string, error) {
	data, err := filepath.Abs(dataDir)
	if err != nil {
		return "", fmt.Errorf("worker: data folder: %w", err)
	}
	dir := filepath.Join(data, "exec")
	if _, err := os.Lstat(dir); err != nil {
		return dir, nil //nolint:nilerr // there never was one
	}
	supervise.Sweep(dir)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("worker: clear folder of exec stages: %w", err)
	}
	return dir, nil
}
