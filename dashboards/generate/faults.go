package main

import "strconv"

// fault is one value of the label `fault` of endpoint:fault: a condition that the rules record, named as its alert.
type fault struct {
	name, word, color string
	effect            effect
	who               string // who must act; of a path, the class of its failure decides instead
	path              bool
	ofSite            bool // of a site or an exporter, not of a host
}

// effect is what a fault means to devices.
type effect int

const (
	offline  effect = iota // devices of the host are cut off
	affected               // some devices are, or may be later
	silent                 // nothing is known about the site
	impaired               // devices are not affected; faults of theirs may not be seen
)

// Who must act.
const (
	networkOwner     = "owner of the site's network"
	cloudOperator    = "operator of the cloud"
	dnsAdministrator = "administrator of the DNS server"
	siteContact      = "contact at the site"
	administrator    = "administrator of the exporter"
)

// faults lists every fault, the worst first.
var faults = []fault{
	{"EndpointIntercepted", "intercepted", worse, offline, networkOwner, false, false},
	{"EndpointUnreachable", "unreachable", bad, offline, networkOwner, true, false},
	{certificateExpired, "certificate expired", bad, offline, cloudOperator, false, false},
	{"EndpointDnsStale", "stale DNS", "blue", affected, dnsAdministrator, false, false},
	{"EndpointSiteSilent", "silent", unknown, silent, siteContact, false, true},
	{"EndpointExporterAbsent", "silent", unknown, silent, siteContact, false, true},
	{"EndpointPathBlocked", "path down", partly, affected, networkOwner, true, false},
	{"EndpointAddressFails", "address fails", partly, affected, networkOwner, true, false},
	{"EndpointPathAvailabilityLow", "path unsteady", partly, affected, networkOwner, true, false},
	{"EndpointResolverFails", "resolver fails", partly, affected, dnsAdministrator, false, false},
	{"EndpointResolverAvailabilityLow", "resolver unsteady", partly, affected, dnsAdministrator, false, false},
	{"EndpointResolverKeepsRecordsTooLong", "TTL too long", partly, affected, dnsAdministrator, false, false},
	{"EndpointIdleTimeShorterThanKeepalive", "idle timeout", partly, affected, networkOwner, false, false},
	{"EndpointHandshakeSlow", "slow", hint, affected, networkOwner, false, false},
	{"EndpointPathUnproven", "not proved", hint, affected, administrator, false, false},
	{"EndpointHostUnwatched", "host not watched", unknown, impaired, administrator, false, false},
	{"EndpointHostWithoutVerdict", "no verdict", unknown, impaired, administrator, false, false},
	{"EndpointHostNotReached", "never reached", hint, impaired, administrator, true, false},
	{"EndpointExporterCutOff", "exporter cut off", unknown, impaired, administrator, false, true},
	{"EndpointStalenessUnwatched", "DNS not watched", unknown, impaired, administrator, false, true},
	{"EndpointSurveyIncomplete", "rounds cut off", unknown, impaired, administrator, false, true},
	{"EndpointExporterClockWrong", "clock wrong", unknown, impaired, administrator, false, true},
	{"EndpointConfigReloadFailed", "reload failed", unknown, impaired, administrator, false, true},
}

// certificateExpired is a fault of the cloud, which the rules do not record as one of each site.
const certificateExpired = "EndpointCertificateExpired"

// noFault is the rank of a site without a fault, in timelines.
const noFault = 99

// inIncident is shown in place of the rank of a fault that began at many sites.
const inIncident = 200

// classOffset is added to the rank of a class where a column shows either a class or a fault.
const classOffset = 100

// faultNames lists the names of the faults, of which keep takes some.
func faultNames(keep func(fault) bool) []string {
	var out []string
	for _, f := range faults {
		if keep(f) {
			out = append(out, f.name)
		}
	}
	return out
}

func hasEffect(e effect) func(fault) bool { return func(f fault) bool { return f.effect == e } }

func everyFault(fault) bool { return true }

// faultWords has a word for the rank of each fault.
func faultWords() []word {
	var out []word
	for rank, f := range faults {
		out = append(out, word{strconv.Itoa(rank), f.word, f.color})
	}
	return append(out, word{strconv.Itoa(noFault), "no fault", good})
}

// actorWords has who must act, by the rank of each fault, by that of each class after classOffset, and by inIncident.
func actorWords() []word {
	var out []word
	for rank, f := range faults {
		out = append(out, word{strconv.Itoa(rank), f.who, neutral})
	}
	for rank, class := range classNames() {
		out = append(out, word{strconv.Itoa(classOffset + rank), classActors[class], neutral})
	}
	return append(out, word{strconv.Itoa(inIncident), "incident at many sites: see its alert", neutral})
}

// classActors is who must act on a failure of each class.
var classActors = map[string]string{
	"interception": networkOwner,
	"blocked":      networkOwner,
	"server":       cloudOperator,
	"certificate":  cloudOperator,
	"dns":          dnsAdministrator,
	"survey":       administrator,
}
