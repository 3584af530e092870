package recipe

// frame is a compound command that is open: '{', '(', 'i' for if, 'l' for a
// loop, 'c' for case.
type frame struct {
	kind        byte
	function    int // of Script.Functions, -1 for none
	stage       caseStage
	conditional bool // it stands behind && or ||
	subshell    bool // what it sets is gone at its end
	at          span
}

type caseStage int

const (
	caseSubject caseStage = iota
	caseIn
	casePattern
	caseBody
)

// commandList is a list of commands while it is read.
type commandList struct {
	*shell
	nested      bool // inside $(…): nothing of it is the top level
	frames      []frame
	words       []span // of the simple command so far
	skip        bool   // this command runs in a subshell, or is no command
	conditional bool   // this command runs only if the one before says so
	continued   bool   // an operator stood last: a newline does not end the list
	keyword     bool   // "function" stood last
	named       bool   // a function's name was read, its body has not begun
	function    span   // from the name (or keyword) on
	name        span
}

var openers = map[string]byte{"if": 'i', "while": 'l', "until": 'l', "for": 'l', "select": 'l', "case": 'c', "{": '{'}

var closers = map[string]byte{"fi": 'i', "done": 'l', "esac": 'c', "}": '{'}

// commands reads commands to the end of the text or, when nested, to the ")"
// that ends them. It says whether that was found.
func (p *shell) commands(nested bool) bool {
	c := &commandList{shell: p, nested: nested}
	for {
		t := p.next()
		switch t.kind {
		case tokenEnd:
			c.flush()
			c.unclosed(t)
			return false
		case tokenNewline:
			c.newline()
		case tokenOperator:
			if c.operator(t) {
				return true
			}
		case tokenWord:
			c.word(t)
		}
	}
}

func (c *commandList) unclosed(end token) {
	for _, f := range c.frames {
		if f.function >= 0 {
			c.closeFunction(f.function, end.from)
		}
		c.problem(f.at.from, f.at.to, "%q is not closed", c.text[f.at.from:f.at.to])
	}
}

func (c *commandList) newline() {
	if c.continued && len(c.words) == 0 {
		return
	}
	c.flush()
	c.conditional, c.skip = false, false
}

// flush ends a simple command.
func (c *commandList) flush() {
	if len(c.words) > 0 && !c.skip && !c.nested {
		if level, dynamic := c.level(); level {
			c.record(c.words, dynamic || c.conditional)
		}
	}
	if len(c.words) > 0 {
		c.named = false
	}
	c.words = nil
}

// level says whether this is the top level of the script, and whether it
// depends on a condition.
func (c *commandList) level() (top, conditional bool) {
	for _, f := range c.frames {
		if f.function >= 0 || f.subshell {
			return false, false
		}
		conditional = conditional || f.conditional || f.kind != '{'
	}
	return true, conditional
}

func (c *commandList) top() *frame {
	if len(c.frames) == 0 {
		return &frame{}
	}
	return &c.frames[len(c.frames)-1]
}

// operator handles one, and says whether it ends a nested list.
func (c *commandList) operator(t token) bool {
	c.continued = false
	switch op := c.text[t.from:t.to]; op {
	case "(":
		c.open(t)
	case ")":
		return c.close(t)
	case ";;", ";&", ";;&":
		c.flush()
		c.conditional, c.skip = false, false
		if f := c.top(); f.kind == 'c' {
			f.stage = casePattern
		}
	case "&&", "||":
		c.flush()
		c.conditional, c.skip, c.continued = true, false, true
	case "|", "|&":
		if c.top().kind == 'c' && c.top().stage == casePattern {
			return false
		}
		c.skip = true // both sides run in subshells
		c.flush()
		c.continued = true
	case "&":
		c.skip = true
		c.flush()
		c.conditional, c.skip = false, false
	default:
		c.newline()
	}
	return false
}

// open handles "(": a function's header, arithmetic, or a subshell.
func (c *commandList) open(t token) {
	if f := c.top(); f.kind == 'c' && f.stage == casePattern {
		return
	}
	if len(c.words) == 0 && t.to < len(c.text) && c.text[t.to] == '(' && !c.named {
		c.pos = t.from
		c.balanced('(', ')')
		return
	}
	if c.named || len(c.words) == 1 {
		before := c.pos
		if n := c.next(); n.kind == tokenOperator && c.text[n.from:n.to] == ")" {
			c.header()
			return
		}
		c.pos = before
	}
	c.flush()
	c.push('(', t.span)
}

// header is "name ()" or the "()" of "function name ()".
func (c *commandList) header() {
	if len(c.words) == 1 {
		c.named, c.name, c.function = true, c.words[0], c.words[0]
	}
	c.words = nil
}

func (c *commandList) close(t token) bool {
	f := c.top()
	if f.kind == 'c' && f.stage == casePattern {
		f.stage = caseBody
		return false
	}
	c.flush()
	c.conditional, c.skip = false, false
	if f.kind == '(' {
		c.pop(t.span)
		return false
	}
	if c.nested {
		return true
	}
	c.problem(t.from, t.to, `")" closes nothing`)
	return false
}

func (c *commandList) word(t token) {
	c.continued = false
	if c.inCaseHead(t) {
		return
	}
	if c.keyword {
		c.keyword, c.named, c.name = false, true, t.span
		return
	}
	if len(c.words) > 0 || !c.reserved(t) {
		c.words = append(c.words, t.span)
	}
}

// inCaseHead takes the words of "case x in" and of patterns.
func (c *commandList) inCaseHead(t token) bool {
	f := c.top()
	if f.kind != 'c' || f.stage == caseBody {
		return false
	}
	switch word := c.text[t.from:t.to]; {
	case f.stage == caseSubject:
		f.stage = caseIn
	case f.stage == caseIn && word != "in":
		c.problem(t.from, t.to, "%q stands where a case needs \"in\"", shorten(word))
		f.stage = casePattern
	case f.stage == caseIn:
		f.stage = casePattern
	case word == "esac":
		c.pop(t.span)
	}
	return true
}

// reserved handles the shell's reserved words, at the start of a command.
func (c *commandList) reserved(t token) bool {
	word := c.text[t.from:t.to]
	if kind, ok := openers[word]; ok {
		c.push(kind, t.span)
		c.skip = word == "for" || word == "select" // what follows is a list of words
		return true
	}
	if kind, ok := closers[word]; ok {
		if c.top().kind != kind {
			c.problem(t.from, t.to, "%q closes nothing", word)
			return true
		}
		c.pop(t.span)
		return true
	}
	switch word {
	case "then", "do", "else", "elif", "!", "time", "coproc":
		c.conditional = false
		return true
	case "function":
		c.keyword, c.function = true, t.span
		return true
	}
	return false
}

func (c *commandList) push(kind byte, at span) {
	f := frame{kind: kind, function: -1, at: at, conditional: c.conditional, subshell: kind == '(' || c.skip}
	if top, _ := c.level(); c.named && top && !c.nested {
		f.function = len(c.script.Functions)
		c.script.Functions = append(c.script.Functions, Function{
			Name: c.text[c.name.from:c.name.to], Range: c.rangeOf(c.function.from, c.name.to),
		})
	}
	c.named, c.conditional, c.skip = false, false, false
	c.frames = append(c.frames, f)
}

func (c *commandList) pop(end span) {
	f := c.frames[len(c.frames)-1]
	c.frames = c.frames[:len(c.frames)-1]
	c.conditional, c.skip = false, false
	if f.function >= 0 {
		c.closeFunction(f.function, end.to)
	}
}

func (c *commandList) closeFunction(i, end int) {
	c.script.Functions[i].Range.End = c.position(end)
}
