package deployer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// CarrierVariable names the program that helper containers run, for an operator whose own
// galley cannot: one of another system or architecture than the node. It is a galley
// for Linux on the node's architecture.
const CarrierVariable = "GALLEY_CARRIER"

const (
	// labelCarrier marks galley's helpers, containers and services, with the stack
	// that they work for.
	labelCarrier = "galley.carrier"
	// carrierImage is the name, without its tag, of the image that helpers run. It
	// holds one file, is made on the node and never pulled: a name could be anybody's,
	// so helpers name it by its ID.
	carrierImage = "galley-carrier"
	carrierPath  = "/galley"
	// importTimeout bounds the making of the image: about 20 MB go to the node.
	importTimeout = 5 * time.Minute
)

// Carrier is one node, ready to run galley itself as a helper: in a container with no
// network, no file of its own but the program, and the volumes that it is given; on this
// machine it may have a socket, too (package shortcut). That way volumes are
// read and written by a program that keeps what the engine's own archives lose (extended
// attributes, holes), and nothing needs to be pulled.
type Carrier struct {
	// NodeID and Node are the node's ID and host name.
	NodeID, Node string

	engine *Engine
	api    *client.Client
	image  string // ID

	shortcuts string // where folders for them are made, "" for the usual place
}

// Carrier makes a node ready for helpers: the connected one for "". The image is made there
// unless the node has it. A node that cannot be reached, and a program that the
// node could not run, are errors that say so.
func (e *Engine) Carrier(ctx context.Context, nodeID string) (*Carrier, error) {
	nodeID = cmp.Or(nodeID, e.NodeID)
	if e.at(nodeID) == nil {
		if _, err := e.survey(ctx); err != nil {
			return nil, err
		}
	}
	host := e.nodeName(ctx, nodeID)
	api := e.at(nodeID)
	if api == nil {
		err := fault.New(fault.Unavailable, "node %q cannot be reached: %s", host, e.notReached(host))
		return nil, fault.Hint(err, "name a way to it in servers/%s/nodes: only a node's own engine reaches its volumes", e.Server)
	}
	c := &Carrier{NodeID: nodeID, Node: host, engine: e, api: api}
	short, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	version, err := api.ServerVersion(short)
	if err != nil {
		return nil, fmt.Errorf("asking node %q what it is: %w", host, err)
	}
	program, err := carrierProgram(version.Os, version.Arch)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("making a helper for node %q: %w", host, err),
			"set %s to a galley for %s on %s, as its releases have it", CarrierVariable, version.Os, version.Arch)
	}
	if c.image, err = c.provide(ctx, program); err != nil {
		return nil, fmt.Errorf("making a helper for node %q: %w", host, err)
	}
	return c, nil
}

// carrierProgram is the path of a program for a node's system and architecture, in Go's
// words: the one that CarrierVariable names, else this very program.
func carrierProgram(system, arch string) (string, error) {
	path := os.Getenv(CarrierVariable)
	if path == "" {
		if runtime.GOOS != "linux" || system != "linux" || runtime.GOARCH != arch {
			return "", fault.New(fault.Unavailable, "this galley is for %s on %s, the node is %s on %s", runtime.GOOS, runtime.GOARCH, system, arch)
		}
		var err error
		if path, err = os.Executable(); err != nil {
			return "", err
		}
	}
	return path, checkCarrier(path, arch)
}

// machines are Go's architectures as ELF files name them.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "386": elf.EM_386,
	"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
}

// checkCarrier refuses a program that would not start where there is no other file.
func checkCarrier(path, arch string) error {
	program, err := elf.Open(path)
	if err != nil {
		return fault.New(fault.Unavailable, "%q is no program for Linux: %s", path, err)
	}
	defer program.Close()
	if want, ok := machines[arch]; ok && program.Machine != want {
		return fault.New(fault.Unavailable, "%q is for %s; expected %s", path, program.Machine, want)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return fault.New(fault.Unavailable, "%q needs shared libraries; expected one that was built with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// provide finds the image of a program on the node, or makes it, and returns its ID.
func (c *Carrier) provide(ctx context.Context, path string) (string, error) {
	program, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer program.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, program)
	if err != nil {
		return "", err
	}
	name := carrierImage + ":" + hex.EncodeToString(digest.Sum(nil)[:8])
	if id, err := c.imageID(ctx, name); err != nil || id != "" {
		return id, err
	}
	if err := c.importImage(ctx, name, io.NewSectionReader(program, 0, size)); err != nil {
		return "", err
	}
	id, err := c.imageID(ctx, name)
	if err == nil && id == "" {
		err = fmt.Errorf("the engine took the image %q and does not have it", name)
	}
	return id, err
}

func (c *Carrier) imageID(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, err := c.api.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	return found.ID, err
}

// importImage makes an image of one file. The engine answers 200 before it has begun, and
// says in the answer's lines whether it could.
func (c *Carrier) importImage(ctx context.Context, name string, program *io.SectionReader) error {
	archive, err := oneFile(carrierPath[1:], program)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	answer, err := c.api.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, name, image.ImportOptions{
		Message: "galley's helper", Changes: []string{`ENTRYPOINT ["` + carrierPath + `", "carry"]`},
	})
	if err != nil {
		return err
	}
	defer answer.Close()
	for lines := json.NewDecoder(io.LimitReader(answer, 1<<20)); ; {
		var line struct {
			Error string `json:"error"`
		}
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the engine's answer: %w", err)
		case line.Error != "":
			return errors.New(oneLine(line.Error))
		}
	}
}

// oneFile is a tar archive of one program, which is read as the archive is.
func oneFile(name string, program *io.SectionReader) (io.Reader, error) {
	var head, tail bytes.Buffer
	w := tar.NewWriter(&head)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: program.Size()}); err != nil {
		return nil, err
	}
	const block = 512 // an entry is filled up to it, and two empty ones end the archive
	tail.Write(make([]byte, (block-program.Size()%block)%block+2*block))
	return io.MultiReader(&head, program, &tail), nil
}
