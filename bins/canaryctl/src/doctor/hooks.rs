//! Addresses of hooks: a Service of the cluster with such a port, or a host that answers.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use super::{Examination, State};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);

impl Examination<'_> {
    pub(super) async fn hooks(&mut self) {
        let hooks =
            self.manifest.object.pointer("/spec/analysis/webhooks").and_then(Value::as_array).cloned();
        for hook in hooks.unwrap_or_default() {
            let what = format!("hook {}", hook["name"].as_str().unwrap_or_default());
            let address = hook["url"].as_str().unwrap_or_default();
            match Url::parse(address) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => self.address(&what, &url).await,
                // The text may hold a password.
                _ => self.row(what, State::Bad, "url is not an address such as http://loadtester.test/"),
            }
        }
    }

    async fn address(&mut self, what: &str, url: &Url) {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let Some(service) = Service::of(host, &self.canary.namespace) else {
            let (state, text) = connect(host, port).await;
            return self.row(what, state, text);
        };
        let label = format!("Service {}.{}", service.name, service.namespace);
        match self.cluster.find("v1", "Service", &service.namespace, &service.name).await {
            Ok(Some(found)) => {
                let ports: Vec<u64> = found.object["spec"]["ports"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|port| port["port"].as_u64())
                    .collect();
                if ports.contains(&u64::from(port)) {
                    self.row(what, State::Good, format!("{label} has port {port}"));
                } else {
                    let text = format!("{label} has no port {port}, but {ports:?}");
                    self.row(what, State::Bad, text);
                }
            }
            Ok(None) => {
                let absent = self.cluster.absent("v1", "Service", &service.namespace, &service.name).await;
                let reached = if service.certain { None } else { Some(connect(host, port).await) };
                match reached {
                    None => self.row(what, State::Bad, absent),
                    Some((State::Good, text)) => self.row(what, State::Good, text),
                    // A name of the canary's own namespace is hardly that of a host elsewhere.
                    Some((_, text)) if host.contains('.') && service.namespace == self.canary.namespace => {
                        self.row(what, State::Bad, format!("{text}; {absent}"));
                    }
                    Some((state, text)) => self.row(what, state, format!("{text}; {absent}")),
                }
            }
            Err(error) => self.row(what, State::Doubtful, format!("{label} cannot be read: {error}")),
        }
    }
}

async fn connect(host: &str, port: u16) -> (State, String) {
    match tokio::time::timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => (State::Good, format!("{host}:{port} takes connections")),
        Ok(Err(error)) => {
            (State::Doubtful, format!("{host}:{port} cannot be reached from this machine: {error}"))
        }
        Err(_) => {
            (State::Doubtful, format!("{host}:{port} does not answer this machine within {PATIENCE:?}"))
        }
    }
}

/// A Service that a name in the cluster means.
#[derive(Debug, PartialEq)]
struct Service {
    name: String,
    namespace: String,
    /// The name can mean nothing else.
    certain: bool,
}

impl Service {
    fn of(host: &str, namespace: &str) -> Option<Self> {
        let host = host.trim_end_matches('.');
        if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') || host == "localhost" {
            return None;
        }
        let labels: Vec<_> = host.split('.').collect();
        let (name, namespace, certain) = match labels.as_slice() {
            // Which namespace is the controller's; that of the canary is as good a guess as any.
            [name] => (name, &namespace, false),
            [name, namespace] => (name, namespace, false),
            [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
                (name, namespace, true)
            }
            _ => return None,
        };
        Some(Self { name: (*name).to_owned(), namespace: (*namespace).to_owned(), certain })
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn names_of_the_cluster_are_told_from_others() {
        let of =
            |host| Service::of(host, "test").map(|s| format!("{}.{} {}", s.name, s.namespace, s.certain));
        for (host, expected) in [
            ("loadtester.test", Some("loadtester.test false")),
            ("loadtester", Some("loadtester.test false")),
            ("loadtester.ops.svc", Some("loadtester.ops true")),
            ("loadtester.ops.svc.cluster.local", Some("loadtester.ops true")),
            ("hooks.example.com", None),
            ("127.0.0.1", None),
            ("localhost", None),
        ] {
            assert_eq!(of(host).as_deref(), expected, "{host}");
        }
    }
}
