//! What the rules are about, at one moment.

use canary_sandbox::View;
use serde_json::Value;

use crate::command;
use crate::setting::{CANARIES, DEPLOYMENTS, Mesh, NAME, NAMESPACE, PRIMARY, Setting};

/// The object of that name, as it is stored.
pub(crate) fn look<'a>(view: &View<'a>, resource: &str, name: &str) -> Option<&'a Value> {
    view.peek(resource, NAMESPACE, name)
}

/// The Canary; null where there is none.
pub(crate) fn canary<'a>(view: &View<'a>) -> &'a Value {
    look(view, CANARIES, NAME).unwrap_or(&Value::Null)
}

/// How many pods of that workload can serve.
pub(crate) fn available(view: &View<'_>, workload: &str) -> i64 {
    look(view, DEPLOYMENTS, workload).and_then(|w| w["status"]["availableReplicas"].as_i64()).unwrap_or(0)
}

/// What the rules are about, as last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene {
    /// The canary's largest share in any rule of the route; `None`: there is no route.
    pub(crate) share: Option<i64>,
    /// Of that rule.
    pub(crate) primary_share: i64,
    /// The canary's share of those whom no other rule is for: neither testers nor people with a cookie.
    pub(crate) common_share: i64,
    pub(crate) apex: Option<String>,
    pub(crate) target_replicas: i64,
    pub(crate) target_image: String,
    pub(crate) primary_image: Option<String>,
    pub(crate) primary_replicas: i64,
    pub(crate) phase: String,
    /// The revision that the status names as applied.
    pub(crate) applied: String,
    /// The one that it names as promoted.
    pub(crate) promoted: String,
    /// The configuration that it names.
    pub(crate) configs: String,
    pub(crate) max_weight: i64,
}

impl Scene {
    pub(crate) fn moment(&self) -> command::Moment<'_> {
        command::Moment {
            phase: &self.phase,
            applied: &self.applied,
            share: self.share.unwrap_or(0),
            primary_image: self.primary_image.as_deref(),
        }
    }
}

pub(crate) fn scene(view: &View<'_>, mesh: Mesh) -> Scene {
    let target = look(view, DEPLOYMENTS, NAME).unwrap_or(&Value::Null);
    let primary = look(view, DEPLOYMENTS, PRIMARY);
    let canary = canary(view);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let image = |workload: &Value| text(&workload["spec"]["template"]["spec"]["containers"][0]["image"]);
    let mut scene = Scene {
        target_replicas: target["spec"]["replicas"].as_i64().unwrap_or(0),
        target_image: image(target),
        primary_image: primary.map(image),
        primary_replicas: primary.map_or(0, |p| p["spec"]["replicas"].as_i64().unwrap_or(1)),
        phase: text(&canary["status"]["phase"]),
        applied: text(&canary["status"]["lastAppliedSpec"]),
        promoted: text(&canary["status"]["lastPromotedSpec"]),
        configs: canary["status"]["trackedConfigs"].to_string(),
        max_weight: Setting::max_weight(canary),
        apex: look(view, "services", NAME)
            .and_then(|s| s["spec"]["selector"]["app"].as_str().map(str::to_owned)),
        ..Scene::default()
    };
    let Some(route) = mesh.routes().and_then(|kind| look(view, kind, NAME)) else { return scene };
    let (rules, refs, host) = match mesh {
        Mesh::Gateway => ("rules", "backendRefs", "/name"),
        Mesh::Istio | Mesh::Kubernetes => ("http", "route", "/destination/host"),
    };
    for rule in route["spec"][rules].as_array().into_iter().flatten() {
        let (mut own, mut rest) = (0, 0);
        for destination in rule[refs].as_array().into_iter().flatten() {
            let weight = destination["weight"].as_i64().unwrap_or(100);
            let to_canary = destination.pointer(host).is_some_and(|h| h == "podinfo-canary");
            *(if to_canary { &mut own } else { &mut rest }) += weight;
        }
        scene.common_share = own;
        if scene.share.is_none_or(|share| own > share) {
            (scene.share, scene.primary_share) = (Some(own), rest);
        }
    }
    scene
}
