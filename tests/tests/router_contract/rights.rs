//! Routers as users with the rights that the installed role gives for their provider, and what they did with them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use canary_controller::{Part, Right, rights};
use canary_core::{HttpMatch, RouteSpec, Router};
use canary_routers::Routers;
use canary_sandbox::contract::RouterAdapter;
use http::{HeaderValue, Request};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::PostParams;
use kube::client::Body;
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};

/// Verbs of the controller's cache, which reads every kind alike; routers here ask the API server itself.
const OF_THE_CACHE: [&str; 2] = ["list", "watch"];

/// What the rules of the contract do not come to, since they change the object with the weights only; and the test that does.
const NOT_REACHED: [(&str, &str, &str); 4] = [
    ("virtualnodes", "update", "a_repair_keeps_the_weights_of_a_running_rollout"),
    ("destinationrules", "update", "destination_rules_keep_subsets_and_lose_a_foreign_policy"),
    ("upstreams", "update", "an_upstream_that_leads_elsewhere_is_repaired_and_keeps_what_is_not_ours"),
    ("revisions", "get", "a_revision_that_is_not_ready_gets_no_traffic_at_first"),
];

/// A router whose requests are somebody's.
pub(crate) struct As<'a> {
    pub(crate) adapter: &'a dyn RouterAdapter,
    pub(crate) user: String,
}

/// That client as somebody else.
pub(crate) fn impersonating(client: Client, user: &str) -> Client {
    let user = HeaderValue::from_str(user).expect("names of users are plain");
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let (client, user) = (client.clone(), user.clone());
        request.headers_mut().insert("impersonate-user", user);
        request.headers_mut().insert("impersonate-group", HeaderValue::from_static("system:authenticated"));
        async move { client.send(request).await }
    });
    Client::new(service, namespace)
}

impl RouterAdapter for As<'_> {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        self.adapter.router(impersonating(client, &self.user))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        self.adapter.kinds()
    }
    fn is_cluster_scoped(&self, kind: &ApiResource) -> bool {
        self.adapter.is_cluster_scoped(kind)
    }
    fn complete(&self, route: &mut RouteSpec) {
        self.adapter.complete(route);
    }
    fn live_name(&self, route: &RouteSpec) -> String {
        self.adapter.live_name(route)
    }
    fn needs(&self, route: &RouteSpec) -> Vec<Value> {
        self.adapter.needs(route)
    }
    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        self.adapter.existing(route)
    }
    fn spoil(&self, object: &mut Value) {
        self.adapter.spoil(object);
    }
    fn personalise(&self, object: &mut Value) {
        self.adapter.personalise(object);
    }
    fn status(&self, object: &Value) -> Option<Value> {
        self.adapter.status(object)
    }
    fn conditions(&self) -> Vec<HttpMatch> {
        self.adapter.conditions()
    }
}

/// The user that stands for the controller on that provider.
pub(crate) fn user(provider: &str) -> String {
    format!("router-{provider}")
}

/// The name under which metric servers of the cluster stand beside the providers.
pub(crate) const METRICS: &str = "metrics";

/// What the installed role grants for that provider.
fn granted(provider: &str) -> Vec<Right> {
    let is_metric =
        |right: &Right| matches!(right.group.as_str(), "external.metrics.k8s.io" | "metrics.keptn.sh");
    // Routers may read the Services, which the controller has in any case.
    let is_service = |right: &Right| right.group.is_empty() && right.resource == "services";
    let of_provider = |right: &Right| {
        if let Part::Providers(families) = &right.part {
            families.iter().any(|family| family == provider)
        } else if provider == METRICS {
            is_metric(right)
        } else {
            is_service(right)
        }
    };
    rights(&Routers::default()).into_iter().filter(of_provider).collect()
}

/// Gives the user of that provider its rights, and waits until they count.
pub(crate) async fn grant(client: &Client, provider: &str) -> anyhow::Result<()> {
    let name = user(provider);
    let mut rules: Vec<Value> = granted(provider)
        .iter()
        .map(|r| json!({"apiGroups": [r.group], "resources": [r.resource], "verbs": r.verbs}))
        .collect();
    // The owner of what routers make is a ConfigMap here, in the place of a Canary.
    rules.push(json!({"apiGroups": [""], "resources": ["configmaps/finalizers"], "verbs": ["update"]}));
    let role: ClusterRole = serde_json::from_value(json!({"metadata": {"name": name}, "rules": rules}))?;
    Api::all(client.clone()).create(&PostParams::default(), &role).await?;
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    }))?;
    Api::all(client.clone()).create(&PostParams::default(), &binding).await?;
    let about = json!({"group": "", "resource": "configmaps", "subresource": "finalizers", "verb": "update"});
    let question = json!({"metadata": {}, "spec": {"user": name, "resourceAttributes": about}});
    let question: SubjectAccessReview = serde_json::from_value(question)?;
    let begin = Instant::now();
    loop {
        let answer = Api::all(client.clone()).create(&PostParams::default(), &question).await?;
        if answer.status.is_some_and(|status| status.allowed) {
            return Ok(());
        }
        if begin.elapsed() > Duration::from_secs(30) {
            bail!("the rights of {name} do not count");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Requests that were refused, and rights that were not used.
pub(crate) fn judge(provider: &str, requests: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for request in requests {
        let about = &request["objectRef"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if request["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            wrong.push(format!(
                "{provider}: refused {} {}",
                text(&request["verb"]),
                text(&request["requestURI"])
            ));
        }
        // The resources of this group are the names of metrics.
        let group = text(&about["apiGroup"]);
        let resource =
            if group == "external.metrics.k8s.io" { "*".to_owned() } else { text(&about["resource"]) };
        used.insert((group, resource, text(&request["verb"])));
    }
    for right in
        granted(provider).into_iter().filter(|right| right.part != Part::Always || provider == METRICS)
    {
        for verb in right.verbs.iter().filter(|verb| provider == METRICS || !OF_THE_CACHE.contains(verb)) {
            let key = (right.group.clone(), right.resource.clone(), (*verb).to_owned());
            let elsewhere =
                NOT_REACHED.iter().any(|(resource, v, _)| *resource == right.resource && v == verb);
            if !used.contains(&key) && !elsewhere {
                wrong.push(format!(
                    "{provider}: {verb} {}.{} was granted and not used",
                    right.resource, right.group
                ));
            }
        }
    }
    wrong
}
