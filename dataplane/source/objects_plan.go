package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// object is a file of a lake as it was when it was listed.
type object struct {
	Name    string `json:"name"` // below the lake's URL
	Size    int64  `json:"size"`
	Version string `json:"version"` // S3: ETag; GCS: generation; folder: modification time
}

// valid says why an object cannot be planned.
func (o object) valid() error {
	if !utf8.ValidString(o.Name) {
		return &InputError{File: fmt.Sprintf("%q", o.Name), Text: "the file's name is not UTF-8"}
	}
	if o.kind() == "" {
		return &InputError{File: o.Name, Text: "the name ends neither in .parquet nor in .csv or .csv.gz"}
	}
	return nil
}

// digestBytes of a hash are kept of an object once it is extracted.
const digestBytes = 9

// digest tells versions of an object apart: 12 characters.
func (o object) digest() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", o.Size, o.Version))
	return base64.RawURLEncoding.EncodeToString(sum[:digestBytes])
}

// kind is the format that a name ends in.
func (o object) kind() string {
	name := strings.ToLower(o.Name)
	for _, kind := range []string{".parquet", ".csv", ".csv.gz"} {
		if strings.HasSuffix(name, kind) {
			return kind
		}
	}
	return ""
}

const (
	kindParquet     = ".parquet"
	lakePlanVersion = 1
)

// lakePlan is what an extraction reads. Of the objects that earlier ones have
// read it keeps a digest each, by folder, so that years of days stay small.
type lakePlan struct {
	Version int      `json:"version"`
	New     []object `json:"new"` // by name
	Earlier folders  `json:"earlier,omitempty"`
}

// folders are digests by folder and by name in it.
type folders map[string]map[string]string

func parseLakePlan(plan json.RawMessage) (p lakePlan, err error) {
	if plan == nil {
		return lakePlan{Version: lakePlanVersion}, nil
	}
	d := json.NewDecoder(bytes.NewReader(plan))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, &InputError{File: "plan", Text: "this is no plan of a lake"}
	}
	if p.Version != lakePlanVersion {
		return p, &InputError{File: "plan", Text: fmt.Sprintf("a plan of version %d; this cohort reads version %d", p.Version, lakePlanVersion)}
	}
	return p, nil
}

func (p lakePlan) encode() (json.RawMessage, error) {
	slices.SortFunc(p.New, func(a, b object) int { return strings.Compare(a.Name, b.Name) })
	plan, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return plan, nil
}

// known are the digests of all that p and the plans before it have read.
func (p lakePlan) known() folders {
	all := folders{}
	for folder, names := range p.Earlier {
		all[folder] = maps.Clone(names)
	}
	for _, o := range p.New {
		all.set(o)
	}
	return all
}

func (f folders) set(o object) {
	folder, name := path.Split(o.Name)
	if f[folder] == nil {
		f[folder] = map[string]string{}
	}
	f[folder][name] = o.digest()
}

func (f folders) get(full string) (digest string, ok bool) {
	folder, name := path.Split(full)
	digest, ok = f[folder][name]
	return digest, ok
}

func (f folders) remove(full string) {
	folder, name := path.Split(full)
	delete(f[folder], name)
}

// first is the first name in order.
func (f folders) first() (full string, ok bool) {
	for _, folder := range slices.Sorted(maps.Keys(f)) {
		for _, name := range slices.Sorted(maps.Keys(f[folder])) {
			return folder + name, true
		}
	}
	return "", false
}
