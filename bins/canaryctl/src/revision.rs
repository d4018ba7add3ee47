//! The revisions that the user applies during a simulation.

use anyhow::bail;
use canary_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world::Subject;

/// A new pod template of a target.
pub(crate) struct Revision {
    containers: Value,
    pub(crate) images: Vec<String>,
    /// Nobody chose the images.
    pub(crate) made_up: bool,
}

impl Revision {
    /// The target with the images that were asked for, or with made-up ones that end in `suffix`.
    pub(crate) fn of(
        sandbox: &Sandbox,
        subject: &Subject,
        asked: &[(String, String)],
        suffix: &str,
    ) -> anyhow::Result<Self> {
        let target = sandbox.get(subject.target_resource, &subject.namespace, &subject.plan.target);
        let containers = target.as_ref().and_then(|t| t.pointer("/spec/template/spec/containers"));
        let mut containers = containers.cloned().unwrap_or_else(|| json!([]));
        let asked_of = |container: &Value| {
            asked.iter().find(|(name, _)| container["name"] == name.as_str()).map(|(_, image)| image.as_str())
        };
        let made_up = !containers.as_array().into_iter().flatten().any(|c| asked_of(c).is_some());
        let mut images = Vec::new();
        for container in containers.as_array_mut().into_iter().flatten() {
            let image = container["image"].as_str().unwrap_or_default();
            let new = match asked_of(container) {
                Some(asked) => chosen(image, asked),
                None if made_up => {
                    let (repository, tag) = split_image(image);
                    format!("{repository}:{}-{suffix}", tag.trim_end_matches("-new"))
                }
                None => continue,
            };
            container["image"] = new.as_str().into();
            images.push(new);
        }
        if images.is_empty() {
            let (kind, name) = (&subject.plan.target_kind, &subject.plan.target);
            bail!("{kind} {name} has no containers, so no new revision of it can be made up");
        }
        Ok(Self { containers, images, made_up })
    }

    /// Applies it, as the user does.
    pub(crate) fn apply(&self, sandbox: &Sandbox, subject: &Subject) -> anyhow::Result<()> {
        let patch = json!({ "spec": { "template": { "spec": { "containers": self.containers } } } });
        sandbox.patch_object(subject.target_resource, &subject.namespace, &subject.plan.target, &patch)?;
        Ok(())
    }
}

/// Containers that somebody names and no target has.
pub(crate) fn unknown_containers(
    sandbox: &Sandbox,
    subjects: &[Subject],
    asked: &[(String, String)],
) -> Vec<String> {
    let mut known = Vec::new();
    for subject in subjects {
        let target = sandbox.get(subject.target_resource, &subject.namespace, &subject.plan.target);
        let containers =
            target.as_ref().and_then(|t| t.pointer("/spec/template/spec/containers")?.as_array());
        known.extend(containers.into_iter().flatten().filter_map(|c| c["name"].as_str().map(str::to_owned)));
    }
    asked.iter().map(|(name, _)| name.clone()).filter(|name| !known.contains(name)).collect()
}

/// An image from what the user says: a tag, or a whole image.
fn chosen(current: &str, asked: &str) -> String {
    if asked.contains(['/', ':', '@']) {
        asked.to_owned()
    } else {
        format!("{}:{asked}", split_image(current).0)
    }
}

/// Repository and tag of an image; the tag is `latest` when there is none, and a digest counts as none.
fn split_image(image: &str) -> (&str, &str) {
    let image = image.split_once('@').map_or(image, |(tagged, _)| tagged);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_apart_at_their_tag() {
        for (image, repository, tag) in [
            ("podinfo:6.0.0", "podinfo", "6.0.0"),
            ("podinfo", "podinfo", "latest"),
            ("localhost:5000/app", "localhost:5000/app", "latest"),
            ("localhost:5000/app:1.2", "localhost:5000/app", "1.2"),
            ("podinfo:6.0.0@sha256:abc", "podinfo", "6.0.0"),
            ("podinfo@sha256:abc", "podinfo", "latest"),
        ] {
            assert_eq!(split_image(image), (repository, tag), "{image}");
        }
    }

    #[test]
    fn a_user_names_a_tag_or_a_whole_image() {
        assert_eq!(chosen("ghcr.io/x/podinfo:6.0.0", "6.1.0"), "ghcr.io/x/podinfo:6.1.0");
        assert_eq!(chosen("ghcr.io/x/podinfo:6.0.0", "podinfo:6.1.0"), "podinfo:6.1.0");
        assert_eq!(chosen("podinfo", "podinfo@sha256:abc"), "podinfo@sha256:abc");
    }
}
