{{/* The controller's flags, as Flagger's chart makes them from the same values. */}}
{{- define "canaryd.args" -}}
- -log-level={{ .Values.logLevel }}
{{- with .Values.meshProvider }}
- -mesh-provider={{ . }}
{{- end }}
{{- if .Values.prometheus.install }}
- -metrics-server=http://{{ include "canaryd.fullname" . }}-prometheus:9090
{{- else }}
- -metrics-server={{ .Values.metricsServer }}
{{- end }}
{{- with .Values.selectorLabels }}
- {{ printf "-selector-labels=%s" . | quote }}
{{- end }}
- -enable-config-tracking={{ .Values.configTracking.enabled }}
{{- with .Values.namespace }}
- -namespace={{ . }}
{{- end }}
{{- with .Values.slack.user }}
- {{ printf "-slack-user=%s" . | quote }}
{{- end }}
{{- with .Values.slack.channel }}
- {{ printf "-slack-channel=%s" . | quote }}
{{- end }}
{{- with .Values.slack.url }}
- {{ printf "-slack-url=%s" . | quote }}
{{- end }}
{{- with coalesce .Values.slack.proxyUrl .Values.slack.proxy }}
- {{ printf "-slack-proxy-url=%s" . | quote }}
{{- end }}
{{- with .Values.msteams.url }}
- {{ printf "-msteams-url=%s" . | quote }}
{{- end }}
{{- with .Values.msteams.proxyUrl }}
- {{ printf "-msteams-proxy-url=%s" . | quote }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
- -enable-leader-election=true
- -leader-election-namespace={{ .Release.Namespace }}
{{- end }}
{{- with .Values.ingressAnnotationsPrefix }}
- {{ printf "-ingress-annotations-prefix=%s" . | quote }}
{{- end }}
{{- with .Values.ingressClass }}
- {{ printf "-ingress-class=%s" . | quote }}
{{- end }}
{{- with .Values.includeLabelPrefix }}
- {{ printf "-include-label-prefix=%s" . | quote }}
{{- end }}
{{- with .Values.eventWebhook }}
- {{ printf "-event-webhook=%s" . | quote }}
{{- end }}
{{- with .Values.clusterName }}
- {{ printf "-cluster-name=%s" . | quote }}
{{- end }}
{{- with .Values.kubeconfigQPS }}
- -kubeconfig-qps={{ int . }}
{{- end }}
{{- with .Values.kubeconfigBurst }}
- -kubeconfig-burst={{ int . }}
{{- end }}
{{- if .Values.controlplane.kubeconfig.secretName }}
- {{ printf "-kubeconfig-service-mesh=/tmp/controlplane/%s" .Values.controlplane.kubeconfig.key | quote }}
{{- end }}
{{- with .Values.threadiness }}
- -threadiness={{ int . }}
{{- end }}
{{- if .Values.noCrossNamespaceRefs }}
- -no-cross-namespace-refs=true
{{- end }}
{{- with .Values.egressAllow }}
- {{ printf "-egress-allow=%s" (join "," .) | quote }}
{{- end }}
{{- end -}}
