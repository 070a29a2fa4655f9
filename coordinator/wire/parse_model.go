package wire

import (
	"go.yaml.in/yaml/v3"
)

// fillModel sets what the sections of a model's life start from, where a file has
// them: gates with the model's name, the rest with the section.
func fillModel(root *yaml.Node, s *Spec) {
	if name := field(root, "register", "model"); name != nil {
		s.Gates = DefaultGates()
	}
	if field(root, "deploy") != nil {
		s.Deploy = DefaultDeploy()
	}
}

// checkLife checks what becomes of a pipeline's model.
func (d *decoder) checkLife(s *Spec) {
	registers := s.Register.Model != ""
	if registers {
		d.checkName("register.model", s.Register.Model)
	}
	if d.has("register") && !registers {
		d.at("register.model", "is missing: under which name is the model registered?")
	}
	for _, section := range []string{"gates", "deploy"} {
		if d.has(section) && !registers {
			d.at(section, "needs register.model: a model that has no name is not promoted")
		}
	}
	if !registers {
		return
	}
	d.checkGates(s.Gates)
	if d.has("deploy") {
		if !s.Register.Promote && !d.bad["register.promote"] {
			d.at("deploy", "needs register.promote: true (or leave it out, and use cohort deploy start)")
		}
		d.checkServed(s)
		s.Deploy.check(func(key, format string, args ...any) { d.at("deploy."+key, format, args...) })
	}
}

// checkServed refuses a deployment of what no replica serves, before it is trained.
func (d *decoder) checkServed(s *Spec) {
	why := s.Model.Unserved()
	for _, engine := range s.Tune.Space["model.engine"].Values {
		if name, ok := engine.(string); ok && why == "" {
			why = ModelSpec{Engine: name}.Unserved()
		}
	}
	if why != "" {
		d.at("deploy", "cannot be: %s; leave deploy out, and the model is promoted all the same", why)
	}
}

func (d *decoder) checkGates(g GatesSpec) {
	if g == (GatesSpec{}) {
		d.at("gates", "are all off, and any model would go into production: leave one on")
	}
	for _, f := range []struct {
		path  string
		value float64
	}{
		{"gates.auc", g.AUC},
		{"gates.accuracy", g.Accuracy},
		{"gates.improvement", g.Improvement},
		{"gates.fold_spread", g.FoldSpread},
	} {
		if !(f.value >= 0 && f.value < 1) { // and not NaN
			d.at(f.path, "is %v; want 0 (off) or more and below 1", f.value)
		}
	}
}

// lifeStages are a pipeline's stages after its evaluation, in order.
func lifeStages(s *Spec) []string {
	switch {
	case s.Register.Model == "":
		return nil
	case !s.Register.Promote:
		return []string{"register"}
	}
	return []string{"register", s.PromoteStage()}
}

// PromoteStage is the name of the stage that puts a pipeline's model into
// production.
func (s *Spec) PromoteStage() string {
	if s.Deploys() {
		return "deploy"
	}
	return "promote"
}

// Deploys reports whether the model that a pipeline promotes gets replicas.
func (s *Spec) Deploys() bool { return s.Deploy.Replicas > 0 }
