// App is what the swarm tests run in services: it does nothing, and is as
// healthy as HEALTH says.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "health" {
		if health := os.Getenv("HEALTH"); health != "good" {
			fmt.Println("health is", health)
			os.Exit(1)
		}
		return
	}
	fmt.Println("app is up")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}
