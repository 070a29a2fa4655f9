package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// modelDiff is what model diff tells as JSON.
type modelDiff struct {
	A      string      `json:"a"`
	B      string      `json:"b"`
	Fields []diffField `json:"fields"`
}

type diffField struct {
	Field string `json:"field"`
	A     string `json:"a"`
	B     string `json:"b"`
}

func (p *program) modelDiffCommand() *cli.Command {
	c := p.command("diff", "A B", "compare two versions: what they come from and what they are worth", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		a, err := shown(c.Context, api, c.Args().Get(0))
		if err != nil {
			return err
		}
		other := c.Args().Get(1)
		if strings.HasPrefix(other, "@") {
			other = a.Model + other
		}
		b, err := shown(c.Context, api, other)
		if err != nil {
			return err
		}
		d := modelDiff{A: refOf(&a.ModelVersion), B: refOf(&b.ModelVersion), Fields: differing(a, b)}
		if p.format == "json" {
			return p.printJSON(d)
		}
		return p.printModelDiff(d)
	})
	c.Description = "A and B are NAME@VERSION; B may be @VERSION of the same model. " + refHelp
	return c
}

func (p *program) printModelDiff(d modelDiff) error {
	if len(d.Fields) == 0 {
		p.printf("%s and %s do not differ\n", d.A, d.B)
		return nil
	}
	rows := make([][]string, len(d.Fields))
	for k, f := range d.Fields {
		rows[k] = []string{f.Field, either(oneLine(f.A)), either(oneLine(f.B))}
	}
	return p.printTable(fmt.Sprintf("FIELD | %s | %s", strings.ToUpper(d.A), strings.ToUpper(d.B)), rows)
}

// differing lists what two versions differ in, by name.
func differing(a, b modelShown) []diffField {
	x, y := fields(a), fields(b)
	names := maps.Clone(x)
	maps.Copy(names, y)
	found := []diffField{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if x[name] != y[name] {
			found = append(found, diffField{name, x[name], y[name]})
		}
	}
	return found
}

// fields are a version's manifest and measures, flat; of the skills only those
// that are new or gone can be told, so each is a field of its own.
func fields(s modelShown) map[string]string {
	m := s.Lineage
	all := map[string]string{"stage": string(s.Stage), "skills": fmt.Sprint(len(m.Skills))}
	for _, name := range m.Skills {
		all["skill "+name] = "there"
	}
	m.Skills = nil
	flatten("", m, all)
	if s.Found != nil {
		flatten("evaluation.of", s.Found.Of, all)
		all["evaluation.gain"] = fmt.Sprint(s.Found.Gain)
	}
	return all
}

// flatten writes v's fields as JSON names them under their paths.
func flatten(path string, v any, into map[string]string) {
	text, err := json.Marshal(v)
	if err != nil {
		return // it came in as JSON
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		into[path] = strings.Trim(string(text), `"`)
		return
	}
	for name, value := range object {
		flatten(strings.TrimPrefix(path+"."+name, "."), value, into)
	}
}
