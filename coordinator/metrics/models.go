package metrics

import "cohort/coordinator/wire"

// models tells what is in which stage, and what the newest versions' evaluations said.
func (s *scrape) models() {
	for k, m := range s.v.Models(nil) {
		if k == mostNames {
			return
		}
		newest := map[wire.ModelStage]*wire.ModelVersion{}
		var last *wire.ModelVersion
		for _, v := range s.v.Versions(nil, m.Name) {
			if of := newest[v.Stage]; of == nil || v.Version > of.Version {
				newest[v.Stage] = v
			}
			if last == nil || v.Version > last.Version {
				last = v
			}
		}
		for _, stage := range []wire.ModelStage{wire.Development, wire.Staging, wire.Production} {
			if v := newest[stage]; v != nil {
				s.put("model_version", float64(v.Version), m.Name, string(stage))
				s.put("model_auc", v.AUC, m.Name, string(stage))
			}
		}
		if last != nil {
			s.evaluation(m.Name, last.Evaluation)
		}
	}
}

func (s *scrape) evaluation(model, id string) {
	e, ok := s.v.Evaluation(nil, id)
	if !ok {
		return
	}
	s.put("evaluation_auc", e.Of.AUC, model, "candidate")
	s.put("evaluation_auc", e.Against.AUC, model, "baseline")
	for _, g := range e.Gates {
		s.flag("evaluation_gate_passed", g.Pass, model, g.Name)
	}
}
