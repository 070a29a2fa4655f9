package cli

import (
	"fmt"
	"os"

	"cohort/coordinator/wire"
)

// readAlerts reads the section alerts of a file that holds nothing else; no path:
// there is none.
func readAlerts(path string) (wire.AlertsSpec, error) {
	var f struct {
		Alerts wire.AlertsSpec `yaml:"alerts"`
	}
	if path == "" {
		return f.Alerts, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f.Alerts, fmt.Errorf("read --alerts: %w", err)
	}
	err = wire.ParseChecked(path, text, &f, func(note wire.Noter) {
		f.Alerts.Check("alerts", note)
		if len(f.Alerts.Receivers) == 0 {
			note("alerts", "has no receivers")
		}
	})
	return f.Alerts, err
}
