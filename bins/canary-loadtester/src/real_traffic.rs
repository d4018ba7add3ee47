//! Real traffic as Prometheus has counted it, and load that is filled up to a target with it.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_load::{TopUp, TopUpSettings, TopUpState};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::load::duration;
use crate::payload::Payload;
use crate::query::as_number;
use crate::runs::Record;

/// Between two steps of the law at the most.
const STEP: Duration = Duration::from_secs(5);
/// How long Prometheus may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time 0 of the law lies so long before the start, since there are samples from before it.
const BEFORE: f64 = 600.0;
/// The longest answer that is read.
const LONGEST: usize = 4 << 20;

/// Where real requests are counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    prometheus: Url,
    /// Selects counters; those of one pod are added up.
    query: String,
    /// How often pods are scraped.
    pub(crate) scrape: Duration,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Source {
    /// Reads the metadata.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub(crate) fn of(payload: &Payload) -> Result<Self, String> {
        let required = |key: &str| {
            let value = payload.get(key).filter(|value| !value.is_empty());
            value.ok_or_else(|| format!("{key} is required to fill up real traffic"))
        };
        let prometheus = required("prometheus")?;
        let prometheus: Url = prometheus.parse().map_err(|error| format!("prometheus: {error}"))?;
        let query = required("query")?.to_owned();
        if query.contains('[') {
            return Err("query takes a selector of counters without a range, such as \
                http_requests_total{namespace=\"test\"}"
                .to_owned());
        }
        Ok(Self {
            prometheus,
            query,
            scrape: duration(payload, "scrape")?.unwrap_or(Duration::from_secs(15)),
        })
    }

    /// The host that is asked.
    pub(crate) fn host(&self) -> Option<&str> {
        self.prometheus.host_str()
    }

    /// The counters of each pod: seconds since 1970 and counts, in order.
    async fn ask(&self, client: &reqwest::Client) -> Result<BTreeMap<String, Vec<(f64, f64)>>, String> {
        let mut url = self.prometheus.clone();
        url.set_path(&format!("{}/api/v1/query", url.path().trim_end_matches('/')));
        let window = (self.scrape.as_secs_f64() * 4.0).ceil().max(5.0);
        let query = format!("{}[{window}s]", self.query);
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = client.get(url).query(&[("query", query)]).send().await.map_err(told)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(format!("the answer has more than {LONGEST} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(format!("Prometheus answers {status}"));
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|error| format!("the answer is no matrix: {error}"))?;
        Ok(by_pod(answer.data.result))
    }
}

/// Adds up the series of each pod at each time. A series that is not there yet counts as zero.
fn by_pod(series: Vec<Series>) -> BTreeMap<String, Vec<(f64, f64)>> {
    // Times as milliseconds, which they are in Prometheus.
    let mut pods: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for one in series {
        let pod = ["pod", "kubernetes_pod_name", "instance"].iter().find_map(|label| one.metric.get(*label));
        let times = pods.entry(pod.cloned().unwrap_or_default()).or_default();
        for (at, value) in one.values {
            let at = u64::try_from(Duration::try_from_secs_f64(at).unwrap_or_default().as_millis());
            if let (Ok(at), Ok(value)) = (at, value.parse::<f64>()) {
                *times.entry(at).or_default() += value;
            }
        }
    }
    let seconds = |at: u64| Duration::from_millis(at).as_secs_f64();
    pods.into_iter().map(|(pod, t)| (pod, t.into_iter().map(|(at, v)| (seconds(at), v)).collect())).collect()
}

/// Changes the rate of a run so that real and own requests together reach the target, until the run ends.
pub(crate) async fn fill_up(settings: TopUpSettings, source: &Source, record: &Record) {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default();
    let zero = record.began.as_duration().as_secs_f64() - BEFORE;
    let mut top_up = TopUp::new(settings);
    let mut snapshots = record.handle().snapshots();
    let mut clock = tokio::time::interval(STEP.min(source.scrape));
    let (mut total, mut last_state) = (0, None);
    top_up.sent(Duration::from_secs_f64(BEFORE), 0.0);
    loop {
        tokio::select! {
            snapshot = snapshots.next() => {
                let Some(snapshot) = snapshot else { return };
                total += snapshot.counts().sent;
                let at = Duration::from_secs_f64(BEFORE) + Duration::from_secs(snapshot.second + 1);
                top_up.sent(at, as_number(total));
            }
            _ = clock.tick() => {
                match source.ask(&client).await {
                    Ok(pods) => {
                        for (pod, samples) in pods {
                            for (at, counter) in samples {
                                if let Ok(at) = Duration::try_from_secs_f64(at - zero) {
                                    top_up.sample(&pod, at, counter);
                                }
                            }
                        }
                    }
                    Err(why) => tracing::warn!(why, "real traffic is not seen"),
                }
                let now = Timestamp::now().as_duration().as_secs_f64() - zero;
                let step = top_up.step(Duration::try_from_secs_f64(now).unwrap_or_default());
                record.handle().set_rate(step.rate);
                record.set_top_up(step);
                if last_state.replace(step.state) != Some(step.state) {
                    tell(step.state, &source.query);
                }
            }
        }
    }
}

fn tell(state: TopUpState, query: &str) {
    match state {
        TopUpState::Mismatch => tracing::error!(
            query,
            "own requests do not arrive where real ones are counted: the query or the address is wrong; load has ended"
        ),
        TopUpState::Blind => tracing::error!(query, "no counter was seen for a minute: load is taken back"),
        TopUpState::Starting | TopUpState::Seeing | TopUpState::Holding | _ => {
            tracing::info!(query, ?state, "filling up real traffic");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use canary_load::{Arrivals, Engine, Plan, Profile};
    use serde_json::json;
    use tokio_util::sync::CancellationToken;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;
    use crate::runs::{Label, Runs};

    #[test]
    fn the_series_of_a_pod_are_added_up_at_each_time() {
        let series: Vec<Series> = serde_json::from_value(json!([
            {"metric": {"pod": "a", "status": "200"}, "values": [[1.0, "10"], [2.0, "20"]]},
            {"metric": {"pod": "a", "status": "500"}, "values": [[2.0, "3"]]},
            {"metric": {"pod": "b"}, "values": [[1.5, "7"]]},
        ]))
        .unwrap();
        let pods = by_pod(series);
        assert_eq!(pods["a"], [(1.0, 10.0), (2.0, 23.0)]);
        assert_eq!(pods["b"], [(1.5, 7.0)]);
    }

    /// A service that counts its requests, and the Prometheus that scrapes it each second, in one.
    async fn service() -> (MockServer, Arc<AtomicU64>, Arc<Mutex<Vec<(f64, u64)>>>) {
        let (server, count, scrapes) =
            (MockServer::start().await, Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let counted = count.clone();
        Mock::given(path("/work"))
            .respond_with(move |_: &Request| {
                counted.fetch_add(1, Ordering::Relaxed);
                ResponseTemplate::new(200)
            })
            .mount(&server)
            .await;
        let seen = scrapes.clone();
        Mock::given(path("/api/v1/query"))
            .respond_with(move |request: &Request| {
                assert!(request.url.query_pairs().any(|(_, query)| query == "requests_total[5s]"));
                let all = seen.lock().unwrap();
                let values: Vec<_> = all
                    .iter()
                    .rev()
                    .take(4)
                    .rev()
                    .map(|(at, n): &(f64, u64)| json!([at, n.to_string()]))
                    .collect();
                let result = json!([{"metric": {"pod": "a"}, "values": values}]);
                ResponseTemplate::new(200)
                    .set_body_json(json!({"data": {"resultType": "matrix", "result": result}}))
            })
            .mount(&server)
            .await;
        (server, count, scrapes)
    }

    fn constant(url: &str, rate: f64) -> Plan {
        Plan::get(url).unwrap().open(Profile::constant(rate), Arrivals::Poisson { seed: 5 })
    }

    #[tokio::test]
    async fn load_on_a_real_server_fills_up_its_real_traffic_and_yields_when_that_grows() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (server, count, scrapes) = service().await;
        let url = format!("{}/work", server.uri());
        let users = Engine::start(constant(&url, 40.0)).unwrap();
        let mut payload = Payload::default();
        for (key, value) in
            [("prometheus", server.uri().as_str()), ("query", "requests_total"), ("scrape", "1s")]
        {
            payload.metadata.insert(key.into(), value.into());
        }
        let source = Source::of(&payload).unwrap();
        let settings = TopUpSettings { rise: 0.5, ..TopUpSettings::new(100.0, source.scrape) };
        let (runs, stop) = (Runs::default(), CancellationToken::new());
        let running = {
            let (runs, stop) = (runs.clone(), stop.clone());
            let plan = constant(&url, 0.0);
            tokio::spawn(async move {
                let drive = |record: Arc<Record>| async move { fill_up(settings, &source, &record).await };
                runs.run(plan, Label::default(), stop, drive).await
            })
        };
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let (mut filled, mut yielded) = (0, 0);
        for second in 0..60 {
            clock.tick().await;
            let now = Timestamp::now().as_duration().as_secs_f64();
            scrapes.lock().unwrap().push((now, count.load(Ordering::Relaxed)));
            let rate = runs.all().first().and_then(|run| run.top_up()).map_or(0.0, |step| step.rate);
            // Poisson alone moves the estimate of a second by 10 a second.
            filled += u32::from(yielded == 0 && (30.0..90.0).contains(&rate));
            if filled == 6 {
                users.handle().set_rate(200.0);
                yielded = 1;
                filled = 7;
            } else if yielded > 0 && rate < 1.0 {
                yielded += 1;
            }
            if yielded > 3 {
                break;
            }
            assert!(second < 59, "filled {filled}, yielded {yielded}, {rate}");
        }
        stop.cancel();
        let report = running.await.unwrap().unwrap().unwrap();
        assert_eq!(report.planned, report.sent + report.not_sent.total());
        users.stop(Duration::ZERO).await;
    }
}
