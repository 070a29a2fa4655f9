package serve

// advisedP is the chance of success that practice is aimed at: three answers in
// four, as Math Garden gives its items (Klinkenberg, Straatemeier and van der Maas
// 2011, Computers & Education 57), between too easy to learn from and too hard to
// go on.
const advisedP = 0.75

// advise is the skill to ask next: the one whose P is nearest to advisedP; of
// equals the first of the vocabulary.
func advise(p []float32) (skill int) {
	far := func(k int) float64 {
		d := float64(p[k]) - advisedP
		return max(d, -d)
	}
	for k := range p {
		if far(k) < far(skill) {
			skill = k
		}
	}
	return skill
}
