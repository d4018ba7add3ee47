//! What is written: the shapes that Flagger writes for the same canary.

use super::*;

#[tokio::test]
async fn the_first_reconcile_creates_a_split_that_sends_all_to_the_primary() {
    for (version, expected) in
        [("v1alpha1", spec("100", "0")), ("v1alpha2", spec(100, 0)), ("v1alpha3", spec(100, 0))]
    {
        let mesh = Mesh::new(version).reconciled().await;
        let mut split = mesh.stored();
        split["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let owner = json!([{
            "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
            "controller": true, "blockOwnerDeletion": true,
        }]);
        assert_eq!(
            split,
            json!({
                "apiVersion": format!("split.smi-spec.io/{version}"),
                "kind": "TrafficSplit",
                "metadata": {"name": "podinfo", "namespace": "test", "ownerReferences": owner},
                "spec": expected,
            })
        );
    }
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written() {
    let numbers = Mesh::new("v1alpha2").reconciled().await;
    let quantities = Mesh::new("v1alpha1").reconciled().await;
    for percent in 0..=100 {
        numbers.set(canary(percent)).await;
        assert_eq!(numbers.weights().await, canary(percent));
        assert_eq!(numbers.spec(), spec(100 - percent, percent));

        quantities.set(canary(percent)).await;
        assert_eq!(quantities.weights().await, canary(percent));
        assert_eq!(quantities.spec(), spec((100 - percent).to_string(), percent.to_string()));
    }
}

#[tokio::test]
async fn the_first_host_is_the_service_that_clients_use() {
    let hosts = |hosts: &'static [&str]| {
        move |route: &mut RouteSpec| route.hosts = hosts.iter().map(|h| (*h).into()).collect()
    };
    let mesh = Mesh::new("v1alpha2").with(hosts(&["frontend", "other"])).reconciled().await;
    assert_eq!(mesh.spec()["service"], "frontend");
}

#[tokio::test]
async fn the_adapter_for_istio_learns_the_gateways_once() {
    let key = "VirtualService.v1alpha3.networking.istio.io/spec.gateways";
    let cases = [
        ("smi:v1alpha1:istio", vec!["a", "b"], json!(r#"["a","b"]"#)),
        ("smi:v1alpha1:istio", vec![], Value::Null),
        ("smi:v1alpha1:linkerd", vec!["a"], Value::Null),
        ("smi:v1alpha1", vec!["a"], Value::Null),
        ("linkerd", vec!["a"], Value::Null),
    ];
    for (provider, gateways, expected) in cases {
        let mesh = Mesh::new("v1alpha1")
            .with(|route| {
                route.provider = provider.into();
                route.gateways = gateways.into_iter().map(str::to_owned).collect();
            })
            .reconciled()
            .await;
        assert_eq!(mesh.stored()["metadata"]["annotations"][key], expected, "{provider}");
    }
}

#[test]
fn it_splits_traffic_and_no_more() {
    assert_eq!(Mesh::new("v1alpha2").router.capabilities(), canary_core::Capabilities::default());
}
