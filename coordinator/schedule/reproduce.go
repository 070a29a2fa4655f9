package schedule

import (
	"maps"

	"cohort/coordinator/wire"
)

// Reproduce is the graph that makes a registered model again, from the positions
// that were read for it: extract → validate → data (compared with the record) →
// shard → train → reproduce (compared likewise). spec is the file of the job that
// made it, run what that one was for, hash its manifest's. No earlier result is
// taken.
func Reproduce(spec wire.Spec, run Run, m wire.ModelManifest, hash string) ([]wire.Stage, error) {
	b := builder{}
	s := extractStage(&b, spec, Run{At: run.At, Backfill: true})
	s.Inputs["recorded"], s.Line = m.Extraction, ""
	b.addTo(s)
	s = validateStage(&b, spec, run)
	s.Inputs, s.Line = map[string]string{extraction: "extract/" + extraction}, ""
	set := wire.ValidateSettings{Name: spec.Name, Spec: wire.ValidateSpec{Skew: spec.Validate.Skew}, Columns: spec.Data.Columns}
	bound(&set, spec, run)
	s.Settings = b.settings(set) // it passed its gates then
	b.addTo(s, "extract")
	b.addTo(compareStage("data", hash, map[string]string{dataset: "validate/" + dataset, "difference": "extract/difference"}), "validate")

	_, inputs := splitOf(spec, "extract")
	data := maps.Clone(inputs)
	data[dataset] = "validate/" + dataset
	delete(data, shards)
	spec.Model = m.Spec
	b.addTo(shardStage(&b, spec, m.Split, data), "data")
	b.addTo(wire.Stage{
		Name: "train", Kind: wire.StageTrain, Run: wire.Gang, Tasks: spec.Train.Workers, Inputs: inputs,
		Settings: b.settings(wire.TrainSettings{Window: m.Window, Split: m.Split, Model: m.Spec, Train: m.Train}),
	}, "shard")
	b.addTo(compareStage("reproduce", hash, map[string]string{weights: "train/" + weights}), "train")
	if b.err != nil {
		return nil, b.err
	}
	return b.stages, nil
}

func compareStage(name, hash string, inputs map[string]string) wire.Stage {
	inputs[manifest] = hash
	return wire.Stage{Name: name, Kind: wire.StageCompare, Inputs: inputs, Settings: []byte("{}")}
}
