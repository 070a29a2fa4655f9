package source

import "time"

// Limit makes a Kafka source wait no longer for its brokers.
func Limit(s Source, patience time.Duration) Source {
	s.(*kafka).patience = patience
	return s
}

// Extract takes mapped columns out of a JSON object.
func Extract(names [NumFields]string, value string) (Values, *Fault) {
	var v Values
	fault := newExtractor(names).values(value, &v)
	return v, fault
}
