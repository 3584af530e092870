package trust

import (
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

// PrepareTimestamp signs a new timestamp for what is published, with the
// timestamp's keys alone. Nothing is written.
//
// It is fault.Refused when another key is needed: nothing is published yet, the
// root is not valid any more, or snapshot or targets were signed under keys that
// the root does not name now, or are over before the new timestamp would be. The
// timestamp then ends no later than it would have, and is not kept alive by a
// signature that leads nowhere. Targets expire when the first of their bins does.
func PrepareTimestamp(opts PublishOptions) (*Publication, error) {
	published, err := readPublished(opts)
	if err != nil {
		return nil, err
	}
	chain, before := published.chain, published.documents[Timestamp]
	if !opts.Now.Before(chain.Expires()) {
		return nil, expiredRoot(opts, chain)
	}
	if before == nil {
		err := fault.New(fault.Refused, "refreshing: nothing is published in %q", opts.Public.Name())
		return nil, fault.Hint(err, "galley catalogue sign publishes a catalogue")
	}
	expires := whole(opts.Now.Add(opts.Expiry.Timestamp))
	if err := lasting(published, expires, opts.Now); err != nil {
		return nil, err
	}
	keys, err := readKeys(opts, chain, Timestamp)
	if err != nil {
		return nil, err
	}
	p := &Publication{
		Versions: map[Role]int64{Root: chain.Version()}, Expires: map[Role]time.Time{Root: chain.Expires()},
		Signed: []Role{Timestamp}, Former: before.Expires, Fingerprint: Fingerprint(chain.First()),
		roots: rootFiles(chain), copied: publishedFile{RootCopyName, chain.Last()},
	}
	for _, role := range []Role{Targets, Snapshot} {
		p.Versions[role], p.Expires[role] = published.documents[role].Version, published.documents[role].Expires
	}
	for _, bin := range published.documents[Targets].Bins() {
		p.Bins++
		if ends := published.documents[bin].Expires; ends.Before(p.Expires[Targets]) {
			p.Expires[Targets] = ends
		}
	}
	m := metadata.Timestamp(expires)
	m.Signed.Version, m.Signed.Meta = published.highest[Timestamp]+1, metaOf(before.Files)
	data, err := sign(m, keys[Timestamp]...)
	if err != nil {
		return nil, err
	}
	p.Versions[Timestamp], p.Expires[Timestamp] = m.Signed.Version, expires
	p.files = append(p.files, publishedFile{TimestampName, data})
	return p, nil
}

// lasting refuses inner metadata that a new timestamp would outlive.
func lasting(published *published, until, now time.Time) error {
	for _, role := range append([]Role{Targets, Snapshot}, published.documents[Targets].Bins()...) {
		doc := published.documents[role]
		var err error
		switch {
		case !role.IsBin() && !published.current[role]:
			err = fault.New(fault.Refused, "refreshing: %s was signed with keys that the newest root does not name", published.name(role))
		case !now.Before(doc.Expires):
			err = fault.New(fault.Refused, "refreshing: %s expired %s", published.name(role), Ago(now.Sub(doc.Expires)))
		case doc.Expires.Before(until):
			err = fault.New(fault.Refused, "refreshing: %s expires in %s, before the new timestamp would", published.name(role), inUnits(doc.Expires.Sub(now)))
		}
		if err != nil {
			return fault.Hint(err, "galley catalogue sign signs it anew; that needs the keys of targets and snapshot; check this machine's clock too")
		}
	}
	return nil
}

func expiredRoot(opts PublishOptions, chain *Chain) error {
	err := fault.New(fault.Refused, "signing: %s expired %s", opts.RootName, Ago(opts.Now.Sub(chain.Expires())))
	return fault.Hint(err, "galley catalogue keys renew proposes a new one, for the root keys to sign; check this machine's clock too")
}

func rootFiles(chain *Chain) []publishedFile {
	var files []publishedFile
	for i, root := range chain.files {
		files = append(files, publishedFile{Name(Root, chain.FirstVersion()+int64(i)), root})
	}
	return files
}
