//! Where real requests are counted: in Prometheus, or on the pages of the pods themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use url::Url;

use super::guard;
use super::page::Selector;
use super::pods::{self, Labelled};
use super::prometheus;
use crate::load::duration;
use crate::payload::Payload;
use crate::targets::Targets;

/// How often Prometheus reads the pods, unless `scrape` says otherwise.
const PROMETHEUS: Duration = Duration::from_secs(15);
/// How often the pods are read by the load tester itself.
const PODS: Duration = Duration::from_secs(5);

/// Where real requests are counted.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// How often pods are read.
    pub(crate) scrape: Duration,
    /// Selects counters; those of one pod are added up.
    pub(crate) query: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Prometheus(Url),
    Pages(Vec<Url>, Selector),
    Labels { selector: String, port: u16, path: String, counter: Selector },
}

impl Source {
    /// Reads the metadata.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub(crate) fn of(payload: &Payload) -> Result<Self, String> {
        let given = |key: &str| payload.get(key).map(str::trim).filter(|value| !value.is_empty());
        let (prometheus, pods) = (given("prometheus"), given("pods"));
        if prometheus.is_none() && pods.is_none() {
            return Err("prometheus or pods is required to fill up real traffic".to_owned());
        }
        let query = given("query").ok_or("query is required to fill up real traffic")?.to_owned();
        let (kind, usual) = match (prometheus, pods) {
            (Some(_), Some(_)) | (None, None) => {
                return Err("prometheus and pods exclude each other".to_owned());
            }
            (Some(prometheus), None) => {
                let prometheus = prometheus.parse().map_err(|error| format!("prometheus: {error}"))?;
                if query.contains('[') {
                    return Err("query takes a selector of counters without a range, such as \
                        http_requests_total{namespace=\"test\"}"
                        .to_owned());
                }
                (Kind::Prometheus(prometheus), PROMETHEUS)
            }
            (None, Some(pods)) if pods.contains("://") => {
                let pages: Result<Vec<Url>, String> = pods
                    .split([',', ' ', '\n'])
                    .filter(|page| !page.is_empty())
                    .map(|page| page.parse().map_err(|error| format!("pods: {page:?}: {error}")))
                    .collect();
                (Kind::Pages(pages?, Selector::parse(&query)?), PODS)
            }
            (None, Some(selector)) => {
                let (port, path) = page(given("metrics").unwrap_or_default())?;
                let selector = selector.to_owned();
                (Kind::Labels { selector, port, path, counter: Selector::parse(&query)? }, PODS)
            }
        };
        let scrape = duration(payload, "scrape")?.unwrap_or(usual);
        Ok(Self { scrape, query, kind })
    }

    /// The hosts that it asks, as far as the metadata name them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let host = |url: &Url| url.host_str().map(str::to_owned);
        match &self.kind {
            Kind::Prometheus(url) => host(url).into_iter().collect(),
            Kind::Pages(pages, _) => pages.iter().filter_map(host).collect(),
            Kind::Labels { .. } => Vec::new(),
        }
    }

    /// Ready to be asked, in the name of a canary's namespace.
    ///
    /// # Errors
    /// It may not be asked, or cannot.
    pub(crate) fn open(
        self,
        targets: Arc<Targets>,
        cluster: Option<Client>,
        namespace: &str,
    ) -> Result<Opened, String> {
        let pods = match &self.kind {
            Kind::Prometheus(url) => guard::permit(&targets, url).map(|()| None)?,
            Kind::Pages(pages, _) => {
                pages.iter().try_for_each(|p| guard::permit(&targets, p)).map(|()| None)?
            }
            Kind::Labels { selector, port, path, .. } => Some(Labelled {
                client: cluster.ok_or("pods: there is no cluster whose pods could be found by labels")?,
                namespace: namespace.to_owned(),
                selector: selector.clone(),
                port: *port,
                path: path.clone(),
            }),
        };
        Ok(Opened { client: guard::client(targets.clone())?, source: self, targets, pods })
    }
}

/// A port and a path, such as `:9797/metrics`.
fn page(text: &str) -> Result<(u16, String), String> {
    let wrong = || "metrics takes the port and path of the pods' page, such as :9797/metrics".to_owned();
    let (port, path) = text.strip_prefix(':').ok_or_else(wrong)?.split_once('/').ok_or_else(wrong)?;
    Ok((port.parse().map_err(|_| wrong())?, format!("/{path}")))
}

/// A source that can be asked.
pub(crate) struct Opened {
    pub(crate) source: Source,
    client: reqwest::Client,
    targets: Arc<Targets>,
    pods: Option<Labelled>,
}

impl Opened {
    /// The counters of each pod: seconds since 1970 and counts, in order.
    ///
    /// # Errors
    /// Why nothing is seen.
    pub(super) async fn ask(&self) -> Result<BTreeMap<String, Vec<(f64, f64)>>, String> {
        let Source { scrape, query, kind } = &self.source;
        match (kind, &self.pods) {
            (Kind::Prometheus(url), _) => prometheus::ask(&self.client, url, query, *scrape).await,
            (Kind::Pages(pages, counter), _) => {
                let pages = pages.iter().map(|page| (page.to_string(), page.clone())).collect();
                pods::read(&self.client, pages, counter).await
            }
            (Kind::Labels { counter, .. }, Some(labelled)) => {
                pods::read(&self.client, labelled.pages(&self.targets).await?, counter).await
            }
            (Kind::Labels { .. }, None) => Err("there is no cluster".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(pairs: &[(&str, &str)]) -> Result<Source, String> {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Source::of(&Payload { metadata, ..Payload::default() })
    }

    #[test]
    fn prometheus_pages_and_labels_are_told_apart() {
        let prometheus = source(&[("prometheus", "http://prometheus:9090"), ("query", "a")]).unwrap();
        assert_eq!((prometheus.hosts(), prometheus.scrape), (vec!["prometheus".to_owned()], PROMETHEUS));
        let pages = source(&[("pods", "http://a:1/m, http://b:1/m"), ("query", "a")]).unwrap();
        assert_eq!((pages.hosts().len(), pages.scrape), (2, PODS));
        let pods = [("pods", "app=podinfo"), ("metrics", ":9797/metrics"), ("query", "a"), ("scrape", "2s")];
        let labels = source(&pods).unwrap();
        assert_eq!((labels.hosts().len(), labels.scrape.as_secs()), (0, 2));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (pairs, why) in [
            (&[("query", "a")][..], "prometheus or pods is required"),
            (&[("prometheus", "http://p:1")], "query is required"),
            (&[("prometheus", "http://p:1"), ("query", "a[1m]")], "without a range"),
            (&[("prometheus", "http://p:1"), ("pods", "a=b"), ("query", "a")], "exclude each other"),
            (&[("pods", "a=b"), ("query", "a")], ":9797/metrics"),
            (&[("pods", "a=b"), ("metrics", "9797"), ("query", "a")], ":9797/metrics"),
            (&[("pods", "http://a:x/"), ("query", "a")], "pods: "),
            (&[("pods", "http://a:1/"), ("query", "rate(a[1m])")], "it takes a selector"),
        ] {
            let error = source(pairs).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_may_not_be_dialled_is_not_asked() {
        for (address, why) in [
            ("http://169.254.169.254/metrics", "is not a target"),
            ("http://prometheus:9090", "is not a target"),
        ] {
            let source = source(&[("prometheus", address), ("query", "a")]).unwrap();
            let error = source.open(Arc::new(Targets::new(vec![], vec![])), None, "test").err().unwrap();
            assert!(error.contains(why), "{error}");
        }
        let source = source(&[("pods", "http://169.254.169.254/m"), ("query", "a")]).unwrap();
        let named = Targets::new(vec![], vec![]).naming(["169.254.169.254".to_owned()]);
        assert!(source.open(Arc::new(named), None, "test").err().unwrap().contains("link-local"));
    }
}
