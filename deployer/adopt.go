package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Adoption is what became, or would become, of taking over a stack that another
// client deployed.
type Adoption struct {
	Stack   string `json:"stack"`
	Server  string `json:"server"`
	Domain  string `json:"domain"` // of the env file, "" without one
	Path    string `json:"path"`   // the same
	Recipe  string `json:"recipe"`
	Version string `json:"version"` // as the stack's labels say
	// Entry is the digest of the catalogue's entry of that version, when what runs is
	// what it vouches for; else "", and Unverified says why.
	Entry      string       `json:"entry"`
	Unverified []string     `json:"unverified"`
	Answer     AdoptionWord `json:"answer"`
	Reason     string       `json:"reason"` // of a stack that cannot be adopted, or is already
}

// AdoptionWord is the answer to an adoption, in a word.
type AdoptionWord string

// The answers.
const (
	Adopted    AdoptionWord = "adopted"
	Adoptable  AdoptionWord = "adoptable" // a dry run: it would be
	Already    AdoptionWord = "already"   // it is in the history; nothing is written
	NotAdopted AdoptionWord = "not adopted"
)

// NewAdoption says whether the stack of a status can be adopted. app is the one
// whose env file gives that stack its name, nil when there is none here.
func NewAdoption(status *Status, server string, app *App) Adoption {
	a := Adoption{
		Stack: status.Stack, Server: server, Recipe: oneLine(status.Recipe), Version: oneLine(status.Version),
		Unverified: []string{}, Answer: Adoptable,
	}
	refuse := func(format string, args ...any) { a.Answer, a.Reason = NotAdopted, fmt.Sprintf(format, args...) }
	if app != nil {
		a.Domain, a.Path = app.Domain, app.Path
		if status.Recipe == "" {
			a.Recipe, a.Version = app.Recipe, app.Version
		}
	}
	switch last := status.Last; {
	case last != nil && last.Operation != OpUndeploy && (status.Entry != "" || last.To == a.Version):
		a.Answer, a.Reason = Already, fmt.Sprintf("%s by %s on %s is in its history", last.operation(), oneLine(last.By), last.When.UTC().Format(time.DateOnly))
	case status.Lock != nil:
		refuse("%s holds its lock, for %s", oneLine(status.Lock.Owner), oneLine(status.Lock.Reason))
	case status.Unfinished:
		refuse("a deploy of it was left unfinished")
	case app == nil:
		refuse("no env file here gives a stack that name")
	case app.Recipe == "":
		refuse("%s names no recipe", app.Path)
	case status.Recipe != "" && status.Recipe != app.Recipe:
		refuse("it runs the recipe %q, and %s names %q", a.Recipe, app.Path, app.Recipe)
	case a.Version == "":
		refuse("neither its labels nor the env file say which version it runs")
	}
	return a
}

// operation is what a record calls what was done.
func (r *Record) operation() Operation {
	if r.Operation == "" {
		return OpDeploy
	}
	return r.Operation
}

// Vouch compares what stands with the catalogue's entry of its version: where only
// what the other client left differs, and every image is the entry's, the adoption
// gets the entry. published is nil when there is none to compare with, and why
// tells the reason.
func (e *Engine) Vouch(ctx context.Context, a *Adoption, published *Published, why string) error {
	if published == nil {
		a.Unverified = append(a.Unverified, oneLine(why))
		return nil
	}
	desired := published.Desired
	current, err := e.Current(ctx, a.Stack, desired.Stack)
	if err != nil {
		return err
	}
	plan, err := NewPlan(desired, current)
	if err != nil {
		a.Unverified = append(a.Unverified, oneLine(err.Error()))
		return nil
	}
	if n := plan.ofRecipe(); n > 0 {
		a.Unverified = append(a.Unverified, fmt.Sprintf("the entry of that version asks for %d other fields or objects", n))
	}
	o := Observed{Problems: []string{}}
	if err := e.observeContainers(ctx, desired, current, &o); err != nil {
		return fmt.Errorf("looking at the running containers: %w", err)
	}
	a.Unverified = append(a.Unverified, o.Problems...)
	if published.Distrust != "" {
		a.Unverified = append(a.Unverified, oneLine(published.Distrust))
	}
	if len(a.Unverified) == 0 {
		a.Entry = desired.EntryDigest
	}
	return nil
}

// ofRecipe counts what a plan changes beside what another client left.
func (p *Plan) ofRecipe() int {
	n := 0
	for _, c := range p.Changes {
		recipe, _ := byOrigin(c.Fields)
		switch {
		case c.Action == Create || c.Action == Remove:
			n++
		case c.Action == Update:
			n += len(recipe)
		}
	}
	return n
}

// Adopt writes one history record that says what stands, and nothing else: no
// service, no label and no env file is touched. mark is the catalogue that vouches
// for it, if one does. Of two who adopt a stack at the same moment one does: the
// record is not written when another came first under its number.
func (e *Engine) Adopt(ctx context.Context, status *Status, a *Adoption, mark CatalogueMark) error {
	number := 1
	if status.Last != nil {
		number = status.Last.Number + 1
	}
	record := Record{
		Number: number, When: time.Now().UTC().Truncate(time.Second), By: Operator(), Operation: OpAdopt,
		Recipe: a.Recipe, To: a.Version, Entry: a.Entry, Verdict: Converged, State: StateNew,
		Reason: "another client deployed it", Plan: "nothing was changed",
	}
	if a.Entry != "" {
		record.Catalogue = mark
	}
	if !status.Healthy() {
		record.Verdict, record.Reason = Failed, "another client deployed it, and it does not run all its tasks"
	}
	for _, why := range a.Unverified {
		record.Unverified = append(record.Unverified, clip(why, 500))
	}
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	suffix := strconv.Itoa(number)
	_, err = e.createRecord(ctx, recordHistory, a.Stack, suffix, data, map[string]string{labelNumber: suffix})
	if err != nil && isNameTaken(err) {
		err = fault.New(fault.Unavailable, "somebody wrote into the history of stack %q this moment", a.Stack)
	}
	if err != nil {
		return fmt.Errorf("recording what stands: %w", err)
	}
	a.Answer = Adopted
	return nil
}
