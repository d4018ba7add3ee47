//! The objects by which traffic is routed, before a rollout, at its first step and after it, as YAML that a reader can use.

use std::io::{self, Write};

use canary_core::Phase;
use canary_routers::Routers;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::Sandbox;
use serde::Serialize;
use serde_json::Value;

use crate::timeline::Position;
use crate::world::Subject;

/// What the API server counts, and the owner, which has a uid.
const SERVERS: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "ownerReferences", "resourceVersion", "uid"];

/// The objects at one moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scene {
    /// When it was: `before the rollout`, `at 10 %`.
    pub(crate) when: String,
    /// The objects, by kind and name.
    pub(crate) objects: Vec<Value>,
}

/// Looks at the routing objects of one canary.
pub(crate) struct Gallery {
    kinds: Vec<ApiResource>,
    namespace: String,
    /// Objects of the user's, as they were.
    users: Vec<Value>,
    scenes: Vec<Scene>,
}

impl Gallery {
    /// What is there now is the user's.
    pub(crate) fn new(sandbox: &Sandbox, subject: &Subject) -> Self {
        let kinds = Routers::default().kinds(&subject.plan.provider).unwrap_or_default();
        // Services are there whatever routes to them.
        let kinds = kinds.into_iter().filter(|kind| !kind.group.is_empty()).collect();
        let namespace = subject.namespace.clone();
        let mut gallery = Self { kinds, namespace, users: Vec::new(), scenes: Vec::new() };
        gallery.users = gallery.objects(sandbox);
        gallery
    }

    /// Keeps the first sight of each moment.
    pub(crate) fn look(&mut self, sandbox: &Sandbox, position: Position) {
        let Position { phase, weight, mirrored, .. } = position;
        let when = match (phase, self.scenes.len()) {
            (Phase::Initialized, 0) => "before the rollout".to_owned(),
            (Phase::Progressing, 1) if mirrored => "while requests are mirrored".to_owned(),
            (Phase::Progressing | Phase::Promoting, 1) if weight > 0 => format!("at {weight} %"),
            (Phase::Succeeded | Phase::Failed, 1 | 2) => "after the rollout".to_owned(),
            _ => return,
        };
        let objects = self.objects(sandbox);
        self.scenes.push(Scene { when, objects });
    }

    /// What was seen.
    pub(crate) fn scenes(self) -> Vec<Scene> {
        self.scenes
    }

    fn objects(&self, sandbox: &Sandbox) -> Vec<Value> {
        let of_kind = |kind: &ApiResource| {
            let resource = format!("{}.{}", kind.plural, kind.group);
            let cluster_wide = sandbox.list(&resource, "").into_iter();
            let cluster_wide = cluster_wide.filter(|object| object["metadata"]["namespace"].is_null());
            sandbox.list(&resource, &self.namespace).into_iter().chain(cluster_wide).collect::<Vec<_>>()
        };
        let all = self.kinds.iter().flat_map(of_kind).map(plain);
        let mut all: Vec<Value> = all.filter(|object| !self.users.contains(object)).collect();
        all.sort_by_cached_key(title);
        all.dedup();
        all
    }
}

fn plain(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !SERVERS.contains(&field.as_str()));
    }
    object
}

fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Writes the scenes of a canary: of each the objects that differ from the scene before.
pub(crate) fn yaml(name: &str, scenes: &[Scene], out: &mut dyn Write) -> io::Result<()> {
    let mut before: &[Value] = &[];
    for (n, scene) in scenes.iter().enumerate() {
        let first = scenes.first().map_or(&[][..], |first| &first.objects);
        if n > 0 && scene.objects == first {
            writeln!(out, "# {name} {}: as before it", scene.when)?;
            continue;
        }
        writeln!(out, "# {name} {}", scene.when)?;
        let (same, changed): (Vec<&Value>, Vec<&Value>) =
            scene.objects.iter().partition(|object| before.contains(object));
        for object in changed {
            let text = serde_saphyr::to_string(object).map_err(io::Error::other)?;
            write!(out, "---\n{text}")?;
        }
        if !same.is_empty() {
            let titles: Vec<_> = same.into_iter().map(title).collect();
            writeln!(out, "# unchanged: {}", titles.join(", "))?;
        }
        before = &scene.objects;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scene(when: &str, weights: [i64; 2]) -> Scene {
        let object =
            |name: &str, weight: i64| json!({"kind": "Split", "metadata": {"name": name}, "weight": weight});
        let objects = vec![object("a", weights[0]), object("b", weights[1])];
        Scene { when: when.into(), objects }
    }

    #[test]
    fn only_what_changed_is_shown_again() {
        let scenes = [
            scene("before the rollout", [0, 1]),
            scene("at 10 %", [10, 1]),
            scene("after the rollout", [0, 1]),
        ];
        let mut out = Vec::new();
        yaml("podinfo.test", &scenes, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            headings,
            [
                "# podinfo.test before the rollout",
                "# podinfo.test at 10 %",
                "# unchanged: Split b",
                "# podinfo.test after the rollout: as before it",
            ]
        );
        assert_eq!(text.matches("---").count(), 3, "{text}");
    }

    #[test]
    fn what_the_server_counts_is_left_out() {
        let metadata = json!({"name": "a", "uid": "1", "resourceVersion": "2", "ownerReferences": []});
        let object = plain(json!({"kind": "Split", "metadata": metadata, "status": {}}));
        assert_eq!(object, json!({"kind": "Split", "metadata": {"name": "a"}}));
    }
}
