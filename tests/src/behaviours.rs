//! How an API server behaves, as far as the controller relies on it. Each case runs on the sandbox and on a real server, in
//! a namespace of its own, and has to hold on both.

#![allow(clippy::unwrap_used, reason = "a behaviour that does not hold stops its case")]
#![allow(clippy::needless_pass_by_value, reason = "values are written in place")]

mod definitions;
mod discovery;
mod lists;
mod objects;
mod owners;
mod refusals;
mod subresources;
mod watches;
mod writes;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::core::Status;
use kube::{Api, Client};

/// One behaviour: its name is the sentence that it shows.
pub struct Behaviour {
    /// A sentence.
    pub name: &'static str,
    /// Shows it, in that namespace.
    pub show: fn(Client, String) -> BoxFuture<'static, ()>,
}

/// Everything that the sandbox and a real API server have to do alike.
pub fn behaviours() -> Vec<Behaviour> {
    [
        objects::cases(),
        writes::cases(),
        lists::cases(),
        watches::cases(),
        subresources::cases(),
        refusals::cases(),
        definitions::cases(),
        discovery::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a cluster has to do where a garbage collector runs beside its API server.
pub fn collector_behaviours() -> Vec<Behaviour> {
    owners::cases()
}

/// Makes a list of behaviours from async functions.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) fn cases() -> Vec<crate::Behaviour> {
            vec![$(crate::Behaviour {
                name: stringify!($name),
                show: |client, namespace| Box::pin($name(client, namespace)),
            }),*]
        }
    };
}
pub(crate) use cases;

/// A ConfigMap with one entry.
fn config(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        data: Some([("key".to_owned(), value.to_owned())].into()),
        ..ConfigMap::default()
    }
}

fn configs(client: Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client, namespace)
}

/// The refusal that a call came back with.
fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn version(metadata: &ObjectMeta) -> &str {
    metadata.resource_version.as_deref().unwrap_or_default()
}
