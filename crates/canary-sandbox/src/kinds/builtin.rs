//! The kinds that every cluster has, as far as progressive delivery touches them.

use super::{Kind, Version};

/// A kind with behaviour of its own. The order is that of [`all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BuiltIn {
    Namespace,
    Pod,
    Service,
    ConfigMap,
    Secret,
    Event,
    Node,
    ServiceAccount,
    Deployment,
    ReplicaSet,
    DaemonSet,
    Autoscaler,
    Lease,
    Ingress,
    Definition,
}

/// How the server treats writes of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of the real server's strategies, independent of the others
pub(crate) struct Traits {
    /// Has the subresource `status`.
    pub(crate) status: bool,
    /// Has the subresource `scale`.
    pub(crate) scale: bool,
    /// Counts changes of what is wanted.
    pub(crate) generation: bool,
    /// Can be replaced without a resource version.
    pub(crate) unconditional: bool,
    /// PUT creates what does not exist.
    pub(crate) put_creates: bool,
    /// A deletion answers with the object.
    pub(crate) delete_returns: bool,
}

const PLAIN: Traits = Traits {
    status: false,
    scale: false,
    generation: false,
    unconditional: true,
    put_creates: false,
    delete_returns: false,
};
const WITH_STATUS: Traits = Traits { status: true, ..PLAIN };
const COUNTED: Traits = Traits { generation: true, ..WITH_STATUS };

type Row =
    (BuiltIn, &'static str, &'static str, &'static str, &'static str, &'static [&'static str], bool, Traits);

const TABLE: [Row; 15] = [
    (
        BuiltIn::Namespace,
        "",
        "v1",
        "namespaces",
        "Namespace",
        &["ns"],
        false,
        Traits { delete_returns: true, ..WITH_STATUS },
    ),
    (BuiltIn::Pod, "", "v1", "pods", "Pod", &["po"], true, Traits { delete_returns: true, ..COUNTED }),
    (
        BuiltIn::Service,
        "",
        "v1",
        "services",
        "Service",
        &["svc"],
        true,
        Traits { delete_returns: true, ..WITH_STATUS },
    ),
    (BuiltIn::ConfigMap, "", "v1", "configmaps", "ConfigMap", &["cm"], true, PLAIN),
    (BuiltIn::Secret, "", "v1", "secrets", "Secret", &[], true, PLAIN),
    (BuiltIn::Event, "", "v1", "events", "Event", &["ev"], true, Traits { put_creates: true, ..PLAIN }),
    (BuiltIn::Node, "", "v1", "nodes", "Node", &["no"], false, WITH_STATUS),
    (
        BuiltIn::ServiceAccount,
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        &["sa"],
        true,
        Traits { delete_returns: true, ..PLAIN },
    ),
    (
        BuiltIn::Deployment,
        "apps",
        "v1",
        "deployments",
        "Deployment",
        &["deploy"],
        true,
        Traits { scale: true, ..COUNTED },
    ),
    (
        BuiltIn::ReplicaSet,
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        &["rs"],
        true,
        Traits { scale: true, ..COUNTED },
    ),
    (BuiltIn::DaemonSet, "apps", "v1", "daemonsets", "DaemonSet", &["ds"], true, COUNTED),
    (
        BuiltIn::Autoscaler,
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        &["hpa"],
        true,
        WITH_STATUS,
    ),
    (
        BuiltIn::Lease,
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        &[],
        true,
        Traits { unconditional: false, put_creates: true, ..PLAIN },
    ),
    (BuiltIn::Ingress, "networking.k8s.io", "v1", "ingresses", "Ingress", &["ing"], true, COUNTED),
    (
        BuiltIn::Definition,
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        &["crd", "crds"],
        false,
        Traits { unconditional: false, delete_returns: true, ..COUNTED },
    ),
];

pub(super) fn all() -> impl Iterator<Item = Kind> {
    TABLE.into_iter().map(|(builtin, group, version, plural, kind, short, namespaced, traits)| Kind {
        group: group.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        short_names: short.iter().map(|s| (*s).to_owned()).collect(),
        namespaced,
        versions: vec![Version { name: version.to_owned(), storage: true, schema: None, traits }],
        builtin: Some(builtin),
        served: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_enum() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, at);
        }
    }
}
