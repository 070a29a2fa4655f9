package simulate

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
)

// Header names the columns that WriteCSV writes, as in the ASSISTments logs.
const Header = "order_id,user_id,problem_id,skill_id,skill_name,correct"

// WriteCSV writes the answers of c's learners as an event log.
func WriteCSV(w io.Writer, c Config) (Stats, error) {
	return writeLog(w, Header, appendRow, func(yield func(Answer) error) (Stats, error) { return Learners(c, yield) })
}

// writeLog writes the answers that draw yields, each a line that appendTo makes.
func writeLog(w io.Writer, header string, appendTo func([]byte, Answer) []byte, draw func(yield func(Answer) error) (Stats, error)) (Stats, error) {
	b := bufio.NewWriterSize(w, 1<<16)
	if _, err := b.WriteString(header + "\n"); err != nil {
		return Stats{}, fmt.Errorf("write events: %w", err)
	}
	row := make([]byte, 0, 128)
	stats, err := draw(func(a Answer) error {
		row = appendTo(row[:0], a)
		_, err := b.Write(row)
		return err
	})
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return stats, fmt.Errorf("write events: %w", err)
	}
	return stats, nil
}

func appendRow(row []byte, a Answer) []byte {
	row = strconv.AppendInt(row, a.Order, 10)
	row = append(row, ',')
	row = strconv.AppendInt(row, int64(a.Student)+1, 10)
	row = append(row, ',')
	row = strconv.AppendInt(row, int64(a.Problem)+1, 10)
	row = append(row, ',')
	row = strconv.AppendInt(row, int64(a.Skill)+1, 10)
	row = append(row, ",skill "...)
	row = strconv.AppendInt(row, int64(a.Skill)+1, 10)
	if a.Correct {
		return append(row, ",1\n"...)
	}
	return append(row, ",0\n"...)
}
