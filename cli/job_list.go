package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobListCommand() *cli.Command {
	return p.command("list", "", "list jobs, the newest first", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		jobs, err := api.Jobs(c.Context)
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, jobs, func(j wire.JobView) string { return j.ID },
			"ID | NAME | STATUS | EPOCH | VALID AUC | SUBMITTED | REASON", func(j wire.JobView) []string {
				return []string{j.ID, j.Name, string(j.Status), epochOf(j), aucOf(j), ago(j.Submitted, now), either(oneLine(j.Reason))}
			})
	})
}

func epochOf(j wire.JobView) string {
	if j.Epochs == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", j.Epoch, j.Epochs)
}

func aucOf(j wire.JobView) string {
	if j.ValidAUC == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4f", j.ValidAUC)
}
