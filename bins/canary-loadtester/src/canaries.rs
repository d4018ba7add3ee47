//! The live Canaries: what their hooks name, and which phase they are in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_api::Canary;
use futures::StreamExt;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::payload::Payload;

/// Requests to the API server at a time: callers without credentials can cause them.
const REQUESTS: usize = 4;
/// How long a caller waits for the API server.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads Canaries. Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Canaries {
    client: Option<Client>,
    known: Arc<Mutex<Known>>,
    requests: Option<Arc<Semaphore>>,
}

/// What the watch knows of a Canary.
pub(crate) enum Watched {
    Canary(Box<Canary>),
    Gone,
    /// It is not watched, or not yet.
    Unknown,
}

#[derive(Default)]
struct Known {
    /// The watch has listed all of them and goes on.
    complete: bool,
    /// The only namespace that is watched; none: all are.
    namespace: Option<String>,
    canaries: HashMap<(String, String), Canary>,
}

impl Canaries {
    /// Those of a cluster; nothing is asked yet.
    pub(crate) fn of(client: Client) -> Self {
        Self {
            client: Some(client),
            known: Arc::default(),
            requests: Some(Arc::new(Semaphore::new(REQUESTS))),
        }
    }

    /// The cluster, if there is one.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client.clone()
    }

    /// As the watch has it, else as the API server says.
    ///
    /// # Errors
    /// A sentence that says why the answer is not known.
    pub(crate) async fn look(&self, namespace: &str, name: &str) -> Result<Option<Canary>, String> {
        match self.watched(namespace, name) {
            Watched::Canary(canary) => Ok(Some(*canary)),
            Watched::Gone => Ok(None),
            Watched::Unknown => self.ask(namespace, name).await,
        }
    }

    /// Whether there is a cluster at all.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Follows all Canaries as long as it is polled. Without the right to list them, each is asked for when needed.
    pub(crate) async fn follow(self) {
        let Some(client) = self.client.clone() else { return };
        let all = Api::<Canary>::all(client.clone());
        let is_forbidden = matches!(
            all.list_metadata(&ListParams::default().limit(1)).await,
            Err(kube::Error::Api(status)) if status.is_forbidden()
        );
        let own = is_forbidden.then(|| client.default_namespace().to_owned());
        let canaries = own.as_ref().map_or(all, |own| Api::namespaced(client, own));
        let mut events = std::pin::pin!(watcher(canaries, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(watcher::Event::Init) => {
                    *known = Known { namespace: own.clone(), ..Known::default() };
                }
                Ok(watcher::Event::InitApply(canary) | watcher::Event::Apply(canary)) => {
                    drop(known.canaries.insert(key(&canary), canary));
                }
                Ok(watcher::Event::InitDone) => known.complete = true,
                Ok(watcher::Event::Delete(canary)) => drop(known.canaries.remove(&key(&canary))),
                Err(error) => {
                    known.complete = false;
                    tracing::debug!(%error, "canaries cannot be watched");
                }
            }
        }
    }

    /// The Canary as the watch has it.
    pub(crate) fn watched(&self, namespace: &str, name: &str) -> Watched {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_watched = known.namespace.as_deref().is_none_or(|watched| watched == namespace);
        if !known.complete || !is_watched {
            return Watched::Unknown;
        }
        let canary = known.canaries.get(&(namespace.to_owned(), name.to_owned())).cloned();
        canary.map_or(Watched::Gone, |canary| Watched::Canary(Box::new(canary)))
    }

    /// Asks the API server.
    ///
    /// # Errors
    /// A sentence that says why the answer is not known.
    pub(crate) async fn ask(&self, namespace: &str, name: &str) -> Result<Option<Canary>, String> {
        let (Some(client), Some(requests)) = (&self.client, &self.requests) else {
            return Err("there is no cluster to ask for the Canary".to_owned());
        };
        let asking = async {
            let _permit = requests.acquire().await;
            Api::<Canary>::namespaced(client.clone(), namespace).get_opt(name).await
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(canary)) => Ok(canary),
            Ok(Err(kube::Error::Api(status))) => {
                Err(format!("the Canary cannot be read: {}", status.message))
            }
            Ok(Err(error)) => Err(format!("the Canary cannot be read: {error}")),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }

    /// The live Canary, if one of its webhooks names this request: path, host and metadata.
    ///
    /// # Errors
    /// A sentence that says what does not agree.
    pub(crate) async fn naming(&self, payload: &Payload, host: &str, path: &str) -> Result<Canary, String> {
        let (namespace, name) = (payload.namespace.as_str(), payload.name.as_str());
        if namespace.is_empty() || name.is_empty() {
            return Err("the payload names no Canary".to_owned());
        }
        if let Watched::Canary(canary) = self.watched(namespace, name)
            && names(&canary.spec, payload, host, path)
        {
            return Ok(*canary);
        }
        // The watch may be behind.
        match self.ask(namespace, name).await? {
            Some(canary) if names(&canary.spec, payload, host, path) => Ok(canary),
            Some(_) => Err(format!("no webhook of the Canary {name}.{namespace} is this request")),
            None => Err(format!("there is no Canary {name}.{namespace}")),
        }
    }
}

/// The analysis of a Canary, under its name of today or the older one.
fn analysis(spec: &Value) -> Option<&Value> {
    spec.get("analysis").or_else(|| spec.get("canaryAnalysis"))
}

fn hooks(spec: &Value) -> impl Iterator<Item = &Value> {
    let hooks = analysis(spec).and_then(|analysis| analysis.get("webhooks")).and_then(Value::as_array);
    hooks.into_iter().flatten()
}

/// Whether one of the webhooks of a Canary has this metadata.
pub(crate) fn has_metadata(canary: &Canary, payload: &Payload) -> bool {
    hooks(&canary.spec).any(|hook| metadata(hook).as_ref() == Some(&payload.metadata))
}

/// The time between two calls of a Canary's hooks.
pub(crate) fn interval(canary: &Canary) -> Option<Duration> {
    let interval = analysis(&canary.spec)?.get("interval")?.as_str()?;
    interval.parse::<canary_api::GoDuration>().ok().map(canary_api::GoDuration::to_std)
}

/// The part of the traffic that goes to the canary, from 0 to 1.
pub(crate) fn weight(canary: &Canary) -> Option<f64> {
    let percent = canary.status.get("canaryWeight").and_then(Value::as_f64)?;
    Some((percent / 100.0).clamp(0.0, 1.0))
}

/// Whether one of the webhooks of a Canary's spec is this request.
fn names(spec: &Value, payload: &Payload, host: &str, path: &str) -> bool {
    hooks(spec).any(|hook| {
        let url = hook.get("url").and_then(Value::as_str).and_then(|url| url::Url::parse(url).ok());
        let Some(url) = url else { return false };
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        is_host_of(&url, host)
            && format!("{}{query}", url.path()) == path
            && metadata(hook) == Some(payload.metadata.clone())
    })
}

/// Whether a client that follows `url` sends that header. Some leave the scheme's own port out, and some do not.
fn is_host_of(url: &url::Url, header: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match header.rsplit_once(':') {
        // What is behind the last colon of an IPv6 address without a port ends with a bracket.
        Some((host, port)) if is_port(port) => (host, Some(port)),
        Some(_) | None => (header, None),
    };
    let default = || url::Url::parse(&format!("{}://h/", url.scheme())).ok()?.port_or_known_default();
    let port = match port {
        None | Some("") => default(),
        Some(port) => port.parse().ok(),
    };
    port.is_some()
        && port == url.port_or_known_default()
        && url.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(host))
}

fn metadata(hook: &Value) -> Option<std::collections::BTreeMap<String, String>> {
    match hook.get("metadata") {
        None | Some(Value::Null) => Some(std::collections::BTreeMap::new()),
        Some(metadata) => serde_json::from_value(metadata.clone()).ok(),
    }
}

/// The phase that the controller wrote; empty when it wrote none.
pub(crate) fn phase(canary: &Canary) -> &str {
    canary.status.get("phase").and_then(Value::as_str).unwrap_or_default()
}

/// The name of a Canary's Service.
pub(crate) fn service(canary: &Canary) -> Option<&str> {
    let text = |path: &str| canary.spec.pointer(path).and_then(Value::as_str);
    text("/service/name").filter(|name| !name.is_empty()).or_else(|| text("/targetRef/name"))
}

/// The hosts that a Canary names: its Services in all their forms, and the hosts of its routes.
pub(crate) fn hosts(canary: &Canary) -> Vec<String> {
    let namespace = canary.metadata.namespace.as_deref().unwrap_or_default();
    let mut hosts = Vec::new();
    if let Some(name) = service(canary) {
        for name in [name.to_owned(), format!("{name}-canary"), format!("{name}-primary")] {
            for ending in ["", ".svc", ".svc.cluster.local", ".svc.cluster.local."] {
                hosts.push(format!("{name}.{namespace}{ending}"));
            }
        }
    }
    let routes = canary.spec.pointer("/service/hosts").and_then(Value::as_array);
    hosts.extend(routes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    hosts
}

fn key(canary: &Canary) -> (String, String) {
    let metadata = &canary.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

#[cfg(test)]
impl Canaries {
    /// As if the watch had found these.
    pub(crate) fn found(canaries: Vec<Canary>) -> Self {
        let canaries = canaries.into_iter().map(|canary| (key(&canary), canary)).collect();
        Self {
            known: Arc::new(Mutex::new(Known { complete: true, namespace: None, canaries })),
            ..Self::default()
        }
    }

    /// With a cluster to ask for everything else.
    pub(crate) fn in_cluster(mut self, client: Client) -> Self {
        (self.client, self.requests) = (Some(client), Some(Arc::new(Semaphore::new(REQUESTS))));
        self
    }

    /// Changes the phase of one, or takes it away.
    pub(crate) fn set_phase(&self, namespace: &str, name: &str, phase: Option<&str>) {
        let key = (namespace.to_owned(), name.to_owned());
        let mut known = self.known.lock().unwrap();
        match phase {
            Some(phase) => {
                known.canaries.get_mut(&key).unwrap().status = serde_json::json!({"phase": phase});
            }
            None => drop(known.canaries.remove(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Value {
        json!({
            "targetRef": {"kind": "Deployment", "name": "podinfo"},
            "service": {"port": 9898, "hosts": ["app.example"]},
            "analysis": {"webhooks": [
                {"url": "http://tester.test/", "metadata": {"cmd": "hey http://podinfo/"}},
                {"url": "http://tester.test:8080/gate/check"},
            ]},
        })
    }

    fn payload(metadata: &Value) -> Payload {
        let text = json!({"name": "podinfo", "namespace": "test", "metadata": metadata}).to_string();
        Payload::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_request_is_named_only_when_host_path_and_metadata_agree() {
        let cmd = payload(&json!({"cmd": "hey http://podinfo/"}));
        assert!(names(&spec(), &cmd, "tester.test", "/"));
        assert!(!names(&spec(), &cmd, "other.test", "/"));
        assert!(!names(&spec(), &cmd, "tester.test", "/gate/open"));
        assert!(!names(&spec(), &payload(&json!({"cmd": "rm -rf /"})), "tester.test", "/"));
        assert!(!names(
            &spec(),
            &payload(&json!({"cmd": "hey http://podinfo/", "type": "bash"})),
            "tester.test",
            "/"
        ));
        assert!(names(&spec(), &payload(&json!(null)), "tester.test:8080", "/gate/check"));
        assert!(!names(&json!("odd"), &cmd, "tester.test", "/"));
    }

    #[test]
    fn the_port_of_a_scheme_may_be_named_or_left_out_on_either_side() {
        for (url, host, expected) in [
            ("http://tester.test/", "tester.test", true),
            ("http://tester.test:80/", "tester.test:80", true),
            ("http://tester.test:80/", "tester.test", true),
            ("http://tester.test/", "TESTER.test:80", true),
            ("http://tester.test/", "tester.test:", true),
            ("https://tester.test:443/", "tester.test:443", true),
            ("https://tester.test/", "tester.test:443", true),
            ("https://tester.test:443/", "tester.test", true),
            ("http://tester.test:8080/", "tester.test:8080", true),
            ("http://10.1.2.3:80/", "10.1.2.3:80", true),
            ("http://[fd00::1]/", "[fd00::1]:80", true),
            ("http://[fd00::1]/", "[fd00::1]", true),
            ("http://tester.test/", "tester.test:443", false),
            ("https://tester.test/", "tester.test:80", false),
            ("http://tester.test:8080/", "tester.test", false),
            ("http://tester.test/", "tester.test:8080", false),
            ("http://tester.test/", "tester.test:80:80", false),
            ("http://tester.test/", "tester.test:99999", false),
            ("http://tester.test/", ":80", false),
            ("http://tester.test/", "", false),
            ("mailto:a@tester.test", "", false),
        ] {
            assert_eq!(is_host_of(&url.parse().unwrap(), host), expected, "{url} and {host}");
        }
    }

    #[test]
    fn its_services_and_the_hosts_of_its_routes_are_its_hosts() {
        let hosts = hosts(&Canary::new("test", "podinfo", spec()));
        for host in
            ["podinfo.test", "podinfo-canary.test", "podinfo-primary.test.svc.cluster.local", "app.example"]
        {
            assert!(hosts.contains(&host.to_owned()), "{hosts:?}");
        }
    }

    #[tokio::test]
    async fn without_a_cluster_nothing_is_named() {
        let error = Canaries::default().naming(&payload(&json!(null)), "tester.test", "/").await.unwrap_err();
        assert_eq!(error, "there is no cluster to ask for the Canary");
    }
}
