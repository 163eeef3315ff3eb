package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

var prometheus = datasource{Type: "prometheus", UID: "${datasource}"}

// query is one expression; legend is the format of its series' names.
type query struct{ expr, legend string }

// seconds is the unit of values that are usually given in seconds, such as a TTL of 300.
const seconds = "suffix: s"

func ptr[T any](v T) *T { return &v }

// limits are colours by value: first below all steps, and each step from its value on.
func limits(first string, more ...step) *thresholds {
	return &thresholds{Mode: "absolute", Steps: append([]step{{Color: first}}, more...)}
}

func colourFrom(value float64, color string) step { return step{Color: color, Value: &value} }

// above0 colours every number above zero.
func above0(color string) *thresholds { return limits(good, colourFrom(1, color)) }

func targets(queries []query, instant bool, format string) []target {
	var out []target
	for i, q := range queries {
		out = append(out, target{
			RefID: string(rune('A' + i)), Datasource: prometheus, Expr: tidy(q.expr),
			Instant: instant, Range: !instant, Format: format, LegendFormat: q.legend, EditorMode: "code",
		})
	}
	return out
}

// tidy removes the indentation that an expression has in the source.
func tidy(expr string) string {
	lines := strings.Split(strings.TrimSpace(expr), "\n")
	indent := -1
	for _, l := range lines[1:] {
		if n := len(l) - len(strings.TrimLeft(l, "\t")); indent < 0 || n < indent {
			indent = n
		}
	}
	for i, l := range lines[1:] {
		lines[i+1] = strings.ReplaceAll(l[indent:], "\t", "  ")
	}
	return strings.Join(lines, "\n")
}

// row is a heading.
func row(title string) panel {
	return panel{Type: "row", Title: title, GridPos: gridPos{W: 24, H: 1}, Collapsed: ptr(false), Panels: &[]panel{}}
}

func newPanel(kind string, w, h int, title, description string, targets []target, f field, options map[string]any) panel {
	return panel{
		Type: kind, Title: title, Description: description, GridPos: gridPos{W: w, H: h}, Datasource: &prometheus,
		Targets: targets, FieldConfig: &fieldConfig{Defaults: f, Overrides: []override{}}, Options: options,
	}
}

// lastValue is the reduceOptions of panels that show the current value of each series.
var lastValue = map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}

// legend is the legend of panels that have one.
func legend(show bool) map[string]any {
	return map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": show, "calcs": []string{}}
}

// stat is a panel with one current value.
func stat(w int, title, description, expr string, f field) panel {
	if f.Color == nil {
		f.Color = &color{Mode: "thresholds"}
	}
	if f.Thresholds == nil {
		f.Thresholds = limits(unknown)
	}
	return newPanel("stat", w, 4, title, description, targets([]query{{expr: expr}}, true, "time_series"), f, map[string]any{
		"colorMode": "background_solid", "graphMode": "none", "justifyMode": "center", "textMode": "value", "orientation": "auto",
		"wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard", "reduceOptions": lastValue,
	})
}

// showName shows the name of the value in place of the value.
func (p panel) showName(legend string) panel {
	p.Targets[0].LegendFormat, p.Options["textMode"] = legend, "name"
	return p
}

// lines is a panel of values over time. Prometheus has one sample for each round, so that a point is one round or an
// aggregate of the rounds of a window.
func lines(w, h int, title, description string, f field, queries ...query) panel {
	if f.Color == nil {
		f.Color = &color{Mode: "palette-classic"}
	}
	custom := map[string]any{"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false}
	maps.Copy(custom, f.Custom)
	f.Custom = custom
	return newPanel("timeseries", w, h, title, description, targets(queries, false, "time_series"), f, map[string]any{
		"legend": legend(true), "tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}).every("1m")
}

// slowestScrape is the longest time between two rounds that the alerting rules allow.
const slowestScrape = "2m"

// every sets the shortest interval of a panel that reads many series.
func (p panel) every(interval string) panel {
	p.Interval = interval
	return p
}

// everyScrape makes the intervals of a panel as long as the slowest scrape, so that each $__interval has a sample.
func (p panel) everyScrape() panel {
	return p.every(slowestScrape)
}

// everySecondScrape makes $__rate_interval at least twice as long as the slowest scrape, so that it has two samples.
func (p panel) everySecondScrape() panel {
	p = p.everyScrape()
	for i := range p.Targets {
		p.Targets[i].Interval = "1m" // $__rate_interval is four of it
	}
	return p
}

// timeline is a panel of states over time. Each cell is the worst state of its interval, so that a short fault is not
// lost between two cells. A gap of one or two missed scrapes is closed, a gap of five minutes is not.
func timeline(w, h int, title, description string, states []mapping, noValue string, links []link, q query) panel {
	f := field{
		Unit: "short", NoValue: noValue, Mappings: states, Links: links,
		Color: &color{Mode: "thresholds"}, Thresholds: limits(unknown),
		Custom: map[string]any{"fillOpacity": 80, "lineWidth": 0, "spanNulls": 300_000},
	}
	return newPanel("state-timeline", w, h, title, description, targets([]query{q}, false, "time_series"), f, map[string]any{
		"mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8, "perPage": 20,
		"legend": legend(true), "tooltip": map[string]any{"mode": "single", "sort": "none"},
	}).everyScrape()
}

// bars is a panel with one bar for the current value of each series.
func bars(w, h int, title, description string, f field, queries ...query) panel {
	return newPanel("bargauge", w, h, title, description, targets(queries, true, "time_series"), f, map[string]any{
		"displayMode": "basic", "orientation": "horizontal", "text": map[string]any{"titleSize": 14, "valueSize": 18},
		"showUnfilled": true, "valueMode": "text", "namePlacement": "auto", "sizing": "auto", "legend": legend(false),
		"minVizHeight": 16, "maxVizHeight": 40, "minVizWidth": 8, "reduceOptions": lastValue,
	})
}

// column is one column of a table: a label, or the value of an expression.
type column struct {
	label  string // or
	value  string // the letter of the query: A, B, ...
	expr   string // of value
	header string // "": the value is not shown, and its query only gives the labels
	width  int
	field  field
	cell   string // color-text or color-background; "" for plain
}

// table is a panel of current labels and values. All expressions must yield the same labels, by which their rows are
// joined. hidden lists the labels that are not columns.
func table(w, h int, title, description, noValue string, sort string, descending bool, columns []column, hidden []string) panel {
	var queries []query
	for _, c := range slices.SortedFunc(slices.Values(columns), func(a, b column) int { return cmp.Compare(a.value, b.value) }) {
		if c.value != "" {
			queries = append(queries, query{expr: c.expr})
		}
	}
	f := field{
		NoValue: noValue, Color: &color{Mode: "thresholds"}, Thresholds: limits(neutral),
		Custom: map[string]any{"align": "left", "inspect": false},
	}
	p := newPanel("table", w, h, title, description, targets(queries, true, "table"), f, map[string]any{
		"showHeader": true, "cellHeight": "sm", "frameIndex": 0,
		"sortBy": []map[string]any{{"displayName": sort, "desc": descending}},
	})
	exclude, index := map[string]bool{"Time": true}, map[string]int{}
	for _, l := range hidden {
		exclude[l] = true
	}
	for i, c := range columns {
		m := matcher{ID: "byName", Options: cmp.Or(c.label, "Value #"+c.value)}
		if c.header == "" {
			exclude["Value"], exclude[m.Options] = true, true
			continue
		}
		index[m.Options] = i
		if c.value != "" && len(queries) == 1 { // Grafana names the value without a letter
			index["Value"] = i
			m = matcher{ID: "byRegexp", Options: "/^Value( #A)?$/"}
		}
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{Matcher: m, Properties: c.properties()})
	}
	if len(queries) > 1 {
		p.Transformations = append(p.Transformations, transformation{ID: "merge", Options: map[string]any{}})
	}
	p.Transformations = append(p.Transformations, transformation{ID: "organize", Options: map[string]any{
		"excludeByName": exclude, "indexByName": index, "renameByName": map[string]string{},
	}})
	return p
}

func (c column) properties() []property {
	out := []property{{"displayName", c.header}}
	add := func(given bool, id string, v any) {
		if given {
			out = append(out, property{id, v})
		}
	}
	f := c.field
	if c.value != "" { // a label that is not there stays empty: links fill in the text of the cell
		f.Unit = cmp.Or(f.Unit, "short")
		f.NoValue = cmp.Or(f.NoValue, "–") // without any, an empty cell would have the text of the empty table
	}
	cell := map[string]any{"type": c.cell}
	if c.cell == "color-background" {
		cell["mode"] = "basic"
	}
	add(c.width > 0, "custom.width", c.width)
	add(c.cell != "", "custom.cellOptions", cell)
	add(f.Unit != "", "unit", f.Unit)
	add(f.Decimals != nil, "decimals", f.Decimals)
	add(true, "noValue", f.NoValue)
	add(f.Mappings != nil, "mappings", f.Mappings)
	add(f.Thresholds != nil, "thresholds", f.Thresholds)
	add(f.Color != nil, "color", f.Color)
	add(f.Links != nil, "links", f.Links)
	return out
}

// override sets properties of the series with the given name.
func (p panel) override(name string, properties ...property) panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{matcher{"byName", name}, properties})
	return p
}

func fixed(c string) property { return property{"color", color{Mode: "fixed", FixedColor: c}} }

var dashed = property{"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 6}}}

// place sets the positions of panels in reading order, line by line, and numbers them. The height of a line is that
// of its highest panel.
func place(panels ...panel) []panel {
	x, y, high := 0, 0, 0
	for i := range panels {
		p := &panels[i]
		if x+p.GridPos.W > 24 {
			x, y, high = 0, y+high, 0
		}
		p.GridPos.X, p.GridPos.Y = x, y
		x += p.GridPos.W
		high = max(high, p.GridPos.H)
		p.ID = i + 1
	}
	return panels
}

// selecting replaces the abbreviations of expressions. {@target, {@exporter, {@fault and {@alert are the matchers
// of the dashboard's variables: of a host's series, of an exporter's, and of faults and alerts, which may lack
// labels (a silent site has no instance). (@site, (@host, (@path and (@resolver are the labels to group by.
func selecting(panels []panel) []panel {
	for i := range panels {
		for j := range panels[i].Targets {
			panels[i].Targets[j].Expr = selections.Replace(panels[i].Targets[j].Expr)
		}
	}
	return panels
}

var selections = strings.NewReplacer(
	"{@target", `{`+targetMatchers,
	"{@exporter", `{`+exporterMatchers,
	"{@alert", `{job=~"$job|", site=~"$site|", instance=~"$instance|", service=~"$service|", host=~"$host|"`,
	"{@fault", `{job=~"$job|", site=~"$site", instance=~"$instance|"`,
	"(@path", "("+pathLabels, "(@resolver", "("+resolverLabels, "(@host", "("+hostLabels, "(@site", "("+siteLabels,
)

// The matchers of the variables. Exporters may differ only in their site: if the Prometheus of each site writes to
// a central one, all have the same instance. All sites (.*) include series without the label, and an empty value
// selects only those.
const (
	exporterMatchers = `job=~"$job", site=~"$site", instance=~"$instance"`
	targetMatchers   = exporterMatchers + `, service=~"$service", host=~"$host"`
)

// The labels that tables and legends keep. Grouping by them drops the labels that an installation adds (a replica, a
// cluster), which would give several rows that look the same.
const (
	siteLabels     = "site, job, instance"
	hostLabels     = siteLabels + ", service, host"
	pathLabels     = hostLabels + ", transport, port"
	resolverLabels = hostLabels + ", resolver"
)

const (
	overviewUID = "endpoint-overview"
	endpointUID = "endpoint-host"
	exporterUID = "endpoint-exporter"
)

// describe makes a dashboard of panels, with the variables and links that all of them share.
func describe(uid, title, description string, vars []variable, panels []panel) dashboard {
	d := dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"endpoint_exporter"},
		GraphTooltip: 1, Refresh: "1m", SchemaVersion: 39, Timezone: "browser",
		Time:       timeRange{From: "now-6h", To: "now"},
		Templating: templating{List: vars}, Annotations: annotations{List: []annotation{}}, Panels: panels,
	}
	for _, to := range []struct{ uid, title, tooltip string }{
		{overviewUID, "Overview", "What is wrong now, at all sites"},
		{endpointUID, "Endpoint", "One host: its paths, its name service, its certificate"},
		{exporterUID, "Exporter", "The exporters themselves"},
	} {
		if to.uid != uid {
			d.Links = append(d.Links, dashboardLink{
				Tags: []string{}, Title: to.title, URL: "/d/" + to.uid, Type: "link", Icon: "dashboard", Tooltip: to.tooltip, IncludeVars: true, KeepTime: true,
			})
		}
	}
	d.Links = append(d.Links, dashboardLink{Tags: []string{}, Title: "Runbooks", URL: runbooks, Type: "link", Icon: "doc", Tooltip: "What to do at each alert", TargetBlank: true})
	return d
}

const runbooks = "https://github.com/endpoint-exporter/endpoint_exporter/blob/main/docs/runbooks.md"

// toDashboard is a link to a dashboard with values of its variables, NAME=VALUE, in addition to those of this one.
func toDashboard(uid, title string, values ...string) []link {
	return []link{{Title: title, URL: "/d/" + uid + "?${datasource:queryparam}&${job:queryparam}&var-" + strings.Join(values, "&var-") +
		"&${__url_time_range}"}}
}

// toHost is a link to the dashboard of one host. site, instance and host are Grafana's expressions for their
// values; a row or series without a site gives an empty value, which selects the series without one.
func toHost(site, instance, host string) []link {
	return toDashboard(endpointUID, "Look at this host", "service=$__all", "site="+site, "instance="+instance, "host="+host)
}

// toSite is a link to the overview of one site.
func toSite(site, instance string) []link {
	return toDashboard(overviewUID, "Show only this site", "site="+site, "instance="+instance)
}

var (
	fromRow         = toHost("${__data.fields.site}", "${__data.fields.instance}", "${__data.fields.host}")
	fromSeries      = toHost("${__field.labels.site}", "${__field.labels.instance}", "${__field.labels.host}")
	fromPlace       = toSite("${__data.fields.site}", "${__data.fields.exporter}")
	fromPlaceSeries = toSite("${__field.labels.site}", "${__field.labels.exporter}")
	fromSite        = toSite("${__data.fields.site}", "${__data.fields.instance}")
	// A row of all sites leads to the overview of its host.
	fromCloud = toDashboard(overviewUID, "Show only this host", "service=$__all", "site=$__all", "instance=$__all", "host=${__data.fields.host}")
)

// variables are those of a dashboard; oneHost asks for a single site and a single host, hidden ones only travel
// with the links.
func variables(oneHost, hideTarget bool) []variable {
	ask := func(name, label, description, all, query string) variable {
		return variable{
			Name: name, Label: label, Description: description, Type: "query", Datasource: &prometheus,
			Definition: query, Query: map[string]string{"query": query, "refId": "variable-" + name},
			Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: all,
			Current: map[string]any{"text": []string{"All"}, "value": []string{"$__all"}},
		}
	}
	list := []variable{
		{Name: "datasource", Label: "Data source", Description: "The Prometheus that scrapes the exporters", Type: "datasource",
			Query: "prometheus", Refresh: 1, Current: map[string]any{"text": "", "value": ""}},
		// All jobs are listed by name: others have metrics of processes and scrapes too.
		ask("job", "Job", "Scrape job of the exporters", "", `label_values(endpoint_survey_last_timestamp_seconds, job)`),
		ask("site", "Site", "What the label site says, on the target or as an external label", ".*", // sites without the label too
			`label_values(endpoint_survey_last_timestamp_seconds{job=~"$job"}, site)`),
		ask("instance", "Exporter", "One exporter watches one site", ".+",
			`label_values(endpoint_survey_last_timestamp_seconds{job=~"$job", site=~"$site"}, instance)`),
		ask("service", "Service", "What the host is for", ".+",
			`label_values(endpoint_path_attempts_total{`+exporterMatchers+`}, service)`),
		ask("host", "Host", "Host of the cloud", ".+",
			`label_values(endpoint_path_attempts_total{`+exporterMatchers+`, service=~"$service"}, host)`),
	}
	for i := range list {
		v := &list[i]
		if hideTarget && (v.Name == "service" || v.Name == "host") {
			v.Hide = 2
		}
		if oneHost && (v.Name == "site" || v.Name == "host") {
			v.Multi, v.IncludeAll, v.AllValue, v.Current = false, false, "", map[string]any{"text": "", "value": ""}
		}
	}
	return list
}

// labelColumns are the columns of labels that tables share.
func labelColumns(links []link, names ...string) []column {
	shared := map[string]column{
		"site": {header: "Site", width: 95}, "instance": {header: "Exporter", width: 210}, "host": {header: "Host", width: 268},
		"transport": {header: "Over", width: 50}, "port": {header: "Port", width: 55}, "resolver": {header: "Resolver", width: 145},
	}
	var out []column
	for _, n := range names {
		c := shared[n]
		c.label = n
		if n == "host" || !slices.Contains(names, "host") && (n == "site" || n == "instance") {
			c.field.Links = links
		}
		out = append(out, c)
	}
	return out
}
