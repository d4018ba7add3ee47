//! The revision that was promoted last, for a primary that somebody deleted. What the target is now may have been rejected, or
//! nobody has judged it yet; but the target's own controller keeps the templates that it had.

use canary_core::{WorkloadError, WorkloadSpec};
use canary_routers::ObjectError;
use serde_json::Value;

use super::copier::Copier;
use super::source::{Kind, Source};
use crate::failure::Explain as _;
use crate::fields::{edit, into_fields, list_at, text_at};

/// The label by which a Deployment tells the pods of its templates apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The target as it was when its present primary was promoted. `None`: it still is, nothing was promoted yet, or that template
/// is no longer kept.
pub(super) async fn promoted(
    copier: &Copier,
    spec: &WorkloadSpec,
    now: &Source,
) -> Result<Option<Source>, WorkloadError> {
    let Some(wanted) = spec.promoted.as_deref().filter(|wanted| *wanted != now.revision()) else {
        return Ok(None);
    };
    let kept = match copier.objects.list(&copier.kind.past(), &spec.namespace).await {
        // A role that was made for another controller may lack this right; a Service without any pod would be worse.
        Err(ObjectError::Forbidden(why)) => {
            tracing::warn!(%why, target = %spec.target, namespace = %spec.namespace, "earlier templates cannot be read");
            Vec::new()
        }
        other => other.explain(|| format!("{} list query error", copier.kind.past().plural))?,
    };
    let own = text_at(&now.object, "/metadata/uid");
    let is_own = |object: &&Value| {
        list_at(object, "/metadata/ownerReferences").iter().any(|owner| owner["uid"].as_str() == own)
    };
    for object in kept.iter().filter(is_own) {
        let mut past = now.object.clone();
        past["spec"]["template"] = template(copier.kind, object);
        let past = Source { kind: now.kind, object: past, selector: now.selector.clone(), configs: None };
        if past.revision() == wanted {
            let configs = copier.configs_of(spec, &past.object).await?;
            return Ok(Some(Source { configs, ..past }));
        }
    }
    tracing::warn!(
        target = %spec.target, namespace = %spec.namespace, revision = wanted,
        "the primary is missing, and the template that it had is no longer kept: it is made of what the target is now",
    );
    Ok(None)
}

/// The template that such an object keeps.
fn template(kind: Kind, kept: &Value) -> Value {
    let pointer = match kind {
        Kind::Deployment => "/spec/template",
        // A patch that puts this template in the place of another.
        Kind::DaemonSet => "/data/spec/template",
    };
    let mut template = into_fields(kept.pointer(pointer).cloned().unwrap_or_default());
    template.remove("$patch");
    edit(&mut template, "metadata", |metadata| {
        edit(metadata, "labels", |labels| drop(labels.remove(TEMPLATE_HASH)));
    });
    Value::Object(template)
}
