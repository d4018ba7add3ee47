//! The contract of routers, as rules that any [`Router`](canary_core::Router) can be held to, ours and a stranger's.
//!
//! A router's author describes their mesh by a [`RouterAdapter`] and calls
//! [`router_contract!`](crate::router_contract), which makes one test of each rule, on a sandbox of its own. [`hold_all`]
//! holds a router to all rules on any cluster. Not for what one mesh does beyond the contract.

mod adapter;
mod bench;
mod outcome;
mod rules;
mod tap;

#[cfg(test)]
mod tests;

pub use adapter::RouterAdapter;
pub use outcome::{Outcome, Report, Violation};
pub use rules::{hold, hold_all, rule_names};

/// Makes a module of tests, one for each rule of the router contract, each on a sandbox of its own.
///
/// The second argument is an expression of a type that implements [`RouterAdapter`](crate::contract::RouterAdapter). A test
/// fails with the rule that is broken and what was seen. [`hold`](crate::contract::hold) holds to one rule without a test.
///
/// Here a load balancer keeps its split in a ConfigMap:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use canary_core::{RouteSpec, Router, RouterError, Weight, Weights};
/// use canary_sandbox::contract::{RouterAdapter, hold};
/// use canary_sandbox::kube::api::{Api, PostParams};
/// use canary_sandbox::kube::core::ApiResource;
/// use canary_sandbox::kube::{Client, Error};
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use serde_json::{Value, json};
///
/// struct Balancer(Client);
///
/// fn failed(error: Error) -> RouterError {
///     let conflict = matches!(&error, Error::Api(status) if status.code == 409);
///     RouterError::Api { message: format!("configmaps of the balancer: {error}"), conflict }
/// }
///
/// impl Balancer {
///     fn api(&self, route: &RouteSpec) -> Api<ConfigMap> {
///         Api::namespaced(self.0.clone(), &route.namespace)
///     }
///
///     async fn live(&self, route: &RouteSpec) -> Result<Option<ConfigMap>, RouterError> {
///         self.api(route).get_opt(&format!("split-{}", route.apex)).await.map_err(failed)
///     }
///
///     /// Writes what is wanted, under the version that was read, if it is not what is there.
///     async fn write(&self, route: &RouteSpec, mut map: ConfigMap, canary: Weight) -> Result<(), RouterError> {
///         let before = map.clone();
///         let data = map.data.get_or_insert_default();
///         data.insert("primary".into(), route.primary.clone());
///         data.insert("canary".into(), canary.to_string());
///         if map == before {
///             return Ok(());
///         }
///         let (name, post) = (format!("split-{}", route.apex), PostParams::default());
///         self.api(route).replace(&name, &post, &map).await.map(drop).map_err(failed)
///     }
/// }
///
/// fn share(map: &ConfigMap) -> Weight {
///     let text = map.data.as_ref().and_then(|data| data.get("canary"));
///     Weight::clamped(text.and_then(|text| text.parse().ok()).unwrap_or(0))
/// }
///
/// #[async_trait]
/// impl Router for Balancer {
///     async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
///         if let Some(live) = self.live(route).await? {
///             let weight = share(&live);
///             return self.write(route, live, weight).await;
///         }
///         let owner = route.owner.iter().map(|owner| json!({
///             "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
///         }));
///         let map = json!({
///             "metadata": {"name": format!("split-{}", route.apex), "ownerReferences": owner.collect::<Vec<_>>()},
///             "data": {"primary": route.primary, "canary": "0"},
///         });
///         let map = serde_json::from_value(map).unwrap();
///         self.api(route).create(&PostParams::default(), &map).await.map(drop).map_err(failed)
///     }
///
///     async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
///         Ok(self.live(route).await?.map(|live| Weights::canary(share(&live))))
///     }
///
///     async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
///         let live = self.live(route).await?.ok_or_else(|| RouterError::Invalid {
///             message: format!("configmap split-{} not found", route.apex),
///         })?;
///         self.write(route, live, weights.canary).await
///     }
/// }
///
/// struct Adapter;
///
/// impl RouterAdapter for Adapter {
///     fn router(&self, client: Client) -> Arc<dyn Router> {
///         Arc::new(Balancer(client))
///     }
///     fn kinds(&self) -> Vec<ApiResource> {
///         vec![ApiResource::erase::<ConfigMap>(&())]
///     }
///     fn live_name(&self, route: &RouteSpec) -> String {
///         format!("split-{}", route.apex)
///     }
///     fn spoil(&self, object: &mut Value) {
///         object["data"]["primary"] = json!("elsewhere");
///     }
///     fn personalise(&self, object: &mut Value) {
///         object["data"]["timeout"] = json!("30s");
///     }
/// }
///
/// canary_sandbox::router_contract!(balancer, Adapter); // in a file of tests: one #[test] for each rule
///
/// for rule in canary_sandbox::contract::rule_names() {
///     hold(&Adapter, rule); // what these tests do
/// }
/// ```
#[macro_export]
macro_rules! router_contract {
    ($name:ident, $adapter:expr) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::router_contract! { @rules ($adapter)
                the_first_call_creates_what_is_missing
                an_object_of_the_users_is_taken_over
                weights_are_read_back
                a_second_call_writes_nothing
                what_others_wrote_survives
                a_repair_moves_no_traffic
                a_conflict_heals_with_the_next_call
                a_missing_definition_is_named
                a_missing_permission_is_named
                an_error_is_not_swallowed
                an_object_that_went_away_comes_back
                finalize_gives_back_what_was_found
                conditions_choose_requests
                requests_are_mirrored
                sessions_are_kept
            }
        }
    };
    (@rules ($adapter:expr) $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::contract::hold(&$adapter, stringify!($rule));
            }
        )*
    };
}
