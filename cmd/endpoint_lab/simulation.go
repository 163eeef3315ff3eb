package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// simulation is one run of the lab, as the flags describe it.
type simulation struct {
	faults    []string
	timetable string
	configOut string
	control   string
	options   lab.Options
}

// Bounds of the flags. Each address has a listener for every path of its host, and RFC 2181 §8 gives a TTL
// 31 bits.
const (
	maxAddresses = 256
	maxTTL       = 1<<31 - 1
)

func (s *simulation) flags(app *kingpin.CmdClause) {
	app.Flag("fault", "Fault to start with, for example bootstrap/tcp:5684=intercept, lwm2m/udp=drop, '*=slow:50ms' or resolver=min_ttl:300; see the command list. May be repeated.").
		PlaceHolder("HOST[/tcp|/udp[:PORT]]=FAULT").StringsVar(&s.faults)
	app.Flag("timetable", "Faults to set later, for example 60s:bootstrap/tcp=intercept,180s:bootstrap/tcp=none.").StringVar(&s.timetable)
	app.Flag("config-out", "Write the exporter's configuration to this file; without it, it is printed.").PlaceHolder("FILE").StringVar(&s.configOut)
	app.Flag("control", "Address to switch faults by HTTP while running: PUT /fault/WHERE, GET /faults. There WHERE may also be HOST@ADDRESS; GET /faults lists the addresses.").
		PlaceHolder("127.0.0.1:0").StringVar(&s.control)
	flags.Number(app.Flag("addresses", "Addresses of each host, 1 to 256."), &s.options.Addresses, 1, maxAddresses).Default("1")
	flags.Number(app.Flag("ttl", "TTL of the hosts' records in seconds."), &s.options.TTL, 1, maxTTL).Default("60")
	flags.Number(app.Flag("device-port", "Port that stands for 5684; 0 picks a free one."), &s.options.Device, 0, math.MaxUint16).Default("0")
	flags.Number(app.Flag("web-port", "Port that stands for 443; 0 picks a free one."), &s.options.Web, 0, math.MaxUint16).Default("0")
	flags.DurationOrNone(app.Flag("idle-limit", "Silence after which the device servers end a session; 0: never."), &s.options.IdleLimit).Default("0s")
}

// run starts the lab, prints its configuration, and waits for ctx to end.
func (s *simulation) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	table, err := parseTimetable(s.timetable)
	if err != nil {
		return usageError{err}
	}
	l, err := lab.Start(ctx, s.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, text := range s.faults {
		where, fault, _ := strings.Cut(text, "=")
		if where == "" || fault == "" {
			return usageError{fmt.Errorf("--fault=%s: want HOST=FAULT, for example bootstrap/tcp=intercept", text)}
		}
		if err := l.Set(where, fault); err != nil {
			return usageError{fmt.Errorf("--fault=%s: %w", text, explain(l, where, err))}
		}
	}
	for _, c := range table {
		if err := l.Check(c.where, c.fault); err != nil {
			return usageError{fmt.Errorf("--timetable: %s: %w", c, explain(l, c.where, err))}
		}
	}
	if err := s.writeConfig(l, stdout, stderr); err != nil {
		return err
	}
	return s.runUntilDone(ctx, l, table, stderr)
}

// writeConfig writes the exporter's configuration.
func (s *simulation) writeConfig(l *lab.Lab, stdout, stderr io.Writer) error {
	if s.configOut == "" {
		_, err := io.WriteString(stdout, l.Config())
		return err
	}
	if err := os.WriteFile(s.configOut, []byte(l.Config()), 0o644); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err := fmt.Fprintf(stderr, "configuration written: endpoint_exporter --config.file=%s\n", s.configOut)
	return err
}

// runUntilDone runs the timetable and the control server until ctx ends.
func (s *simulation) runUntilDone(ctx context.Context, l *lab.Lab, table []change, stderr io.Writer) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.control != "" {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.control)
		if err != nil {
			return fmt.Errorf("listen for control: %w", err)
		}
		fmt.Fprintf(stderr, "control: http://%s/faults\n", listener.Addr())
		wg.Go(func() {
			if err := serve(ctx, listener, control(l)); err != nil {
				fmt.Fprintf(stderr, "endpoint_lab: serve control: %v\n", err)
			}
		})
	}
	fmt.Fprintln(stderr, "lab is up; stop it with SIGTERM or Ctrl-C")
	applyChanges(ctx, table, func(c change) {
		if err := l.Set(c.where, c.fault); err != nil {
			fmt.Fprintf(stderr, "endpoint_lab: %v\n", err)
			return
		}
		fmt.Fprintln(stderr, c)
	})
	<-ctx.Done()
	return nil
}
