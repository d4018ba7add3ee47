{{/* Made by `cargo xtask rbac` from the controller's table of rights. */}}
{{- define "canaryd.rules" }}
# canaries, and their finalizer
- apiGroups: ["flagger.app"]
  resources: ["canaries"]
  verbs: ["get", "list", "watch", "patch"]
# the state of a rollout
- apiGroups: ["flagger.app"]
  resources: ["canaries/status"]
  verbs: ["update"]
# owning objects, where the API server checks that
- apiGroups: ["flagger.app"]
  resources: ["canaries/finalizers"]
  verbs: ["update"]
# queries of one's own
- apiGroups: ["flagger.app"]
  resources: ["metrictemplates"]
  verbs: ["get", "list", "watch"]
# who is told
- apiGroups: ["flagger.app"]
  resources: ["alertproviders"]
  verbs: ["get", "list", "watch"]
# what happened
- apiGroups: [""]
  resources: ["events"]
  verbs: ["get", "create", "patch"]
# logins of providers
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["get"]
# addresses of primary and canary
- apiGroups: [""]
  resources: ["services"]
  verbs: ["get", "list", "watch", "create", "update"]
# targets and primaries
- apiGroups: ["apps"]
  resources: ["deployments"]
  verbs: ["get", "list", "watch", "create", "update", "patch"]
# targets and primaries
- apiGroups: ["apps"]
  resources: ["daemonsets"]
  verbs: ["get", "list", "watch", "create", "update"]
# what a primary was that somebody deleted
- apiGroups: ["apps"]
  resources: ["replicasets"]
  verbs: ["list"]
# what a primary was that somebody deleted
- apiGroups: ["apps"]
  resources: ["controllerrevisions"]
  verbs: ["list"]
# autoscalers of primaries
- apiGroups: ["autoscaling"]
  resources: ["horizontalpodautoscalers"]
  verbs: ["get", "list", "watch", "create", "update"]
# autoscalers of primaries, and their pause
- apiGroups: ["keda.sh"]
  resources: ["scaledobjects"]
  verbs: ["get", "list", "watch", "create", "update", "patch"]
# metrics that the cluster serves
- apiGroups: ["external.metrics.k8s.io"]
  resources: ["*"]
  verbs: ["list"]
# metrics of Keptn
- apiGroups: ["metrics.keptn.sh"]
  resources: ["keptnmetrics"]
  verbs: ["get"]
# analyses of Keptn
- apiGroups: ["metrics.keptn.sh"]
  resources: ["analyses"]
  verbs: ["get", "create", "delete"]
{{- if .Values.configTracking.enabled }}
# copies for primaries
- apiGroups: [""]
  resources: ["configmaps"]
  verbs: ["get", "list", "watch", "create", "update", "delete"]
{{- end }}
{{- if .Values.configTracking.enabled }}
# copies for primaries
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["list", "watch", "create", "update", "delete"]
{{- end }}
{{- if include "canaryd.routes" (list . "apisix") }}
# routes
- apiGroups: ["apisix.apache.org"]
  resources: ["apisixroutes"]
  verbs: ["get", "list", "watch", "create", "update", "delete"]
{{- end }}
{{- if include "canaryd.routes" (list . "appmesh") }}
# routes
- apiGroups: ["appmesh.k8s.aws"]
  resources: ["virtualnodes"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "appmesh") }}
# routes
- apiGroups: ["appmesh.k8s.aws"]
  resources: ["virtualrouters"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "appmesh") }}
# routes
- apiGroups: ["appmesh.k8s.aws"]
  resources: ["virtualservices"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "gatewayapi") }}
# routes
- apiGroups: ["gateway.networking.k8s.io"]
  resources: ["httproutes"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "gloo") }}
# routes
- apiGroups: ["gateway.solo.io"]
  resources: ["routetables"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "gloo") }}
# routes
- apiGroups: ["gloo.solo.io"]
  resources: ["upstreams"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "kuma") }}
# routes
- apiGroups: ["kuma.io"]
  resources: ["trafficroutes"]
  verbs: ["get", "list", "watch", "create", "update", "delete"]
{{- end }}
{{- if include "canaryd.routes" (list . "istio") }}
# routes
- apiGroups: ["networking.istio.io"]
  resources: ["destinationrules"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "istio") }}
# routes
- apiGroups: ["networking.istio.io"]
  resources: ["virtualservices"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "nginx" "skipper") }}
# routes
- apiGroups: ["networking.k8s.io"]
  resources: ["ingresses"]
  verbs: ["get", "list", "watch", "create", "update", "delete"]
{{- end }}
{{- if include "canaryd.routes" (list . "contour") }}
# routes
- apiGroups: ["projectcontour.io"]
  resources: ["httpproxies"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "knative") }}
# routes
- apiGroups: ["serving.knative.dev"]
  resources: ["services"]
  verbs: ["get", "list", "watch", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "linkerd" "osm" "smi") }}
# routes
- apiGroups: ["split.smi-spec.io"]
  resources: ["trafficsplits"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "traefik") }}
# routes
- apiGroups: ["traefik.io"]
  resources: ["traefikservices"]
  verbs: ["get", "list", "watch", "create", "update"]
{{- end }}
{{- if include "canaryd.routes" (list . "knative") }}
# whether a revision is ready
- apiGroups: ["serving.knative.dev"]
  resources: ["revisions"]
  verbs: ["get", "list", "watch"]
{{- end }}
{{- end }}

{{- define "canaryd.leaderRules" }}
# the lease of the leader
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  verbs: ["create"]
# the lease of the leader
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  resourceNames: ["flagger-leader-election"]
  verbs: ["get", "update"]
{{- end }}
