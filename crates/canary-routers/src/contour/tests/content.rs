//! What is written: the shapes that Flagger writes for the same canary.

use canary_core::Retries;

use super::*;

#[tokio::test]
async fn the_first_reconcile_creates_a_proxy_with_every_policy_that_sends_all_to_the_primary() {
    let mesh = Mesh::new("internal").with(|route| {
        let prefix = StringMatch { prefix: Some("/api".into()), ..StringMatch::default() };
        route.matches = vec![HttpMatch { uri: Some(prefix), ..HttpMatch::default() }];
        route.timeout = Some("15s".into());
        route.retries = Some(Retries {
            attempts: 3,
            per_try_timeout: Some("1s".into()),
            retry_on: Some("5xx,reset".into()),
        });
    });
    let mut object = mesh.reconciled().await.stored();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let mut expected = route(&json!([{"prefix": "/api"}]), 100, 0);
    expected["timeoutPolicy"] = json!({"response": "15s", "idle": "5m"});
    expected["retryPolicy"] = json!({"count": 3, "perTryTimeout": "1s", "retryOn": ["5xx", "reset"]});
    let owner = json!([{
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let annotations = json!({
        "helm.toolkit.fluxcd.io/driftDetection": "disabled",
        "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    });
    assert_eq!(
        object,
        json!({
            "apiVersion": "projectcontour.io/v1",
            "kind": "HTTPProxy",
            "metadata":
                {"name": "podinfo", "namespace": "test", "annotations": annotations, "ownerReferences": owner},
            "spec": {"ingressClassName": "internal", "routes": [expected]},
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written_and_a_repeated_call_writes_nothing() {
    let mesh = Mesh::new("").reconciled().await;
    assert!(mesh.stored()["spec"].get("ingressClassName").is_none());
    for percent in 0..=100 {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        assert_eq!(mesh.routes(), json!([split(100 - percent, percent)]));
        let writes = mesh.objects.writes();
        mesh.set(canary(percent)).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn retries_without_conditions_name_none() {
    let retries = Retries { attempts: 2, per_try_timeout: None, retry_on: Some(String::new()) };
    let mesh = Mesh::new("").with(|route| route.retries = Some(retries)).reconciled().await;
    assert_eq!(mesh.routes()[0]["retryPolicy"], json!({"count": 2}));
}

#[tokio::test]
async fn conditions_choose_the_clients_of_the_canary_and_everyone_else_stays() {
    let text = |field: &str, value: &str| serde_json::from_value(json!({ field: value })).unwrap();
    let header = |name: &str, text: StringMatch| HttpMatch {
        headers: [(name.to_owned(), text)].into(),
        ..HttpMatch::default()
    };
    let mesh = Mesh::new("")
        .with(|route| {
            route.conditions = vec![
                header("x-exact", text("exact", "insider")),
                header("x-prefix", text("prefix", "a")),
                header("x-suffix", text("suffix", "b")),
                header("x-regex", text("regex", "c.*")),
                header("x-there", StringMatch::default()),
            ];
        })
        .reconciled()
        .await;
    mesh.set(Weights::CANARY).await;
    // One prefix in the list, or Contour refuses it.
    let conditions = json!([
        {"prefix": "/", "header": {"name": "x-exact", "exact": "insider"}},
        {"header": {"name": "x-prefix", "contains": "a"}},
        {"header": {"name": "x-suffix", "contains": "b"}},
        {"header": {"name": "x-regex", "regex": "c.*"}},
        {"header": {"name": "x-there", "present": true}},
    ]);
    assert_eq!(mesh.routes(), json!([route(&conditions, 0, 100), split(100, 0)]));
    assert_eq!(mesh.weights().await, Weights::CANARY);
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
    mesh.set(Weights::PRIMARY).await;
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
}

#[tokio::test]
async fn conditions_that_would_choose_everyone_are_refused_and_nothing_is_written() {
    let mesh = Mesh::new("").with(|route| route.conditions = vec![HttpMatch::default()]);
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(error.to_string().starts_with("analysis.match has no headers"), "{error}");
    assert_eq!((error.category(), mesh.objects.writes()), ("unsupported", 0));
    assert!(mesh.router.capabilities().conditions);
}
