package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// plain makes numbers what gojsonschema takes for numbers. Those that JSON does
// not have, infinities and NaN, and those with an exponent that exact arithmetic
// refuses, become their text: a number that large is what no schema asks for.
// What holds no number is given back as it is; nothing is changed in place.
func plain(value any) (made any, changed bool) {
	switch v := value.(type) {
	case map[string]any:
		return plainMap(v)
	case []any:
		return plainList(v)
	case int:
		return json.Number(strconv.Itoa(v)), true
	case int64, uint64:
		return json.Number(fmt.Sprint(v)), true
	case json.Number:
		if _, ok := new(big.Rat).SetString(v.String()); !ok {
			return v.String(), true
		}
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return text, true
		}
		return json.Number(text), true
	}
	return value, false
}

func plainMap(v map[string]any) (map[string]any, bool) {
	var made map[string]any
	for key, child := range v {
		p, changed := plain(child)
		if changed && made == nil {
			made = maps.Clone(v)
		}
		if changed {
			made[key] = p
		}
	}
	if made == nil {
		return v, false
	}
	return made, true
}

func plainList(v []any) ([]any, bool) {
	var made []any
	for i, child := range v {
		p, changed := plain(child)
		if changed && made == nil {
			made = slices.Clone(v)
		}
		if changed {
			made[i] = p
		}
	}
	if made == nil {
		return v, false
	}
	return made, true
}
