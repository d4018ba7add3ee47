//! What a user does to a canary and to what belongs to it, at any moment.

use canary_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::setting::{
    AUTOSCALERS, CANARIES, DEPLOYMENTS, HTTP_ROUTES, Mesh, NAME, NAMESPACE, Setting, VIRTUAL_SERVICES, config,
};

/// One thing that the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Applies that image.
    Image(u64),
    /// Changes the content of a config.
    Config(u64),
    /// Changes steps and threshold.
    Steps(u64),
    /// Turns the analysis off or on.
    SkipAnalysis(bool),
    Suspend(bool),
    /// Applies a Canary that is not valid.
    Invalid,
    /// Sets the canary's weight in the mesh.
    Weight(u64),
    /// Deletes an object of ours.
    Delete(&'static str, &'static str),
    /// Scales the target.
    Scale(u64),
    /// Deletes the Canary.
    DeleteCanary,
    /// Applies the Canary again as it was at first.
    Apply,
}

impl Edit {
    pub(crate) fn draw(dice: &mut Dice, setting: &Setting) -> Self {
        let deletable = [
            (DEPLOYMENTS, "podinfo-primary"),
            ("services", "podinfo"),
            ("services", "podinfo-canary"),
            ("services", "podinfo-primary"),
            (setting.mesh.routes().unwrap_or("services"), "podinfo"),
            (AUTOSCALERS, "podinfo-primary"),
            ("configmaps", "podinfo-config-primary"),
        ];
        match dice.between(0, 19) {
            0..=6 => Self::Image(dice.between(0, 3)),
            7 => Self::Config(dice.between(1, 3)),
            8 => Self::Steps(dice.between(10, 50)),
            9 => Self::SkipAnalysis(dice.one_in(2)),
            10..=11 => Self::Suspend(dice.one_in(2)),
            12 => Self::Invalid,
            13 => Self::Weight(dice.between(0, 100)),
            14..=15 => {
                let (kind, name) = dice.pick(&deletable);
                Self::Delete(kind, name)
            }
            16 => Self::Scale(dice.between(0, 3)),
            17 => Self::DeleteCanary,
            _ => Self::Apply,
        }
    }

    /// Does it. What the API refuses does not happen.
    pub(crate) fn make(self, sandbox: &Sandbox, setting: &Setting) {
        let canary = |patch: Value| {
            let _ = sandbox.patch_object(CANARIES, NAMESPACE, NAME, &patch);
        };
        match self {
            Self::Image(n) => apply_image(sandbox, &format!("podinfo:{n}")),
            Self::Config(n) if setting.configs => {
                let _ = sandbox.put_object(config("podinfo-config", &n.to_string()));
            }
            Self::Config(_) => {}
            Self::Steps(n) => canary(json!({"spec": {"analysis": {"stepWeight": n, "threshold": 2}}})),
            Self::SkipAnalysis(skip) => canary(json!({"spec": {"skipAnalysis": skip}})),
            Self::Suspend(suspend) => canary(json!({"spec": {"suspend": suspend}})),
            Self::Invalid => canary(json!({"spec": {"analysis": {"interval": "soon"}}})),
            Self::Weight(n) => steer(sandbox, setting.mesh, n),
            Self::Delete(kind, name) => {
                let _ = sandbox.delete_object(kind, NAMESPACE, name);
            }
            Self::Scale(n) => {
                let patch = json!({"spec": {"replicas": n}});
                let _ = sandbox.patch_object(DEPLOYMENTS, NAMESPACE, NAME, &patch);
            }
            Self::DeleteCanary => {
                let _ = sandbox.delete_object(CANARIES, NAMESPACE, NAME);
            }
            Self::Apply => apply(sandbox, setting),
        }
    }
}

/// Sets the target's image, and with it its revision.
pub(crate) fn apply_image(sandbox: &Sandbox, image: &str) {
    let Some(mut target) = sandbox.get(DEPLOYMENTS, NAMESPACE, NAME) else { return };
    target["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    let _ = sandbox.put_object(target);
}

/// Applies the Canary as it was at first; what others wrote into it stays.
pub(crate) fn apply(sandbox: &Sandbox, setting: &Setting) {
    let mut wanted = setting.canary();
    if let Some(present) = sandbox.get(CANARIES, NAMESPACE, NAME) {
        wanted["metadata"] = present["metadata"].clone();
        wanted["status"] = present["status"].clone();
    }
    let _ = sandbox.put_object(wanted);
}

/// Sets weights by hand.
fn steer(sandbox: &Sandbox, mesh: Mesh, weight: u64) {
    let (kind, rules, refs, name) = match mesh {
        Mesh::Istio => (VIRTUAL_SERVICES, "/spec/http", "route", "/destination/host"),
        Mesh::Gateway => (HTTP_ROUTES, "/spec/rules", "backendRefs", "/name"),
        Mesh::Kubernetes => return,
    };
    let Some(mut route) = sandbox.get(kind, NAMESPACE, NAME) else { return };
    let Some(last) = route.pointer_mut(rules).and_then(Value::as_array_mut).and_then(|r| r.last_mut()) else {
        return;
    };
    for destination in last.get_mut(refs).and_then(Value::as_array_mut).into_iter().flatten() {
        let canary = destination.pointer(name).is_some_and(|host| host == "podinfo-canary");
        destination["weight"] = if canary { weight } else { 100 - weight }.into();
    }
    let _ = sandbox.put_object(route);
}
