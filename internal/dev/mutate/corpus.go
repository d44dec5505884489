package mutate

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// header is the first line of a file in which go test keeps an input.
const header = "go test fuzz v1"

// corpus reads the inputs that a directory keeps, in the order of their names; none if there is no directory.
func corpus(dir string) ([][]any, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	var inputs [][]any
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
		args, err := read(string(text))
		if err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", file.Name(), err)
		}
		inputs = append(inputs, args)
	}
	return inputs, nil
}

// read reads a file of a corpus: below the header, one Go conversion of a literal a line. It knows the types that
// the fuzz tests of this repository have.
func read(text string) ([]any, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] != header {
		return nil, fmt.Errorf("the first line is not %q", header)
	}
	var args []any
	for _, line := range lines[1:] {
		expression, err := parser.ParseExpr(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		call, ok := expression.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return nil, fmt.Errorf("%s: not a conversion", line)
		}
		name := "[]byte"
		if ident, ok := call.Fun.(*ast.Ident); ok {
			name = ident.Name
		}
		value, err := convert(name, call.Args[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		args = append(args, value)
	}
	return args, nil
}

func convert(name string, literal ast.Expr) (any, error) {
	sign := ""
	if minus, ok := literal.(*ast.UnaryExpr); ok && minus.Op == token.SUB {
		sign, literal = "-", minus.X
	}
	if ident, ok := literal.(*ast.Ident); ok && name == "bool" {
		return ident.Name == "true", nil
	}
	basic, ok := literal.(*ast.BasicLit)
	if !ok {
		return nil, errors.New("not a literal")
	}
	switch name {
	case "string", "[]byte":
		text, err := strconv.Unquote(basic.Value)
		if name == "string" {
			return text, err
		}
		return []byte(text), err
	}
	n, err := strconv.ParseInt(sign+basic.Value, 10, 64)
	switch {
	case err != nil:
		return nil, err
	case name == "int":
		return int(n), nil
	case name == "int64":
		return n, nil
	case name == "uint16" && 0 <= n && n <= math.MaxUint16:
		return uint16(n), nil
	}
	return nil, fmt.Errorf("type %s is not one that is read", name)
}
