package deployer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// cliWithin is how long the docker CLI may take for one case.
const cliWithin = time.Minute

// dockerCell is what the docker CLI made of a case.
type dockerCell struct{ exit, said, left string }

func (d dockerCell) cells() []string { return []string{d.exit + quotedAfter(": ", d.said), d.left} }

func quotedAfter(between, text string) string {
	if text == "" {
		return ""
	}
	return between + quoted(text)
}

// judgeDocker runs the case with `docker stack deploy --detach=false`, of the same
// files on the same engine.
func (s *scene) judgeDocker() dockerCell {
	s.t.Helper()
	if s.c.before != "" {
		cmd := s.stackDeploy(s.text(s.c.before), "v1")
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
		s.eventually("what stood before", s.allRun)
		if s.c.yesterday != nil {
			s.c.yesterday(s)
		}
	}
	cmd := s.stackDeploy(s.text(s.c.then), "v2")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.interrupt = func() { _ = cmd.Process.Signal(syscall.SIGINT) }
	s.kill = func() { _ = cmd.Process.Kill() }
	late := time.AfterFunc(cliWithin, s.kill)
	wait := s.disturb(s.t.Context())
	err := cmd.Wait()
	inTime := late.Stop()
	cell := dockerCell{exit: exitOf(err), said: s.plain(lastLine(said.String()))}
	if !inTime {
		cell.exit = fmt.Sprintf("did not end within %s", cliWithin)
	}
	cell.left = s.left()
	close(s.ended)
	wait()
	return cell
}

// stackDeploy is the command, with the compose file in a folder of its own.
func (s *scene) stackDeploy(text, conf string) *exec.Cmd {
	s.t.Helper()
	dir := s.t.TempDir()
	text = strings.ReplaceAll(text, "APP:", s.lab.registry.Addr+"/app:")
	for name, content := range map[string]string{"compose.yml": text, "conf.txt": "conf " + conf + "\n"} {
		writeFile(s.t, filepath.Join(dir, name), content)
	}
	args := []string{"--host", s.lab.host, "stack", "deploy", "--compose-file", "compose.yml", "--detach=" + fmt.Sprint(conf == "v1"), s.stack}
	cmd := exec.Command(*dockerCLI, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(dir, "config"), "STACK_NAME="+s.stack, "CONF_VERSION="+conf)
	return cmd
}

func (s *scene) allRun() bool {
	unwell, err := s.unwell(s.t.Context(), s.stack)
	return err == nil && len(unwell) == 0
}

func exitOf(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case !errors.As(err, &exit):
		return err.Error()
	case exit.ExitCode() >= 0:
		return fmt.Sprint(exit.ExitCode())
	}
	return exit.ProcessState.String()
}

// lastLine is the last line that says something.
func lastLine(text string) string {
	last := ""
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = oneLine(line); line != "" {
			last = line
		}
	}
	return last
}

// left tells what stands, by the engine, once it answers.
func (s *scene) left() string {
	s.t.Helper()
	var services []swarm.Service
	var tasks map[string][]swarm.Task
	s.eventually("the engine's answer", func() (answered bool) {
		var err error
		services, err = s.api.ServiceList(s.t.Context(), swarm.ServiceListOptions{Filters: byStack(s.stack), Status: true})
		if err == nil {
			tasks, err = s.upToDate(s.t.Context(), services)
		}
		return err == nil
	})
	if len(services) == 0 {
		return "no service"
	}
	told := map[string]string{}
	for _, service := range services {
		name := strings.TrimPrefix(service.Spec.Name, s.stack+"_")
		p := stand(service, tasks[service.ID])
		told[name] = fmt.Sprintf("%s: %s%d of %d tasks run%s", name, s.whose(service), p.Running, p.Slots, updateState(service))
		if isJob(service.Spec) {
			told[name] = strings.Replace(told[name], "run", "ended well", 1)
		}
	}
	var all []string
	for _, name := range sortedKeys(told) {
		all = append(all, told[name])
	}
	return strings.Join(all, "; ")
}

// whose tells whether a service is the old one or the new one, by its image.
func (s *scene) whose(service swarm.Service) string {
	switch image := service.Spec.TaskTemplate.ContainerSpec.Image; {
	case s.c.before == "":
		return ""
	case strings.Contains(image, "/app:1"):
		return "old spec, "
	}
	return "new spec, "
}

func updateState(service swarm.Service) string {
	if service.UpdateStatus == nil {
		return ""
	}
	return ", update " + strings.ReplaceAll(string(service.UpdateStatus.State), "_", " ")
}
