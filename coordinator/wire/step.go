package wire

// StepRequest is what a replica's POST /v1/step takes: a run of a student's
// attempts, in the order of his own log. A replica keeps where students stand,
// and forgets at will: it answers 409 with Need when it lacks what comes before
// From. With no attempts it asks what is predicted at From.
type StepRequest struct {
	Student  string        `json:"student"`
	From     uint64        `json:"from"` // position of the first of Attempts in the student's log, from 0
	Attempts []StepAttempt `json:"attempts"`
}

// StepAttempt is one answer.
type StepAttempt struct {
	Skill   string `json:"skill"`
	Correct bool   `json:"correct"`
}

// StepReply is what a model says after the attempts. It follows from the
// student's log alone: whatever the replica had kept, the same log gets the same
// reply, to the last bit.
type StepReply struct {
	Position uint64             `json:"position"` // attempts of the log that P is after: From + len(Attempts)
	P        map[string]float64 `json:"p,omitempty"`
	Next     string             `json:"next,omitempty"` // skill advised to be asked next
	NextP    float64            `json:"next_p,omitempty"`
	// Before is P of each attempt's skill just before it, -1 where the model says
	// nothing: of the first attempt of a window, as in training, and of a skill that
	// it does not know. Measures of the live model leave those out.
	Before []float64 `json:"before,omitempty"`
	// Unknown counts the attempts whose skill the model does not know. They have a
	// position, and change nothing else.
	Unknown int `json:"unknown,omitempty"`
	// Need, of a 409, is the position that the request must begin at: the start of
	// a window.
	Need uint64 `json:"need,omitempty"`
}
