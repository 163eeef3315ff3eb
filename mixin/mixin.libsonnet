// A monitoring mixin (https://monitoring.mixins.dev) of the rules and dashboards of endpoint_exporter.
//
// It reads the committed files, leaves rules and dashboards out by name, and adds labels. Thresholds are not set here:
// record endpoint:override:NAME (docs/alerts.md).
//
//   local endpoint = import 'endpoint_exporter/mixin/mixin.libsonnet';
//   endpoint { _config+:: { alertLabels: { team: 'field' }, omitAlerts: ['EndpointHandshakeSlow'] } }
{
  _config+:: {
    // Added to every alert.
    alertLabels: {},
    // Names of alerts to leave out.
    omitAlerts: [],
    // File names of dashboards to leave out.
    omitDashboards: [],
    // Added to the tags of every dashboard.
    dashboardTags: [],
  },

  local config = self._config,
  local groups = std.parseYaml(importstr '../alerts/endpoint.rules.yml').groups,
  local isAlert(rule) = std.objectHas(rule, 'alert'),
  local hasAlerts(group) = std.length(std.filter(isAlert, group.rules)) > 0,

  // The recording rules that stand in groups of their own.
  prometheusRules+:: {
    groups+: [group for group in groups if !hasAlerts(group)],
  },

  // The group of the alerts. It has recording rules too, because conditions and alerts are evaluated in order.
  prometheusAlerts+:: {
    groups+: [
      group {
        rules: [
          if isAlert(rule) then rule { labels+: config.alertLabels } else rule
          for rule in group.rules
          if !isAlert(rule) || !std.member(config.omitAlerts, rule.alert)
        ],
      }
      for group in groups
      if hasAlerts(group)
    ],
  },

  local dashboards = {
    'overview.json': import '../dashboards/overview.json',
    'endpoint.json': import '../dashboards/endpoint.json',
    'exporter.json': import '../dashboards/exporter.json',
  },

  grafanaDashboards+:: {
    [name]: dashboards[name] { tags+: config.dashboardTags }
    for name in std.objectFields(dashboards)
    if !std.member(config.omitDashboards, name)
  },
}
