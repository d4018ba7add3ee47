{{/* Short name. A release of Flagger that is taken over keeps its names, and so its objects and selectors. */}}
{{- define "canaryd.name" -}}
{{- $default := ternary "flagger" .Chart.Name (contains "flagger" .Release.Name) -}}
{{- default $default .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the release's objects. */}}
{{- define "canaryd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "canaryd.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods are selected: Flagger's, and not to be changed. */}}
{{- define "canaryd.selector" -}}
app.kubernetes.io/name: {{ include "canaryd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of all objects. */}}
{{- define "canaryd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "canaryd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "canaryd.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "canaryd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "canaryd.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* Where the lease is: Flagger's rule. */}}
{{- define "canaryd.leaseNamespace" -}}
{{- default .Release.Namespace .Values.namespace -}}
{{- end -}}

{{/* Whether objects of one of the given providers may be changed: a non-empty text. Called with a list of the context and
     their names. */}}
{{- define "canaryd.routes" -}}
{{- $chosen := (index . 0).Values.rbac.providers -}}
{{- if not $chosen -}}
yes
{{- else -}}
{{- range $name := rest . -}}
{{- range $chosen -}}
{{- if eq (splitList ":" . | first) $name -}}yes{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Values that are not honoured, or contradict each other, end the rendering. */}}
{{- define "canaryd.refuse" -}}
{{- if .Values.rbac.pspEnabled -}}
{{- fail "rbac.pspEnabled is true, but Kubernetes has no PodSecurityPolicy since 1.25: set it to false, and label the namespace with pod-security.kubernetes.io/enforce: restricted" -}}
{{- end -}}
{{- if regexMatch "(^|/)(fluxcd|weaveworks)/flagger$" .Values.image.repository -}}
{{- fail (printf "image.repository is %s, but this chart runs canaryd: remove image.repository and image.tag from your values" .Values.image.repository) -}}
{{- end -}}
{{- if and (gt (int .Values.leaderElection.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- fail (printf "leaderElection.replicaCount is %d, but leaderElection.enabled is false, so all replicas would act at once: set leaderElection.enabled to true" (int .Values.leaderElection.replicaCount)) -}}
{{- end -}}
{{- if and .Values.slack.proxy .Values.slack.proxyUrl (ne .Values.slack.proxy .Values.slack.proxyUrl) -}}
{{- fail "slack.proxy and slack.proxyUrl name different proxies: remove slack.proxy" -}}
{{- end -}}
{{- end -}}
