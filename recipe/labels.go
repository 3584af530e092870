package recipe

import "strings"

// Label is one label of a service, network or volume, of the list form
// ("name=value") or the map form.
type Label struct {
	Name, Value string // not interpolated
	Node        Node   // the list item, or the map's value
	// NameRange and ValueRange are where the two stand, in either form.
	NameRange, ValueRange Range
}

// Labels reads a labels node. Items that are no strings are left out: the
// schema's findings name them. The environment key has the same two forms.
func Labels(n Node) []Label {
	var labels []Label
	for _, item := range n.Items() {
		if !item.IsScalar() {
			continue
		}
		name, value, _ := strings.Cut(item.Text(), "=")
		labels = append(labels, Label{
			Name: name, Value: value, Node: item,
			NameRange:  item.Sub(0, len(name)),
			ValueRange: item.Sub(len(item.Text())-len(value), len(item.Text())),
		})
	}
	for name, value := range n.Pairs() {
		labels = append(labels, Label{
			Name: name, Value: value.Text(), Node: value,
			NameRange: value.KeyRange(), ValueRange: value.Range(),
		})
	}
	return labels
}
