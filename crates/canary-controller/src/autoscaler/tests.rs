//! The primary's autoscalers as Flagger makes them, and when they are written.

use canary_core::Owner;
use canary_routers::MemoryObjects;

use super::*;

fn spec(kind: &str, name: &str) -> WorkloadSpec {
    let owner = Owner {
        api_version: "flagger.app/v1beta1".into(),
        kind: "Canary".into(),
        name: "podinfo".into(),
        uid: "uid-1".into(),
    };
    let mut spec = WorkloadSpec::new("test", owner, "podinfo");
    spec.autoscaler = Some(Autoscaler { kind: kind.into(), name: name.into(), ..Autoscaler::default() });
    spec
}

fn owners() -> Value {
    json!([{
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "uid-1",
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn horizontal_spec(target: &str, minimum: i32, maximum: i32) -> Value {
    json!({
        "maxReplicas": maximum,
        "minReplicas": minimum,
        "metrics": [{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99},
        }}],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "futureField": 1,
    })
}

fn with_horizontal() -> Arc<MemoryObjects> {
    let objects = Arc::new(MemoryObjects::new());
    objects.insert(
        &Kind::Horizontal.resource(),
        json!({
            "metadata": {
                "name": "podinfo", "namespace": "test", "annotations": {"a": "b"},
                "labels": {"app": "podinfo", "kustomize.toolkit.fluxcd.io/name": "x"},
            },
            "spec": horizontal_spec("podinfo", 2, 4),
        }),
    );
    objects
}

fn read(objects: &MemoryObjects, kind: Kind, name: &str) -> Value {
    let mut object = objects.read(&kind.resource(), "test", name).unwrap();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object
}

#[tokio::test]
async fn the_primary_gets_a_copy_that_scales_the_primary() {
    let objects = with_horizontal();
    let mut spec = spec("HorizontalPodAutoscaler", "podinfo");
    let scalers = Autoscalers::new(objects.clone());
    scalers.ensure(&spec).await.unwrap();
    assert_eq!(
        read(&objects, Kind::Horizontal, "podinfo-primary"),
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {
                "name": "podinfo-primary", "namespace": "test", "labels": {"app": "podinfo"}, "ownerReferences": owners(),
            },
            "spec": horizontal_spec("podinfo-primary", 2, 4),
        })
    );

    let bounds = spec.autoscaler.as_mut().unwrap();
    (bounds.primary_min, bounds.primary_max) = (Some(3), Some(6));
    scalers.ensure(&spec).await.unwrap();
    assert_eq!(objects.writes(), 2, "a change is followed at once");
    scalers.ensure(&spec).await.unwrap();
    assert_eq!(objects.writes(), 2, "and nothing is written when nothing changed");
    let copy = read(&objects, Kind::Horizontal, "podinfo-primary");
    assert_eq!(copy["spec"], horizontal_spec("podinfo-primary", 3, 6));
}

#[tokio::test]
async fn labels_and_an_unwritten_minimum_are_no_reason_to_write() {
    let objects = with_horizontal();
    let scalers = Autoscalers::new(objects.clone());
    let spec = spec("HorizontalPodAutoscaler", "podinfo");
    let mut target = read(&objects, Kind::Horizontal, "podinfo");
    target["spec"]["minReplicas"] = 1.into();
    objects.insert(&Kind::Horizontal.resource(), target.clone());
    scalers.ensure(&spec).await.unwrap();

    target["spec"].as_object_mut().unwrap().remove("minReplicas");
    target["metadata"]["labels"]["new"] = "1".into();
    objects.insert(&Kind::Horizontal.resource(), target);
    scalers.ensure(&spec).await.unwrap();
    assert_eq!(objects.writes(), 1);
}

#[tokio::test]
async fn a_target_autoscaler_that_is_missing_is_an_error_in_flaggers_words() {
    for (kind, expected) in [
        (
            "HorizontalPodAutoscaler",
            "HorizontalPodAutoscaler podinfo.test get query error: horizontalpodautoscalers.autoscaling \"podinfo\" not found",
        ),
        (
            "ScaledObject",
            "Keda ScaledObject podinfo.test get query error: scaledobjects.keda.sh \"podinfo\" not found",
        ),
        (
            "Other",
            "canary podinfo.test autoscalerRef.kind is \"Other\" and must be HorizontalPodAutoscaler or ScaledObject",
        ),
    ] {
        let error = Autoscalers::new(Arc::new(MemoryObjects::new()))
            .ensure(&spec(kind, "podinfo"))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn without_an_autoscaler_nothing_is_done() {
    let objects = Arc::new(MemoryObjects::new());
    let scalers = Autoscalers::new(objects.clone());
    let mut spec = spec("", "");
    spec.autoscaler = None;
    scalers.ensure(&spec).await.unwrap();
    scalers.ensure(&spec).await.unwrap();
    scalers.set_target(&spec, AutoscalerState::Paused).await.unwrap();
    assert_eq!(objects.writes(), 0);
}

fn keda_spec(target: &str, queries: [&str; 2]) -> Value {
    let trigger = |name: &str, query: &str| {
        json!({
            "metadata": {"query": query, "serverAddress": "http://prometheus:9090", "threshold": "5"},
            "name": name, "type": "prometheus", "useCachedMetrics": true,
        })
    };
    json!({
        "cooldownPeriod": 20, "maxReplicaCount": 3, "minReplicaCount": 1, "scaleTargetRef": {"name": target},
        "triggers": [trigger("traffic", queries[0]), trigger("plain", queries[1])],
    })
}

fn with_keda() -> Arc<MemoryObjects> {
    let objects = Arc::new(MemoryObjects::new());
    objects.insert(
        &Kind::Keda.resource(),
        json!({
            "metadata": {
                "name": "podinfo-so", "namespace": "test", "labels": {"app": "podinfo"},
                "annotations": {
                    "scaledobject.keda.sh/transfer-hpa-ownership": "true", "autoscaling.keda.sh/paused-replicas": "0",
                },
            },
            "spec": keda_spec("podinfo", ["a{app=\"podinfo\"}", "b{svc=\"podinfo-canary\"}"]),
        }),
    );
    objects
}

#[tokio::test]
async fn a_scaled_object_is_copied_with_its_queries_turned_to_the_primary() {
    let objects = with_keda();
    let scalers = Autoscalers::new(objects.clone());
    scalers.ensure(&spec("ScaledObject", "podinfo-so")).await.unwrap();
    let mut expected =
        keda_spec("podinfo-primary", ["a{app=\"podinfo-primary\"}", "b{svc=\"podinfo-primary\"}"]);
    expected["advanced"] = json!({"horizontalPodAutoscalerConfig": {}});
    assert_eq!(
        read(&objects, Kind::Keda, "podinfo-so-primary"),
        json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": expected,
            "metadata": {
                "name": "podinfo-so-primary", "namespace": "test", "labels": {"app": "podinfo"},
                "annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}, "ownerReferences": owners(),
            },
        })
    );
    scalers.ensure(&spec("ScaledObject", "podinfo-so")).await.unwrap();
    assert_eq!(objects.writes(), 1);
}

#[tokio::test]
async fn given_queries_replace_those_of_their_name_and_no_other() {
    let objects = with_keda();
    let mut spec = spec("ScaledObject", "podinfo-so");
    let scaler = spec.autoscaler.as_mut().unwrap();
    scaler.primary_queries = Some([("traffic".to_owned(), "mine".to_owned())].into());
    (scaler.primary_min, scaler.primary_max) = (Some(2), Some(5));
    Autoscalers::new(objects.clone()).ensure(&spec).await.unwrap();
    let copy = read(&objects, Kind::Keda, "podinfo-so-primary");
    assert_eq!(copy["spec"]["triggers"], keda_spec("", ["mine", "b{svc=\"podinfo-canary\"}"])["triggers"]);
    assert_eq!((&copy["spec"]["minReplicaCount"], &copy["spec"]["maxReplicaCount"]), (&json!(2), &json!(5)));
}

#[tokio::test]
async fn an_update_leaves_labels_and_annotations_of_the_copy_alone() {
    let objects = with_keda();
    let scalers = Autoscalers::new(objects.clone());
    scalers.ensure(&spec("ScaledObject", "podinfo-so")).await.unwrap();
    let metadata = read(&objects, Kind::Keda, "podinfo-so-primary")["metadata"].clone();
    let mut target = read(&objects, Kind::Keda, "podinfo-so");
    target["spec"]["cooldownPeriod"] = json!(77);
    objects.insert(&Kind::Keda.resource(), target);
    scalers.ensure(&spec("ScaledObject", "podinfo-so")).await.unwrap();
    let copy = read(&objects, Kind::Keda, "podinfo-so-primary");
    assert_eq!((&copy["spec"]["cooldownPeriod"], &copy["metadata"]), (&json!(77), &metadata));
    assert_eq!(metadata["annotations"]["scaledobject.keda.sh/transfer-hpa-ownership"], "true");
}

#[tokio::test]
async fn keda_is_told_to_pause_and_to_work_only_when_it_does_not() {
    let objects = with_keda();
    let scalers = Autoscalers::new(objects.clone());
    let spec = spec("ScaledObject", "podinfo-so");
    let paused =
        || read(&objects, Kind::Keda, "podinfo-so")["metadata"]["annotations"][PAUSED_REPLICAS].clone();
    for (state, writes, expected) in [
        (AutoscalerState::Paused, 0, json!("0")),
        (AutoscalerState::Running, 1, Value::Null),
        (AutoscalerState::Running, 1, Value::Null),
        (AutoscalerState::Paused, 2, json!("0")),
    ] {
        scalers.set_target(&spec, state).await.unwrap();
        assert_eq!((objects.writes(), paused()), (writes, expected));
    }
}
