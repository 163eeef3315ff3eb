package main

import "slices"

// The annotations: events that are marked in every panel of values over time. The data source asks for them at each
// step, and joins steps that follow one another.
var (
	alertAnnotation = annotation{
		Name: "Alerts that page", IconColor: "red", TitleFormat: "{{alertname}}", TextFormat: "{{host}}", TagKeys: "scope",
		Expr: `count by (alertname, scope, host) (ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing", severity="critical"})`,
	}
	restartAnnotation = annotation{
		Name: "Restarts of exporters", IconColor: "blue", TitleFormat: "Exporters restarted", Step: annotationStep,
		Expr: `count(changes(process_start_time_seconds{@exporter}[5m]) > 0)`,
	}
	reloadAnnotation = annotation{
		Name: "Reloads", IconColor: "purple", TitleFormat: "Configurations reloaded", Step: annotationStep,
		Expr: `count(changes(endpoint_exporter_config_last_reload_success_timestamp_seconds{@exporter}[5m]) > 0)`,
	}
	addressAnnotation = annotation{
		Name: "Address changes", IconColor: "yellow", TitleFormat: "Addresses changed", TextFormat: "{{host}}", Step: annotationStep,
		Expr: `count by (host) (endpoint:dns_address_changes:increase5m{@target})`,
	}
)

// annotationStep is the time between two points that are asked for; the windows of the expressions are as long.
const annotationStep = "5m"

// annotate adds annotations to a dashboard, of which those in shown are on when it is opened.
func (d dashboard) annotate(shown, hidden []annotation) dashboard {
	for i, a := range slices.Concat(shown, hidden) {
		a.Datasource, a.Enable, a.Expr = prometheus, i < len(shown), selections.Replace(a.Expr)
		d.Annotations.List = append(d.Annotations.List, a)
	}
	return d
}
