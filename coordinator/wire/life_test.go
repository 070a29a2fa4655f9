package wire_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

const pipeline = "name: a\nkind: pipeline\ndata: {events: e.csv}\n"

func TestAModelsLifeGetsDefaults(t *testing.T) {
	t.Parallel()
	plain := parse(t, pipeline)
	if plain.Gates != (wire.GatesSpec{}) || plain.Register != (wire.RegisterSpec{}) || plain.Deploys() {
		t.Errorf("%+v", plain)
	}
	text, err := plain.Text()
	if err != nil || strings.Contains(text, "gates:") || strings.Contains(text, "register:") || strings.Contains(text, "deploy:") {
		t.Errorf("%v\n%s", err, text)
	}
	named := parse(t, pipeline+"register: {model: m}\n")
	if named.Gates != wire.DefaultGates() || named.Deploys() {
		t.Errorf("%+v", named)
	}
	all := parse(t, pipeline+"register: {model: m, promote: true}\ngates: {auc: 0.7, quality: false}\ndeploy: {strategy: canary, canary: [5, 25, 99]}\n")
	gates, deploy := wire.DefaultGates(), wire.DefaultDeploy()
	gates.AUC, gates.Quality = 0.7, false
	deploy.Strategy, deploy.Canary = "canary", []int{5, 25, 99}
	if d := cmp.Diff(gates, all.Gates); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(deploy, all.Deploy); d != "" {
		t.Error(d)
	}
	for _, s := range []wire.Spec{plain, named, all} {
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, parse(t, text)); d != "" {
			t.Errorf("%s\n%s", d, text)
		}
	}
	set := parse(t, pipeline, "register.model=m", "register.promote=true", "deploy.replicas=3")
	if set.Gates != wire.DefaultGates() || set.Deploy.Replicas != 3 || set.Deploy.Strategy != "blue-green" {
		t.Errorf("%+v %+v", set.Gates, set.Deploy)
	}
}

// The names of the stages of a model's life are taken only where there is one.
func TestStagesOfAModelsLifeAreNamed(t *testing.T) {
	t.Parallel()
	const own = "stages: [{name: deploy, kind: exec, exec: {command: [a]}}, {name: promote, kind: exec, exec: {command: [a]}}]\n"
	parse(t, pipeline+own)
	parse(t, pipeline+"register: {model: m}\n"+own)
	_, err := wire.ParseSpec("job.yaml", []byte(pipeline+"register: {model: m, promote: true}\n"+own))
	if err == nil || !strings.Contains(err.Error(), `"promote" is taken`) || strings.Contains(err.Error(), `"deploy" is taken`) {
		t.Error(err)
	}
	_, err = wire.ParseSpec("job.yaml", []byte(pipeline+"register: {model: m, promote: true}\ndeploy: {}\n"+own))
	if err == nil || !strings.Contains(err.Error(), `"deploy" is taken`) || strings.Contains(err.Error(), `"promote" is taken`) {
		t.Error(err)
	}
	s := parse(t, pipeline+"register: {model: m}\n")
	if names := s.StageNames(); names["register"] != -1 {
		t.Errorf("%v", names)
	}
}

// What no replica serves is not trained first and refused then.
func TestWhatIsDeployedCanBeServed(t *testing.T) {
	t.Parallel()
	const life = pipeline + "register: {model: m, promote: true}\n"
	for more, say := range map[string]string{
		"model: {inputs: [difficulty]}\n":     "skill and correctness alone",
		"model: {engine: graph, cell: gru}\n": "not graph",
		"tune: {trials: 2, space: {model.engine: {values: [kernels, graph]}, train.lr: {values: [0.1]}}}\n": "not graph",
	} {
		parse(t, life+more)
		_, err := wire.ParseSpec("job.yaml", []byte(life+more+"deploy: {replicas: 1}\n"))
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", more, err)
		}
	}
	parse(t, life+"tune: {trials: 2, space: {train.lr: {values: [0.1, 0.2]}}}\ndeploy: {replicas: 1}\n")
}
