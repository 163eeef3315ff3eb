package main

import (
	"bytes"
	"os"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// processCollector exposes the process metrics of client_golang's collector, under the same names, for a tenth of the
// processor time: that one takes as long as the walk of a path. It leaves out the network counters, which are of the
// whole network namespace and not of the process.
type processCollector struct {
	started float64 // Unix time in seconds; 0: not known
}

// newProcessCollector returns a collector of this process.
func newProcessCollector() prometheus.Collector { return &processCollector{started: startTime()} }

// startTime returns when this process started, as a Unix time in seconds; 0 if the system does not tell.
func startTime() float64 {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := self.Stat()
	if err != nil {
		return 0
	}
	started, err := stat.StartTime()
	if err != nil {
		return 0
	}
	return started
}

// Descriptions of the process metrics, with the help texts of client_golang.
var (
	processCPU     = processDesc("cpu_seconds_total", "Total user and system CPU time spent in seconds.")
	processFDs     = processDesc("open_fds", "Number of open file descriptors.")
	processMaxFDs  = processDesc("max_fds", "Maximum number of open file descriptors.")
	processVirtual = processDesc("virtual_memory_bytes", "Virtual memory size in bytes.")
	processMaxVirt = processDesc("virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.")
	processRSS     = processDesc("resident_memory_bytes", "Resident memory size in bytes.")
	processStart   = processDesc("start_time_seconds", "Start time of the process since unix epoch in seconds.")
)

func processDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("process_"+name, help, nil, nil)
}

// Describe implements [prometheus.Collector].
func (c *processCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{processCPU, processFDs, processMaxFDs, processVirtual, processMaxVirt, processRSS, processStart} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. What the system does not tell is absent.
func (c *processCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		seconds := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
		ch <- prometheus.MustNewConstMetric(processCPU, prometheus.CounterValue, seconds)
	}
	if virtual, resident, ok := processMemory(); ok {
		gauge(processVirtual, virtual)
		gauge(processRSS, resident)
	}
	if c.started > 0 {
		gauge(processStart, c.started)
	}
	if n, err := openFiles(); err == nil {
		gauge(processFDs, float64(n))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		gauge(processMaxFDs, float64(limit.Cur))
	}
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		gauge(processMaxVirt, float64(limit.Cur))
	}
}

// processMemory returns the virtual and the resident memory of this process in bytes, from the first two fields of
// /proc/self/statm, which are in pages.
func processMemory() (virtual, resident float64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	pages := func(field []byte) float64 {
		n, parseErr := strconv.ParseUint(string(field), 10, 64)
		if parseErr != nil {
			err = parseErr
		}
		return float64(n) * float64(os.Getpagesize())
	}
	virtual, resident = pages(fields[0]), pages(fields[1])
	return virtual, resident, err == nil
}

// openFiles counts the open file descriptors of this process. Linux 6.2 and later give their number as the size of the
// directory that lists them.
func openFiles() (int, error) {
	const directory = "/proc/self/fd"
	if info, err := os.Stat(directory); err == nil && info.Size() > 0 {
		return int(info.Size()), nil
	}
	list, err := os.Open(directory)
	if err != nil {
		return 0, err
	}
	defer list.Close()
	names, err := list.Readdirnames(-1)
	return len(names) - 1, err // list is one of them
}
