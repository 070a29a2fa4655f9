package batch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"cohort/dataplane"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noise(seed uint64, students, answers int) []dataplane.History {
	r := rand.New(rand.NewPCG(seed, 1))
	h := make([]dataplane.History, students)
	for i := range h {
		h[i].Student = fmt.Sprintf("%032x", i)
		for range answers {
			h[i].Skill = append(h[i].Skill, int32(r.Uint32()>>1))
			h[i].Correct = append(h[i].Correct, uint8(r.Uint32()>>31))
		}
	}
	return h
}

func decodeAll(t testing.TB, messages [][]byte) []dataplane.History {
	t.Helper()
	var all []dataplane.History
	for i, m := range messages {
		if len(m) > dataplane.MaxMessage {
			t.Errorf("message %d has %d bytes", i, len(m))
		}
		h, err := DecodeHistories(m)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h...)
	}
	return Join(all)
}

func same(a, b dataplane.History) bool {
	return a.Student == b.Student && slices.Equal(a.Skill, b.Skill) && bytes.Equal(a.Correct, b.Correct) &&
		extrasOf(a) == extrasOf(b) && bytes.Equal(a.Level, b.Level) && bytes.Equal(a.Pace, b.Pace)
}

// more gives histories the extras.
func more(h []dataplane.History, e extras) []dataplane.History {
	for i := range h {
		for k, extra := range e.of(&h[i]) {
			*extra = []uint8{}
			for j := range h[i].Skill {
				*extra = append(*extra, uint8((3+i+j*(k+1))%11))
			}
		}
	}
	return h
}

// Histories of plain models keep their bytes whatever else a history may hold.
func TestPlainBytesAreWhatTheyWere(t *testing.T) {
	messages, err := EncodeHistories(noise(7, 300, 900))
	if err != nil {
		t.Fatal(err)
	}
	const want = "ea2a1c110560ba046d93ad1958fe1681dc2d2a627c17f49d9b6bc1bb7bce2433"
	if got := fmt.Sprintf("%x", sha256.Sum256(bytes.Join(messages, nil))); got != want {
		t.Errorf("%d messages hash to %s, want %s", len(messages), got, want)
	}
}

func TestHistoriesAreAlike(t *testing.T) {
	for name, spoil := range map[string]func(h []dataplane.History){
		"one_without": func(h []dataplane.History) { h[1].Pace = nil },
		"short":       func(h []dataplane.History) { h[1].Level = h[1].Level[1:] },
	} {
		h := more(noise(8, 3, 4), extras{level: true, pace: true})
		spoil(h)
		if _, err := EncodeHistories(h); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestHistoriesSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	for name, h := range map[string][]dataplane.History{
		"none":                 nil,
		"one-without-answers":  {{Student: "a", Skill: []int32{}, Correct: []uint8{}}},
		"few":                  noise(1, 3, 5),
		"many-incompressible":  noise(2, 700, 900),
		"longer-than-message":  noise(3, 2, 500_000),
		"levels":               more(noise(3, 2, 500_000), extras{level: true}),
		"paces":                more(noise(2, 700, 900), extras{pace: true}),
		"levels-and-paces":     more(noise(2, 700, 1700), extras{level: true, pace: true}),
		"short-long-and-short": append(append(noise(4, 1, 3), noise(5, 2, 450_000)[1]), dataplane.History{Student: "z", Skill: []int32{1}, Correct: []uint8{1}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages, err := EncodeHistories(h)
			if err != nil {
				t.Fatal(err)
			}
			got := decodeAll(t, messages)
			if !slices.EqualFunc(h, got, same) {
				t.Errorf("%d histories went in, %d others came out", len(h), len(got))
			}
		})
	}
}

func TestRandomHistoriesSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "students")
		var h []dataplane.History
		for i := range n {
			skill := rapid.SliceOfN(rapid.Int32Range(0, 1<<31-1), 0, 50).Draw(t, "skill")
			correct := rapid.SliceOfN(rapid.Uint8Range(0, 1), len(skill), len(skill)).Draw(t, "correct")
			h = append(h, dataplane.History{Student: fmt.Sprint("s", i), Skill: skill, Correct: correct})
		}
		messages, err := EncodeHistories(h)
		if err != nil {
			t.Fatal(err)
		}
		var back []dataplane.History
		for _, m := range messages {
			got, err := DecodeHistories(m)
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, got...)
		}
		if !slices.EqualFunc(h, back, same) {
			t.Fatalf("%v went in, %v came out", h, back)
		}
	})
}

// The hash of a message must not depend on the machine's cores.
func TestBytesDoNotDependOnCores(t *testing.T) {
	h := noise(6, 100, 3000)
	for i := range h {
		for j := range h[i].Skill {
			h[i].Skill[j] %= 100
		}
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	one, err := EncodeHistories(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, cores := range []int{2, 8} {
		runtime.GOMAXPROCS(cores)
		for range 5 {
			more, err := EncodeHistories(h)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(one, more, bytes.Equal) {
				t.Fatalf("%d cores: other bytes", cores)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]dataplane.History{
		"uneven":          {Student: "a", Skill: []int32{1, 2}, Correct: []uint8{1}},
		"uneven-long":     {Student: "a", Skill: make([]int32, 3), Correct: make([]uint8, 4)},
		"giant-student":   {Student: string(make([]byte, dataplane.MaxStudent+1))},
		"oversized-piece": {Student: string(make([]byte, dataplane.MaxPayload)), Skill: []int32{1}, Correct: []uint8{1}},
	} {
		if _, err := EncodeHistories([]dataplane.History{h}); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good, err := EncodeHistories(noise(7, 4, 300))
	if err != nil {
		t.Fatal(err)
	}
	negative, err := encode([]dataplane.History{{Student: "a", Skill: []int32{-1}, Correct: []uint8{1}}}, extras{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := encode([]dataplane.History{{Student: "a", Skill: []int32{1}, Correct: []uint8{2}}}, extras{})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string][]byte{
		"empty":          {},
		"text":           []byte("student,skill,correct\n"),
		"truncated":      good[0][:len(good[0])/2],
		"too-long":       make([]byte, dataplane.MaxPayload+1),
		"negative-skill": negative,
		"answer-two":     two,
	} {
		if _, err := DecodeHistories(m); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeHistories(f *testing.F) {
	for _, h := range [][]dataplane.History{noise(8, 1, 1), noise(9, 3, 40)} {
		m, err := EncodeHistories(h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m[0])
		f.Add(m[0][:len(m[0])-9])
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		h, err := DecodeHistories(m)
		if err != nil {
			return
		}
		for _, v := range h {
			if check(v) != nil {
				t.Errorf("accepted %v", v)
			}
		}
	})
}

func BenchmarkEncodeHistories(b *testing.B) {
	h := noise(10, 400, 300)
	answers := 0
	for b.Loop() {
		if _, err := EncodeHistories(h); err != nil {
			b.Fatal(err)
		}
		answers += 400 * 300
	}
	b.ReportMetric(float64(answers)/b.Elapsed().Seconds(), "answers/s")
}

func BenchmarkDecodeHistories(b *testing.B) {
	m, err := EncodeHistories(noise(10, 400, 300))
	if err != nil {
		b.Fatal(err)
	}
	answers := 0
	for b.Loop() {
		decodeAll(b, m)
		answers += 400 * 300
	}
	b.ReportMetric(float64(answers)/b.Elapsed().Seconds(), "answers/s")
}
