package jsondoc

// Key returns the pointer to a member by its name.
func Key(names ...string) Pointer {
	p := Pointer{tokens: names}
	for _, name := range names {
		p.text += "/" + escape(name)
	}
	return p
}

// Lookup returns the value at a place: a scalar as it is, of a list or an object only the kind, as a tree of it may
// need a hundred times its text. Of duplicate keys the first one counts. The segment * has no meaning here: it would be
// one of many values.
func (d Document) Lookup(p Pointer) Value {
	if d.IsZero() {
		return Value{}
	}
	r, v := reader{text: d.text}, Value{}
	r.find(p.tokens, "", func() bool {
		switch r.text[r.at] {
		case '{':
			v = Value{Kind: Object}
		case '[':
			v = Value{Kind: Array}
		default:
			p := parser{text: r.text, at: r.at}
			v = p.value()
		}
		return true
	})
	return v
}
