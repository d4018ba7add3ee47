//! Canaries as people write them: each decodes, and means what it says.

use canary_api::{AlertProvider, Canary, MetricTemplate, Options, TargetKind, ValidCanary};
use canary_core::{Capabilities, CheckSource, HookKind, Plan, Status, Steps, Strategy, Weight};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    serde_saphyr::from_str(yaml).expect("well-formed YAML")
}

fn valid(yaml: &str) -> ValidCanary {
    let routers =
        |_: &str| Ok(Capabilities::default().with_conditions().with_mirror().with_session_affinity());
    ValidCanary::new(&read::<Canary>(yaml), &Options::new("istio", &routers)).expect("a valid canary")
}

const PODINFO: &str = r#"
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test, uid: 0d1e}
spec:
  provider: istio
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}
  service:
    port: 80
    targetPort: 9898
    gateways: [istio-system/public-gateway]
    hosts: ["*"]
    trafficPolicy: {tls: {mode: DISABLE}}
    retries: {attempts: 3, perTryTimeout: 1s, retryOn: "gateway-error,connect-failure,refused-stream"}
  analysis:
    interval: 10s
    threshold: 3
    maxWeight: 50
    stepWeight: 10
    metrics:
    - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
    - {name: request-duration, thresholdRange: {max: 500}, interval: 30s}
    webhooks:
    - name: acceptance-test
      type: pre-rollout
      url: http://loadtester.test/
      timeout: 30s
      metadata: {type: bash, cmd: "curl -sd 'test' http://podinfo-canary/token | grep token"}
    - name: load-test
      url: http://loadtester.test/
      timeout: 5s
      metadata: {cmd: "hey -z 1m -q 10 -c 2 http://podinfo-canary/"}
"#;

#[test]
fn the_tutorials_canary_becomes_a_plan() {
    let plan: Plan = valid(PODINFO).plan();
    assert_eq!(
        (plan.name.as_str(), plan.namespace.as_str(), plan.target.as_str()),
        ("podinfo", "test", "podinfo")
    );
    assert_eq!(plan.strategy, Strategy::Weighted(Steps::even(10, 50)));
    assert_eq!((plan.threshold, plan.interval.as_secs(), plan.progress_deadline.as_secs()), (3, 10, 60));
    assert!(plan.has_autoscaler);
    let checks: Vec<_> = plan.checks.iter().map(|c| (c.source, c.bounds.min, c.bounds.max)).collect();
    assert_eq!(
        checks,
        [(CheckSource::SuccessRate, Some(99.0), None), (CheckSource::Duration, None, Some(500.0))]
    );
    let hooks: Vec<_> = plan.hooks.iter().map(|h| (h.kind, h.timeout.clone().unwrap().as_secs())).collect();
    assert_eq!(hooks, [(HookKind::PreRollout, 30), (HookKind::Rollout, 5)]);
    assert_eq!(plan.hooks[0].metadata["type"], "bash");
}

#[test]
fn the_tutorials_canary_becomes_a_route_and_a_workload() {
    let valid = valid(PODINFO);
    let route = valid.route(&Status::default());
    assert_eq!(
        (route.apex.as_str(), route.primary.as_str(), route.canary.as_str()),
        ("podinfo", "podinfo-primary", "podinfo-canary")
    );
    assert_eq!((route.port, route.port_name.as_str()), (80, "http"));
    assert_eq!(route.hosts, ["*"]);
    assert_eq!(route.traffic_policy, Some(json!({"tls": {"mode": "DISABLE"}})));
    assert_eq!(route.retries.unwrap().attempts, 3);
    let owner = route.owner.unwrap();
    assert_eq!(
        (owner.api_version.as_str(), owner.kind.as_str(), owner.uid.as_str()),
        ("flagger.app/v1beta1", "Canary", "0d1e")
    );
    let workload = valid.workload(&Status::default());
    assert_eq!(workload.autoscaler.unwrap().name, "podinfo");
    assert_eq!((workload.primary_ready_threshold, workload.progress_deadline.as_secs()), (100, 60));
}

#[test]
fn a_canary_is_written_as_it_was_read() {
    let canary: Canary = read(PODINFO);
    let mut expected: Value = read(PODINFO);
    assert_eq!(serde_json::to_value(&canary).unwrap(), expected);
    expected.as_object_mut().unwrap().remove("spec");
    let bare: Canary = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(serde_json::to_value(&bare).unwrap(), expected);
}

/// A canary of the smallest service and analysis, with more fields laid over.
fn with(yaml: &str) -> ValidCanary {
    let mut canary: Value = read(
        "
metadata: {name: podinfo, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  service: {port: 80, targetPort: 9898}
  analysis: {interval: 10s, threshold: 2}
",
    );
    merge(&mut canary["spec"], read(yaml));
    valid(&canary.to_string())
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

#[test]
fn strategies_of_every_kind_are_read() {
    let ab = with(
        r#"{analysis: {iterations: 2, match: [
            {headers: {x-canary: {regex: ".*insider.*"}}},
            {headers: {cookie: {regex: "^(.*?;)?(canary=always)(;.*)?$"}}}]}}"#,
    );
    assert_eq!(ab.plan().strategy, Strategy::AbTesting { iterations: 2 });
    assert_eq!(
        ab.route(&Status::default()).conditions[0].headers["x-canary"].regex.as_deref(),
        Some(".*insider.*")
    );

    let blue_green = with(
        "{provider: kubernetes, service: {portDiscovery: true}, analysis: {iterations: 2, mirror: true}}",
    );
    assert_eq!(blue_green.plan().strategy, Strategy::BlueGreen { iterations: 2 });
    assert!(blue_green.plan().mirror && blue_green.route(&Status::default()).port_discovery);

    let listed = with("{analysis: {stepWeights: [5, 20, 70], stepWeightPromotion: 40}}").plan();
    assert_eq!(listed.strategy, Strategy::Weighted(Steps::listed(&[5, 20, 70].map(Weight::clamped))));
    assert_eq!(listed.step_weight_promotion, 40);

    let mirror = with("{analysis: {stepWeight: 20, maxWeight: 40, mirror: true, mirrorWeight: 50}}");
    assert_eq!(mirror.route(&Status::default()).mirror_weight, Some(50));
}

#[test]
fn routes_of_every_mesh_are_read() {
    let route = |yaml: &str| with(yaml).route(&Status::default());
    let gateway = route(
        r"{provider: 'gatewayapi:v1', service: {gatewayRefs: [{name: gateway, namespace: infra}], hosts: [app.example.com],
            headers: {request: {add: {x-a: '1', x-b: '2'}, remove: [x-old]}, response: {set: {x-r: '1'}}},
            match: [{uri: {prefix: /api}}], rewrite: {type: ReplacePrefixMatch, uri: /}, timeout: 30s}, analysis: {stepWeight: 25}}",
    );
    assert_eq!(gateway.gateway_refs[0]["kind"], "Gateway");
    assert_eq!(gateway.matches[0].uri.as_ref().unwrap().prefix.as_deref(), Some("/api"));
    assert_eq!(gateway.rewrite.unwrap().kind.as_deref(), Some("ReplacePrefixMatch"));
    assert_eq!(gateway.headers.unwrap().request.unwrap().remove, ["x-old"]);

    let app_mesh = route(
        "{provider: 'appmesh:v1beta2', service: {meshName: global, backends: [db.prod, 'arn:aws:x'], timeout: 15s}, analysis: {stepWeight: 25}}",
    );
    assert_eq!((app_mesh.mesh_name.as_deref(), app_mesh.backends.len()), (Some("global"), 2));

    let nginx = "{provider: nginx, ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}, analysis: {stepWeight: 25}}";
    assert_eq!(route(nginx).ingress.as_deref(), Some("web"));
    assert_eq!(with(nginx).query_model().ingress, "web");

    let apisix = "{provider: apisix, routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: web}, analysis: {stepWeight: 25}}";
    assert_eq!(route(apisix).route.as_deref(), Some("web"));

    for provider in ["contour", "gloo", "kuma", "linkerd", "skipper", "smi:v1alpha2", "traefik", "osm"] {
        let yaml = format!(
            "{{provider: '{provider}', service: {{retries: {{attempts: 3}}}}, analysis: {{stepWeight: 25}}}}"
        );
        assert_eq!(route(&yaml).provider, provider);
    }
}

#[test]
fn targets_and_scalers_of_every_kind_are_read() {
    let kind = |yaml: &str| with(yaml).target_kind;
    assert_eq!(kind("{targetRef: {kind: DaemonSet}, analysis: {stepWeight: 25}}"), TargetKind::DaemonSet);
    assert_eq!(
        kind("{targetRef: {apiVersion: v1, kind: Service}, analysis: {stepWeight: 25}}"),
        TargetKind::Service
    );
    let knative = "{provider: knative, targetRef: {apiVersion: serving.knative.dev/v1, kind: Service}, analysis: {stepWeight: 50}}";
    assert_eq!(kind(knative), TargetKind::Knative);

    let keda = with(
        r#"{autoscalerRef: {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: podinfo-so,
            primaryScalerQueries: {traffic: 'sum(rate(requests{app="podinfo-primary"}[30s]))'},
            primaryScalerReplicas: {maxReplicas: 5, minReplicas: 2}}, analysis: {stepWeight: 50}}"#,
    );
    let scaler = keda.workload(&Status::default()).autoscaler.unwrap();
    assert_eq!(
        (scaler.kind.as_str(), scaler.primary_min, scaler.primary_max),
        ("ScaledObject", Some(2), Some(5))
    );
    assert!(scaler.primary_queries.unwrap().contains_key("traffic"));
}

#[test]
fn custom_metrics_and_inline_queries_are_read() {
    let canary = with(
        r#"{analysis: {stepWeight: 20, metrics: [
            {name: error rate, templateRef: {name: error-rate}, templateVariables: {direction: inbound}, thresholdRange: {max: 5}, interval: 1m},
            {name: queue, templateRef: {name: queue-depth, namespace: shared}, thresholdRange: {min: 1, max: 10}},
            {name: inline, query: 'sum(x{target="{{ target }}"})', threshold: 5},
            {name: request-success-rate, thresholdRange: {min: 99}}]}}"#,
    );
    let specs = canary.metric_specs();
    assert_eq!(specs[0].template, Some(("test".into(), "error-rate".into())));
    assert_eq!(
        (specs[0].interval.as_deref(), specs[0].variables["direction"].as_str()),
        (Some("1m"), "inbound")
    );
    assert_eq!(
        (specs[1].template.clone().unwrap().0.as_str(), specs[1].interval.as_deref()),
        ("shared", None)
    );
    assert_eq!(specs[2].query.as_deref(), Some(r#"sum(x{target="{{ target }}"})"#));
    let order: Vec<_> = canary.plan().checks.iter().map(|c| c.index).collect();
    assert_eq!(order, [2, 3, 0, 1]);
}

#[test]
fn templates_and_providers_are_read() {
    let template: MetricTemplate = read(
        r"
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: error-rate, namespace: test}
spec:
  provider: {type: prometheus, address: http://prom, headers: {X-Scope-Orgid: [tenant-1]}, secretRef: {name: auth}}
  query: 100 - {{ variables.x }}
",
    );
    let spec = template.check().unwrap();
    assert_eq!(
        (spec.provider.headers["X-Scope-Orgid"].as_slice(), spec.query.as_str()),
        (["tenant-1".to_owned()].as_slice(), "100 - {{ variables.x }}")
    );
    assert!(!format!("{template:?} {spec:?}").contains("tenant-1"), "headers may hold secrets");

    let provider: AlertProvider = read(
        "{metadata: {name: slack, namespace: test}, spec: {type: slack, channel: deploys, username: robot, secretRef: {name: s}}}",
    );
    let spec = provider.check().unwrap();
    assert_eq!(
        (spec.kind.as_str(), spec.channel.as_deref(), spec.secret_ref.unwrap().name.as_str()),
        ("slack", Some("deploys"), "s")
    );
    let address = AlertProvider::new(
        "test",
        "x",
        json!({"type": "slack", "address": "https://hooks.example.com/T0KEN"}),
    );
    assert!(!format!("{address:?} {:?}", address.check()).contains("T0KEN"));
}

#[test]
fn a_template_without_a_query_is_told() {
    let error =
        MetricTemplate::new("test", "t", json!({"provider": {"headers": {"Authorization": "secret"}}}))
            .check();
    assert_eq!(
        error.unwrap_err().to_string(),
        "invalid MetricTemplate t.test: spec.provider.type is missing, expected one of prometheus, influxdb, datadog, \
         externalmetrics, stackdriver, cloudwatch, newrelic, graphite, dynatrace, keptn, splunk, loadtest; \
         spec.provider.headers.Authorization is (not shown), expected a list; spec.query is missing, expected a text"
    );
}
