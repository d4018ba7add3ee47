//! Objects as no API server should hand them out, and as stand-in definitions without a schema do: fields that are missing,
//! null or of another type, at every place of every object that a router reads. It may refuse them or repair them. It must
//! not fall, and what it calls reconciled must be so.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/recorder.rs"]
mod recorder;

use std::sync::Arc;

use canary_core::{Affinity, HttpMatch, Owner, RouteSpec, Router, StringMatch, Weight, Weights};
use canary_routers::kube::core::{ApiResource, GroupVersionKind};
use canary_routers::{Apisix, KnativeService, MemoryObjects, Nginx, Routers};
use serde_json::{Value, json};

use recorder::{Place, Recorder};

/// What a field is replaced by. Besides, it is left out.
fn oddities() -> Vec<Value> {
    let texts = ["null", r#""text""#, "-1", "[]", "{}", "[null]"];
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Whether the API server vouches for that place: names, versions, owners.
fn is_sure(pointer: &str) -> bool {
    let identity = ["", "/apiVersion", "/kind", "/metadata", "/metadata/name", "/metadata/namespace"];
    let theirs = ["/metadata/resourceVersion", "/metadata/ownerReferences"];
    identity.contains(&pointer) || theirs.iter().any(|place| pointer.starts_with(place))
}

/// Providers that are another name or version for a router that is tried already.
const NAMESAKES: &[&str] =
    &["gatewayapi:v1beta1", "kubernetes", "linkerd", "osm", "smi:v1alpha2", "smi:v1alpha3"];

/// A canary that every router understands.
fn route(provider: &str) -> RouteSpec {
    let mut route = RouteSpec::new("test", "podinfo", "podinfo");
    provider.clone_into(&mut route.provider);
    route.mesh_name = Some("global".into());
    route.selector = Some(("app".into(), "podinfo".into()));
    route.gateway_refs = vec![json!({"name": "gateway"})];
    route.ingress = Some("web".into());
    route.route = Some("web".into());
    route.upstream = Some((None, "settings".into()));
    route.timeout = Some("15s".into());
    route.owner = Some(Owner {
        api_version: "flagger.app/v1beta1".into(),
        kind: "Canary".into(),
        name: "podinfo".into(),
        uid: "1".into(),
    });
    route
}

/// The same canary with each strategy that the router has.
fn strategies(provider: &str, router: &dyn Router) -> Vec<RouteSpec> {
    let abilities = router.capabilities();
    let mut found = vec![route(provider)];
    if abilities.conditions {
        let exact = StringMatch { exact: Some("insider".into()), ..StringMatch::default() };
        let condition = HttpMatch { headers: [("x-user".to_owned(), exact)].into(), ..HttpMatch::default() };
        found.push(route(provider));
        found.last_mut().unwrap().conditions = vec![condition];
    }
    if abilities.session_affinity {
        found.push(route(provider));
        found.last_mut().unwrap().affinity = Some(Affinity {
            cookie_name: "c".into(),
            cookie: Some("c=abc".into()),
            max_age: 60,
            ..Affinity::default()
        });
    }
    found
}

/// What users have before they make a canary.
fn users(objects: &MemoryObjects) {
    let core = |kind| ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
    let upstreams = ApiResource::from_gvk(&GroupVersionKind::gvk("gloo.solo.io", "v1", "Upstream"));
    let backend = json!({"serviceName": "podinfo", "servicePort": 80});
    let http = json!([{"name": "m", "match": {"paths": ["/*"]}, "backends": [backend]}]);
    let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "podinfo", "port": {"number": 80}}}});
    let annotations = json!({"zalando.org/skipper-predicate": "Traffic(1)"});
    for (kind, name, metadata, rest) in [
        (
            core("Service"),
            "podinfo-primary",
            json!({}),
            json!({"spec": {"selector": {"app": "podinfo-primary"}}}),
        ),
        (core("Service"), "podinfo-canary", json!({}), json!({"spec": {"selector": {"app": "podinfo"}}})),
        (
            upstreams,
            "settings",
            json!({}),
            json!({"spec": {"useHttp2": true, "loadBalancerConfig": {"random": {}}}}),
        ),
        (Apisix::kinds().remove(0), "web", json!({}), json!({"spec": {"http": http}})),
        (
            Nginx::kinds().remove(0),
            "web",
            json!({"annotations": annotations, "labels": {"a": "b"}}),
            json!({"spec": {"rules": [{"host": "a", "http": {"paths": [path]}}]}}),
        ),
        (
            KnativeService::kind(),
            "podinfo",
            json!({"annotations": {"flagger.app/primary-revision": "podinfo-1"}}),
            json!({
                "spec": {"template": {}, "traffic": [{"latestRevision": true, "percent": 0}]},
                "status": {
                    "latestCreatedRevisionName": "podinfo-2",
                    "latestReadyRevisionName": "podinfo-2",
                    "traffic": [
                        {"latestRevision": true, "revisionName": "podinfo-2", "percent": 0},
                        {"latestRevision": false, "revisionName": "podinfo-1", "percent": 100},
                    ],
                },
            }),
        ),
    ] {
        let mut object = json!({"metadata": {"name": name, "namespace": "test"}});
        object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        objects.insert(&kind, object);
    }
}

/// Every place in a value, as a JSON pointer, the outer before the inner.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect()
        }
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (field, value) in inner {
        pointers(value, &format!("{here}/{field}"), found);
    }
}

/// The object with that place replaced, or left out.
fn changed(object: &Value, pointer: &str, odd: Option<&Value>) -> Value {
    let mut object = object.clone();
    if let Some(odd) = odd {
        object.pointer_mut(pointer).unwrap().clone_from(odd);
        return object;
    }
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/").replace("~0", "~");
    let parent = object.pointer_mut(parent).unwrap();
    if let Some(fields) = parent.as_object_mut() {
        fields.remove(&field);
    } else if let Some(list) = parent.as_array_mut() {
        list.remove(field.parse().unwrap());
    }
    object
}

/// Everything that a controller asks of a router, on a cluster with one odd object; whether it could be reconciled.
async fn judge(route: RouteSpec, world: Vec<(Place, Value)>, odd: (Place, Value), case: String) -> bool {
    let objects = Arc::new(MemoryObjects::new());
    for (place, object) in world {
        objects.insert(&place.kind, object);
    }
    objects.insert(&odd.0.kind, odd.1);
    let router = Routers::default().router(&route.provider, objects).unwrap();
    let _ = router.weights(&route).await;
    let _ = router.set_weights(&route, Weights::CANARY).await;
    let reconciled = router.reconcile(&route).await;
    let half = Weights::canary(Weight::new(50).unwrap());
    let set = router.set_weights(&route, half).await;
    let read = router.weights(&route).await;
    // Knative itself reports what it does; nobody plays Knative here.
    if reconciled.is_ok() && route.provider != "knative" {
        assert!(set.is_ok(), "{case}: reconciled, but {}", set.unwrap_err());
        // NGINX sends all of those that meet the conditions.
        let expected =
            if route.provider == "nginx" && !route.conditions.is_empty() { Weights::CANARY } else { half };
        match read {
            Ok(read) => assert_eq!(read, Some(expected), "{case}"),
            // Gateways have not accepted it, as far as can be told.
            Err(error) => assert!(odd.0.kind.kind == "HTTPRoute" && error.is_retryable(), "{case}: {error}"),
        }
    }
    let _ = router.finalize(&route).await;
    reconciled.is_ok()
}

/// All objects that the router reads or writes, in the middle of a rollout.
async fn world(route: &RouteSpec) -> Vec<(Place, Value)> {
    let recorder = Arc::new(Recorder::default());
    users(&recorder.objects);
    let router = Routers::default().router(&route.provider, recorder.clone()).unwrap();
    router.reconcile(route).await.unwrap();
    router.set_weights(route, Weights::canary(Weight::new(20).unwrap())).await.unwrap();
    router.weights(route).await.unwrap();
    recorder.stored()
}

#[tokio::test]
async fn no_router_falls_over_an_odd_object_and_what_it_calls_reconciled_is_so() {
    let routers = Routers::default();
    let names: Vec<String> = routers.names().into_iter().map(str::to_owned).collect();
    let mut refused = 0;
    for provider in names.iter().filter(|name| !NAMESAKES.contains(&name.as_str())) {
        let router = routers.router(provider, Arc::new(MemoryObjects::new())).unwrap();
        for (strategy, route) in strategies(provider, &*router).into_iter().enumerate() {
            let world = world(&route).await;
            let mut repaired = 0;
            for (place, object) in &world {
                let mut places = Vec::new();
                pointers(object, "", &mut places);
                for pointer in places.iter().filter(|pointer| !is_sure(pointer)) {
                    // The further strategies differ from the first in a few places: less is tried there.
                    let few = if strategy == 0 { usize::MAX } else { 2 };
                    let odd = oddities().into_iter().take(few).map(Some).chain([None]);
                    for odd in odd {
                        let case =
                            format!("{provider}: {} {} {pointer} = {odd:?}", place.kind.kind, place.name);
                        let odd = (place.clone(), changed(object, pointer, odd.as_ref()));
                        let judged = tokio::spawn(judge(route.clone(), world.clone(), odd, case.clone()));
                        let is_reconciled = judged.await.unwrap_or_else(|error| panic!("{case}: {error}"));
                        repaired += usize::from(is_reconciled);
                        refused += usize::from(!is_reconciled);
                    }
                }
            }
            assert!(repaired > 10, "{provider}: {repaired} repaired");
        }
    }
    assert!(refused > 100, "{refused} refused");
}
