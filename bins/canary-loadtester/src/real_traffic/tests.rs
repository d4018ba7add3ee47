//! Filling up on a real server whose requests are really counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use canary_load::{Arrivals, Engine, Plan, Profile};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::payload::Payload;
use crate::runs::{Beginning, Label, Runs};
use crate::targets::Targets;

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
    for (key, value) in [("prometheus", server.uri().as_str()), ("query", "requests_total"), ("scrape", "1s")]
    {
        payload.metadata.insert(key.into(), value.into());
    }
    let source = Source::of(&payload).unwrap();
    let settings = TopUpSettings { rise: 0.5, ..TopUpSettings::new(100.0, source.scrape) };
    let source = source.open(Arc::new(Targets::any()), None, "test").unwrap();
    let (runs, stop) = (Runs::default(), CancellationToken::new());
    let beginning = Beginning {
        id: "1".into(),
        identity: "1".into(),
        label: Label::default(),
        first: None,
        stop: stop.clone(),
    };
    let attended = runs.begin(constant(&url, 0.0), beginning).unwrap();
    let drive = move |record: Arc<Record>| async move { fill_up(settings, &source, &record).await };
    let running = tokio::spawn(attended.attend(drive));
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
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.planned, report.sent + report.not_sent.total());
    users.stop(Duration::ZERO).await;
}
