{{/* Short name. A release of Flagger's that is taken over keeps its names, and so its Service. */}}
{{- define "loadtester.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the release's objects. */}}
{{- define "loadtester.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "loadtester.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels of all objects; pods are selected by the first, as Flagger's are. */}}
{{- define "loadtester.labels" -}}
app: {{ include "loadtester.name" . }}
app.kubernetes.io/name: {{ include "loadtester.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "loadtester.account" -}}
{{- default (include "loadtester.fullname" .) .Values.serviceAccountName -}}
{{- end -}}

{{/* Values that contradict each other end the rendering. */}}
{{- define "loadtester.refuse" -}}
{{- if gt (int .Values.replicaCount) 1 -}}
{{- fail (printf "replicaCount is %d, but gates and load belong to one pod: set it to 1" (int .Values.replicaCount)) -}}
{{- end -}}
{{- if regexMatch "(^|/)(fluxcd|weaveworks)/flagger-loadtester$" .Values.image.repository -}}
{{- fail (printf "image.repository is %s, but this chart runs canary-loadtester: remove image.repository and image.tag from your values" .Values.image.repository) -}}
{{- end -}}
{{- end -}}
