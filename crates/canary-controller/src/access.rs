//! What the controller asks of an API server: the one table from which every Role and ClusterRole is made.
//!
//! A kind that a router reads gets what routers do with their kinds; everything else is written out here. Not for the roles'
//! names, nor for who gets them.

use std::collections::BTreeMap;

use canary_routers::Routers;

use crate::leader::LEASE_NAME;

/// What is read through a cache: an absence is confirmed by a GET.
const READ: [&str; 3] = ["get", "list", "watch"];
/// What is made and changed as well. Owned objects are collected as garbage, so hardly anything is deleted.
const WRITE: [&str; 5] = ["get", "list", "watch", "create", "update"];

/// A right: verbs on one resource, and what they are for.
///
/// ```
/// use canary_controller::{Part, rights};
/// use canary_routers::Routers;
///
/// let rights = rights(&Routers::default());
/// let secrets: Vec<_> = rights.iter().filter(|r| r.resource == "secrets").collect();
/// assert!(secrets.iter().any(|r| r.part == Part::Always && r.verbs == ["get"]), "logins of providers");
/// assert!(secrets.iter().any(|r| r.part == Part::ConfigTracking));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Right {
    /// API group; empty for the core.
    pub group: String,
    /// Plural, with a subresource after a slash.
    pub resource: String,
    /// Verbs as RBAC names them.
    pub verbs: Vec<&'static str>,
    /// The only object that they are for; `None`: all.
    pub name: Option<&'static str>,
    /// When it is needed.
    pub part: Part,
    /// What it is for, in a few words.
    pub why: &'static str,
}

/// The part of the controller's work that needs a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// Needed in any case.
    Always,
    /// Where ConfigMaps and Secrets belong to a revision.
    ConfigTracking,
    /// Where replicas elect a leader. In one namespace only.
    LeaderElection,
    /// For canaries of one of these providers, without their versions (`smi`, `linkerd`).
    Providers(Vec<String>),
}

/// Everything that a controller with these routers may ask for.
pub fn rights(routers: &Routers) -> Vec<Right> {
    let mut all = fixed();
    all.extend(of_routers(routers));
    all
}

fn fixed() -> Vec<Right> {
    let always = |group: &str, resource: &str, verbs: &[&'static str], why| Right {
        group: group.into(),
        resource: resource.into(),
        verbs: verbs.to_vec(),
        name: None,
        part: Part::Always,
        why,
    };
    let tracking = |resource, verbs: &[&'static str], why| Right {
        part: Part::ConfigTracking,
        ..always("", resource, verbs, why)
    };
    let leader = |verbs: &[&'static str], name| Right {
        part: Part::LeaderElection,
        name,
        ..always("coordination.k8s.io", "leases", verbs, "the lease of the leader")
    };
    let flagger = "flagger.app";
    vec![
        always(flagger, "canaries", &["get", "list", "watch", "patch"], "canaries, and their finalizer"),
        always(flagger, "canaries/status", &["update"], "the state of a rollout"),
        always(
            flagger,
            "canaries/finalizers",
            &["update"],
            "owning objects, where the API server checks that",
        ),
        always(flagger, "metrictemplates", &READ, "queries of one's own"),
        always(flagger, "alertproviders", &READ, "who is told"),
        always("", "events", &["get", "create", "patch"], "what happened"),
        always("", "secrets", &["get"], "logins of providers"),
        always("", "services", &WRITE, "addresses of primary and canary"),
        always(
            "apps",
            "deployments",
            &["get", "list", "watch", "create", "update", "patch"],
            "targets and primaries",
        ),
        always("apps", "daemonsets", &WRITE, "targets and primaries"),
        always("apps", "replicasets", &["list"], "what a primary was that somebody deleted"),
        always("apps", "controllerrevisions", &["list"], "what a primary was that somebody deleted"),
        always("autoscaling", "horizontalpodautoscalers", &WRITE, "autoscalers of primaries"),
        always(
            "keda.sh",
            "scaledobjects",
            &["get", "list", "watch", "create", "update", "patch"],
            "autoscalers of primaries, and their pause",
        ),
        // A value has no name of its own, so asking for it is a list.
        always("external.metrics.k8s.io", "*", &["list"], "metrics that the cluster serves"),
        always("metrics.keptn.sh", "keptnmetrics", &["get"], "metrics of Keptn"),
        always("metrics.keptn.sh", "analyses", &["get", "create", "delete"], "analyses of Keptn"),
        // Where the API server checks who may make whom an owner, a copy that two canaries share needs the right to delete it.
        tracking(
            "configmaps",
            &["get", "list", "watch", "create", "update", "delete"],
            "copies for primaries",
        ),
        // The type of a Secret cannot be changed: its copy is made anew.
        tracking("secrets", &["list", "watch", "create", "update", "delete"], "copies for primaries"),
        leader(&["create"], None),
        leader(&["get", "update"], Some(LEASE_NAME)),
    ]
}

/// What is done with the kinds of routers, by resource. What is not named here is made and changed.
fn verbs_of(group: &str, resource: &str) -> Vec<&'static str> {
    match (group, resource) {
        // The copy of the user's own object, or what has no owner that could be elsewhere, goes when the canary is taken back.
        ("networking.k8s.io", "ingresses")
        | ("apisix.apache.org", "apisixroutes")
        | ("kuma.io", "trafficroutes") => [WRITE.as_slice(), &["delete"]].concat(),
        // The user's own, and the target at the same time.
        ("serving.knative.dev", "services") => vec!["get", "list", "watch", "update"],
        _ => WRITE.to_vec(),
    }
}

fn of_routers(routers: &Routers) -> Vec<Right> {
    let mut providers: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for name in routers.names() {
        let family = name.split(':').next().unwrap_or(name);
        for kind in routers.kinds(name).unwrap_or_default() {
            // Needed in any case, and in the table above.
            if kind.group.is_empty() {
                continue;
            }
            let of_kind = providers.entry((kind.group, kind.plural)).or_default();
            if !of_kind.iter().any(|known| known == family) {
                of_kind.push(family.to_owned());
            }
        }
    }
    let mut rights: Vec<Right> = providers
        .into_iter()
        .map(|((group, resource), families)| Right {
            verbs: verbs_of(&group, &resource),
            group,
            resource,
            name: None,
            part: Part::Providers(families),
            why: "routes",
        })
        .collect();
    let revisions = rights.iter().find(|r| r.group == "serving.knative.dev").map(|services| Right {
        resource: "revisions".into(),
        verbs: READ.to_vec(),
        why: "whether a revision is ready",
        ..services.clone()
    });
    rights.extend(revisions);
    rights
}

#[cfg(test)]
mod tests {
    use canary_routers::Kubernetes;
    use kube::core::{ApiResource, GroupVersionKind};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_may_be_done_to_what_is_only_read() {
        for right in rights(&Routers::default()) {
            if ["metrictemplates", "alertproviders", "revisions"].contains(&right.resource.as_str()) {
                assert_eq!(right.verbs, READ, "{}", right.resource);
            }
        }
    }

    #[test]
    fn no_right_is_a_wildcard_and_deletion_is_rare() {
        let all = rights(&Routers::default());
        // Names of external metrics are the resources of their group.
        let others = || all.iter().filter(|r| r.group != "external.metrics.k8s.io");
        assert!(others().all(|r| r.resource != "*" && r.group != "*" && !r.verbs.contains(&"*")));
        let mut deletable: Vec<&str> =
            all.iter().filter(|r| r.verbs.contains(&"delete")).map(|r| r.resource.as_str()).collect();
        deletable.sort_unstable();
        assert_eq!(
            deletable,
            ["analyses", "apisixroutes", "configmaps", "ingresses", "secrets", "trafficroutes"]
        );
        assert!(all.iter().all(|r| !r.verbs.contains(&"deletecollection")));
    }

    #[test]
    fn a_kind_of_several_providers_is_granted_once_for_all_of_them() {
        let all = rights(&Routers::default());
        let splits: Vec<&Right> = all.iter().filter(|r| r.resource == "trafficsplits").collect();
        assert_eq!(splits.len(), 1);
        assert_eq!(splits[0].part, Part::Providers(["linkerd", "osm", "smi"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_router_of_ones_own_gets_the_rights_on_its_kinds() {
        let gvk = GroupVersionKind::gvk("acme.io", "v1", "Split");
        let kinds = vec![ApiResource::from_gvk_with_plural(&gvk, "splits")];
        let routers = Routers::empty().with_kinds("acme", kinds, |_| Arc::new(Kubernetes));
        let all = rights(&routers);
        let own = all.iter().find(|r| r.group == "acme.io").unwrap();
        assert_eq!((own.resource.as_str(), own.verbs.as_slice()), ("splits", WRITE.as_slice()));
    }
}
