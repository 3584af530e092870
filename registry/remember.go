package registry

import "time"

// remembered is the digest that was learned, when that is young enough.
func (r *Resolver) remembered(asked string) (string, bool) {
	if r.opts.Learned <= 0 {
		return "", false
	}
	digest, age, ok := r.learned.get(asked)
	return digest, ok && age < r.opts.Learned
}

// learn keeps answers. A journal that cannot be written makes the next run
// slower, not wrong.
func (r *Resolver) learn(answers ...answer) {
	if err := r.learned.put(answers...); err != nil {
		r.cacheErrors.Add(1)
	}
}

// Forget drops what was learned about references, so that they are asked again
// whatever Options.Learned is: for a build that was published, whose answers have
// done their work. What cannot be parsed was never learned.
func (r *Resolver) Forget(refs ...string) {
	var answers []answer
	for _, ref := range refs {
		parsed, err := ParseReference(ref)
		if err != nil {
			continue
		}
		if repo, err := r.repository(parsed); err == nil {
			answers = append(answers, answer{Ref: askedName(repo, parsed), At: time.Now().Unix()})
		}
	}
	r.learn(answers...)
}
