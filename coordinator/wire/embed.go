package wire

import (
	"encoding/json"
	"math"
)

// Embed is the length of an interaction's embedding, or Direct.
type Embed int

// Direct trains the rows of the folded table themselves: the LSTM on one-hot
// interactions of Piech et al. 2015. In files it is the word "direct".
const Direct Embed = math.MinInt32

const direct = "direct"

// MarshalYAML writes a number or "direct".
func (e Embed) MarshalYAML() (any, error) { return e.plain(), nil }

// MarshalJSON writes a number or "direct".
func (e Embed) MarshalJSON() ([]byte, error) { return json.Marshal(e.plain()) }

func (e Embed) plain() any {
	if e == Direct {
		return direct
	}
	return int(e)
}

// UnmarshalJSON reads a number or "direct".
func (e *Embed) UnmarshalJSON(text []byte) error {
	if string(text) == `"`+direct+`"` {
		*e = Direct
		return nil
	}
	var n int
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*e = Embed(n)
	return nil
}
