//! Counters of pods, read from the pods themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use canary_load::AddressPolicy;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use url::Url;

use super::guard::body;
use super::page::Selector;
use crate::targets::Targets;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pods that are read at the most.
const MOST: usize = 200;

/// The pods of a namespace, by their labels.
#[derive(Clone)]
pub(super) struct Labelled {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) selector: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Labelled {
    /// The pages of all that are ready, by the names of the pods.
    ///
    /// # Errors
    /// Why the pods are not known.
    pub(super) async fn pages(&self, targets: &Targets) -> Result<Vec<(String, Url)>, String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = ListParams::default().labels(&self.selector);
        let found = match tokio::time::timeout(PATIENCE, pods.list(&all)).await {
            Ok(Ok(found)) => found,
            Ok(Err(kube::Error::Api(status))) => {
                return Err(format!("pods cannot be listed: {}", status.message));
            }
            Ok(Err(error)) => return Err(format!("pods cannot be listed: {error}")),
            Err(_) => return Err("the API server does not answer".to_owned()),
        };
        let pages = found.items.into_iter().filter_map(|pod| {
            // The network of a node is not the pod's.
            let is_own = pod.spec.as_ref().is_some_and(|spec| spec.host_network != Some(true));
            let status = pod.status.filter(|status| status.phase.as_deref() == Some("Running"))?;
            let address: IpAddr = status.pod_ip.filter(|_| is_own)?.parse().ok()?;
            // That it is a pod of the Canary's namespace makes it a target; what is never dialled it stays.
            let named = targets.clone().naming([address.to_string()]);
            named.permit(&address.to_string(), address).ok()?;
            let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
            let page = Url::parse(&format!("http://{host}:{}{}", self.port, self.path)).ok()?;
            Some((pod.metadata.name?, page))
        });
        Ok(pages.take(MOST).collect())
    }
}

/// Reads all pages at a time. Pods that do not answer are left out.
///
/// # Errors
/// None of them answers; why the last did not.
pub(super) async fn read(
    client: &reqwest::Client,
    pages: Vec<(String, Url)>,
    selector: &Selector,
) -> Result<BTreeMap<String, Vec<(f64, f64)>>, String> {
    let all = pages.into_iter().map(|(pod, page)| async move {
        let before = Timestamp::now().as_duration().as_secs_f64();
        let text = body(client.get(page)).await?;
        let after = Timestamp::now().as_duration().as_secs_f64();
        let text = String::from_utf8_lossy(&text);
        let count = selector.sum(&text).ok_or_else(|| format!("the page of {pod} has no such counter"))?;
        Ok((pod, vec![(f64::midpoint(before, after), count)]))
    });
    let mut found = BTreeMap::new();
    let mut why = "there are no pods".to_owned();
    for outcome in futures::future::join_all(all).await {
        match outcome {
            Ok((pod, samples)) => drop(found.insert(pod, samples)),
            Err(error) => why = error,
        }
    }
    if found.is_empty() { Err(why) } else { Ok(found) }
}
