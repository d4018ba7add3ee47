//! Services as Flagger makes them, and what becomes of those that exist.

use canary_core::TargetPort;
use canary_routers::{MemoryObjects, ObjectError, Operation};
use serde_json::{Value, json};

use super::*;
use crate::workload::{DiscoveredPort, Selector};

/// A canary's Services in a cluster in memory.
struct Fixture {
    objects: Arc<MemoryObjects>,
    route: RouteSpec,
    owner: Owner,
    pods: Pods,
    options: ServiceOptions,
}

fn kind() -> ApiResource {
    ApiResource::erase::<Service>(&())
}

impl Fixture {
    fn new() -> Self {
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.target_port = Some(TargetPort::Number(9898));
        Self {
            objects: Arc::default(),
            route,
            owner: Owner {
                api_version: "flagger.app/v1beta1".into(),
                kind: "Canary".into(),
                name: "podinfo".into(),
                uid: "uid-1".into(),
            },
            pods: Pods {
                selector: Selector { key: "app".into(), value: "podinfo".into() },
                ports: Vec::new(),
            },
            options: ServiceOptions::default(),
        }
    }

    fn spec(&self) -> ServicesSpec<'_> {
        ServicesSpec { route: &self.route, owner: &self.owner, pods: &self.pods, options: &self.options }
    }

    async fn ensure(&self) -> Result<(), WorkloadError> {
        let services = Services::new(self.objects.clone());
        services.ensure_services(self.spec()).await?;
        services.ensure_apex(self.spec()).await
    }

    fn service(&self, name: &str) -> Value {
        let mut object = self.objects.read(&kind(), "test", name).unwrap();
        object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        object
    }

    /// Changes a Service as somebody else.
    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.service(name);
        change(&mut object);
        self.objects.insert(&kind(), object);
    }
}

fn made(name: &str, labels: &Value, selector: &Value, ports: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "test",
            "labels": labels,
            "annotations": {
                "helm.toolkit.fluxcd.io/driftDetection": "disabled",
                "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
            },
            "ownerReferences": [{
                "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "uid-1",
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {"type": "ClusterIP", "selector": selector, "ports": ports},
    })
}

#[tokio::test]
async fn three_services_are_made_and_then_left_alone() {
    let fixture = Fixture::new();
    fixture.ensure().await.unwrap();
    let ports = json!([{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898}]);
    for (name, selected) in [
        ("podinfo", "podinfo-primary"),
        ("podinfo-primary", "podinfo-primary"),
        ("podinfo-canary", "podinfo"),
    ] {
        let expected = made(name, &json!({"app": name}), &json!({"app": selected}), &ports);
        assert_eq!(fixture.service(name), expected);
    }
    fixture.ensure().await.unwrap();
    assert_eq!(fixture.objects.writes(), 3, "nothing was to be done");
}

#[tokio::test]
async fn the_selector_label_names_the_service_whatever_the_label_is() {
    let mut fixture = Fixture::new();
    fixture.pods.selector = Selector { key: "team".into(), value: "web".into() };
    fixture.ensure().await.unwrap();
    let apex = fixture.service("podinfo");
    assert_eq!(apex["metadata"]["labels"], json!({"team": "podinfo"}));
    assert_eq!(apex["spec"]["selector"], json!({"team": "web-primary"}));
    assert_eq!(fixture.service("podinfo-canary")["spec"]["selector"], json!({"team": "web"}));
}

#[tokio::test]
async fn options_shape_new_services() {
    let mut fixture = Fixture::new();
    fixture.pods.ports = vec![
        DiscoveredPort { name: "grpc".into(), number: 9999 },
        DiscoveredPort { name: "http-metrics".into(), number: 9797 },
    ];
    fixture.route.port_name = "web".into();
    fixture.route.app_protocol = Some("http".into());
    fixture.route.apex_metadata = Some(Metadata {
        labels: [("app".to_owned(), "mine".to_owned()), ("l".to_owned(), "1".to_owned())].into(),
        annotations: [("a".to_owned(), "2".to_owned())].into(),
    });
    fixture.options.headless = true;
    fixture.options.traffic_distribution = Some("PreferClose".into());
    fixture.options.canary.labels.insert("role".into(), "canary".into());
    fixture.ensure().await.unwrap();

    let apex = fixture.service("podinfo");
    assert_eq!(apex["metadata"]["labels"], json!({"app": "podinfo", "l": "1"}));
    assert_eq!(apex["metadata"]["annotations"]["a"], "2");
    assert_eq!(apex["spec"]["clusterIP"], "None");
    assert_eq!(apex["spec"]["trafficDistribution"], "PreferClose");
    assert_eq!(
        apex["spec"]["ports"],
        json!([
            {"name": "web", "protocol": "TCP", "port": 80, "targetPort": 9898, "appProtocol": "http"},
            {"name": "grpc", "protocol": "TCP", "port": 9999, "targetPort": 9999},
            {"name": "http-metrics", "protocol": "TCP", "port": 9797, "targetPort": 9797},
        ])
    );
    let canary = fixture.service("podinfo-canary");
    assert_eq!(canary["metadata"]["labels"], json!({"app": "podinfo-canary", "role": "canary"}));
}

#[test]
fn a_port_without_target_leads_to_its_own_number() {
    for (target, expected) in [
        (None, json!(80)),
        (Some(TargetPort::Number(0)), json!(80)),
        (Some(TargetPort::Name("0".into())), json!(80)),
        (Some(TargetPort::Name("http".into())), json!("http")),
    ] {
        let mut fixture = Fixture::new();
        fixture.route.target_port = target;
        let service = desired::service(fixture.spec(), Role::Apex);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], expected);
    }
}

#[tokio::test]
async fn ports_and_selector_are_put_right_and_node_ports_kept() {
    let fixture = Fixture::new();
    fixture.ensure().await.unwrap();
    fixture.change("podinfo", |service| {
        service["spec"]["type"] = "NodePort".into();
        service["spec"]["ports"] = json!([
            {"name": "extra", "port": 1, "nodePort": 30001},
            {"name": "http", "protocol": "TCP", "port": 81, "targetPort": 9898, "nodePort": 30002},
        ]);
        service["spec"]["selector"]["more"] = "keys".into();
    });
    fixture.ensure().await.unwrap();
    let apex = fixture.service("podinfo");
    let ports =
        json!([{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898, "nodePort": 30002}]);
    assert_eq!(
        apex["spec"],
        json!({"type": "NodePort", "selector": {"app": "podinfo-primary"}, "ports": ports})
    );
    assert_eq!(fixture.objects.writes(), 4);
}

#[tokio::test]
async fn the_order_of_ports_is_no_difference() {
    let mut fixture = Fixture::new();
    fixture.pods.ports = vec![DiscoveredPort { name: "a".into(), number: 9 }];
    fixture.ensure().await.unwrap();
    fixture.change("podinfo", |service| service["spec"]["ports"].as_array_mut().unwrap().reverse());
    fixture.ensure().await.unwrap();
    assert_eq!(fixture.objects.writes(), 3);
}

#[tokio::test]
async fn metadata_of_others_stays_and_ours_is_enforced() {
    let fixture = Fixture::new();
    fixture.ensure().await.unwrap();
    fixture.change("podinfo", |service| {
        service["metadata"]["labels"] = json!({"app": "changed", "theirs": "1"});
        service["metadata"]["annotations"] = json!({"theirs": "2"});
    });
    fixture.ensure().await.unwrap();
    let apex = fixture.service("podinfo");
    assert_eq!(apex["metadata"]["labels"], json!({"app": "podinfo", "theirs": "1"}));
    assert_eq!(
        apex["metadata"]["annotations"],
        json!({
            "theirs": "2",
            "helm.toolkit.fluxcd.io/driftDetection": "disabled",
            "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
        })
    );
}

#[tokio::test]
async fn unmanaged_keys_keep_their_live_value() {
    let mut fixture = Fixture::new();
    fixture.options.unmanaged_labels = vec!["app".into()];
    fixture.options.unmanaged_annotations = vec!["kustomize.toolkit.fluxcd.io/reconcile".into()];
    fixture.ensure().await.unwrap();
    fixture.change("podinfo", |service| {
        service["metadata"]["labels"]["app"] = "theirs".into();
        service["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] = "enabled".into();
    });
    fixture.ensure().await.unwrap();
    assert_eq!(fixture.objects.writes(), 3);
    fixture.change("podinfo", |service| service["spec"]["selector"]["app"] = "elsewhere".into());
    fixture.ensure().await.unwrap();
    let apex = fixture.service("podinfo");
    assert_eq!(apex["metadata"]["labels"]["app"], "theirs");
    assert_eq!(apex["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "enabled");
}

#[tokio::test]
async fn an_apex_of_the_users_is_used_and_not_adopted() {
    let fixture = Fixture::new();
    fixture.objects.insert(
        &kind(),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "podinfo", "namespace": "test", "labels": {"app": "podinfo", "mine": "1"}},
            "spec": {"type": "LoadBalancer", "selector": {"app": "podinfo"}, "ports": [{"name": "http", "port": 80}]},
        }),
    );
    fixture.ensure().await.unwrap();
    let apex = fixture.service("podinfo");
    assert_eq!(apex["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(apex["metadata"]["labels"], json!({"app": "podinfo", "mine": "1"}));
    assert_eq!(apex["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
    assert_eq!(apex["spec"]["selector"], json!({"app": "podinfo-primary"}));
    assert_eq!(apex["spec"]["type"], "LoadBalancer");
    let writes = fixture.objects.writes();
    fixture.ensure().await.unwrap();
    assert_eq!(fixture.objects.writes(), writes);
}

#[tokio::test]
async fn failures_have_flaggers_words() {
    for (operation, expected) in [
        (Operation::Get, "reconcileService failed: service podinfo-canary get query error: down"),
        (Operation::Create, "reconcileService failed: service podinfo-canary.test create error: down"),
        (Operation::Replace, "reconcileService failed: service podinfo-canary update error: down"),
    ] {
        let fixture = Fixture::new();
        if operation == Operation::Replace {
            fixture.ensure().await.unwrap();
            fixture.change("podinfo-canary", |service| service["spec"]["selector"] = json!({}));
        }
        fixture.objects.fail_next(operation, ObjectError::Unavailable("down".into()));
        assert_eq!(fixture.ensure().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_service_is_given_back_with_a_selector_and_open_to_flux() {
    let applied =
        |text: &Value| json!({"kubectl.kubernetes.io/last-applied-configuration": text.to_string()});
    for (annotations, selector) in [
        (
            applied(&json!({"spec": {"selector": {"app": "podinfo", "tier": "web"}}})),
            json!({"app": "podinfo", "tier": "web"}),
        ),
        (applied(&json!({"spec": {"ports": []}})), json!({"app": "podinfo"})),
        (applied(&json!("no object")), json!({"app": "podinfo"})),
        (json!({}), json!({"app": "podinfo"})),
    ] {
        let fixture = Fixture::new();
        let metadata = json!({"name": "podinfo", "namespace": "test", "annotations": annotations});
        let spec = json!({"selector": {"app": "podinfo"}, "ports": [{"name": "http", "port": 80}]});
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
        fixture.objects.insert(&kind(), object);
        fixture.ensure().await.unwrap();
        Services::new(fixture.objects.clone()).revert_apex(fixture.spec()).await.unwrap();
        let apex = fixture.service("podinfo");
        assert_eq!(apex["spec"]["selector"], selector);
        assert_eq!(apex["metadata"]["annotations"], annotations);
    }
}
