{{/* endpoint-exporter.name is the name of all objects: the release's. */}}
{{- define "endpoint-exporter.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* endpoint-exporter.selector selects the pods of this release. */}}
{{- define "endpoint-exporter.selector" -}}
app.kubernetes.io/name: endpoint-exporter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* endpoint-exporter.labels are the labels of all objects. */}}
{{- define "endpoint-exporter.labels" -}}
{{ include "endpoint-exporter.selector" . }}
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* endpoint-exporter.metadata is the metadata of an object that has no annotations and is named as the release. */}}
{{- define "endpoint-exporter.metadata" -}}
name: {{ include "endpoint-exporter.name" . }}
labels:
  {{- include "endpoint-exporter.labels" . | nindent 2 }}
{{- end -}}

{{/* endpoint-exporter.configuration is the exporter's configuration file. */}}
{{- define "endpoint-exporter.configuration" -}}
{{- toYaml .Values.config }}
{{- end -}}

{{/* endpoint-exporter.site sets the target label site. */}}
{{- define "endpoint-exporter.site" -}}
{{- if .Values.site -}}
- {targetLabel: site, replacement: {{ .Values.site | replace "$" "$$" | quote }}}
{{- else if eq .Values.kind "DaemonSet" -}}
- {sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: site}
{{- else -}}
- {targetLabel: site, replacement: {{ .Release.Name | quote }}}
{{- end -}}
{{- end -}}

{{/* endpoint-exporter.service is true if an object needs the Service. */}}
{{- define "endpoint-exporter.service" -}}
{{- if or (eq .Values.monitor.kind "ServiceMonitor") .Values.probes -}}true{{- end -}}
{{- end -}}
