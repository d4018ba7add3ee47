//! What has to hold once all trouble is over and the canary rests.

use canary_sandbox::View;
use serde_json::Value;

use crate::command;
use crate::ledger::{Ledger, require};
use crate::scene::{available, canary, look, scene};
use crate::setting::{AUTOSCALERS, DEPLOYMENTS, NAME, PRIMARY, Setting};

/// Judges the end.
pub(crate) fn at_the_end(
    view: &View<'_>,
    ledger: &Ledger,
    setting: &Setting,
    bystanders: &[Value],
    is_broken: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let scene = scene(view, setting.mesh);
    let up = |name: &str| available(view, name) > 0;
    let share = scene.share.unwrap_or(0);
    require(share == 0 || up(NAME), || format!("{share} % go to a canary without pods at the end"))?;
    // Without a mesh there is no other side to send people to, if the fix for such a primary is refused.
    let helpless = !setting.is_routed()
        && scene.phase == "Failed"
        && scene.primary_image.as_deref().is_some_and(is_broken);
    require(share == 100 || up(PRIMARY) || helpless, || {
        let status = look(view, DEPLOYMENTS, PRIMARY).map(|primary| &primary["status"]);
        format!("{} % go to a primary without pods at the end: {status:?}", 100 - share)
    })?;
    let runs = scene.primary_image.as_ref() == Some(&scene.target_image);
    match scene.phase.as_str() {
        "Succeeded" | "Initialized" => {
            require(runs, || format!("{} was forgotten: {scene:?}", scene.target_image))?;
            if setting.configs {
                let data =
                    |name| look(view, "configmaps", name).map_or(&Value::Null, |config| &config["data"]);
                let (own, copy) = (data("podinfo-config"), data("podinfo-config-primary"));
                require(own == copy, || format!("the config {own} was forgotten, the primary has {copy}"))?;
            }
        }
        "Failed" => {
            let refused = ledger.tried.contains(&scene.target_image);
            require(runs || refused, || format!("{} was neither tried nor refused", scene.target_image))?;
        }
        phase => return Err(format!("it ends in {phase:?}")),
    }
    command::at_the_end(canary(view))?;
    if setting.autoscaler {
        require(look(view, AUTOSCALERS, NAME).is_some(), || "the user's autoscaler is gone".into())?;
    }
    for own in bystanders {
        let (kind, name) = (&own["kind"], own["metadata"]["name"].as_str().unwrap_or_default());
        let resource = match kind.as_str() {
            Some("ConfigMap") => "configmaps",
            Some("Service") => "services",
            _ => crate::setting::VIRTUAL_SERVICES,
        };
        let content = |o: &Value| if o["spec"].is_null() { o["data"].clone() } else { o["spec"].clone() };
        let found = look(view, resource, name).unwrap_or(&Value::Null);
        let kept = match resource {
            "services" => found["spec"]["selector"] == own["spec"]["selector"],
            _ => content(found) == content(own),
        };
        require(kept, || format!("{kind} {name}, which is the user's, was changed"))?;
    }
    Ok(())
}
