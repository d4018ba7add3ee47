//! A run as server-sent events: what happened in each second, and the report at its end.

use std::sync::Arc;

use canary_load::{Snapshot, Snapshots};
use futures::Stream;
use serde_json::{Value, json};

use crate::runs::{Record, shown};

/// Events from now on: `snapshot` each second, then `report`. A run that has ended has its report only.
pub(crate) fn of(record: Arc<Record>) -> impl Stream<Item = String> + Send + 'static {
    // Subscribed here, so that nothing is missed between the answer and its first event.
    let snapshots = record.handle().snapshots();
    futures::stream::unfold(Some((record, snapshots)), |state| async move {
        let (record, mut snapshots): (Arc<Record>, Snapshots) = state?;
        if let Some(snapshot) = snapshots.next().await {
            let event = event("snapshot", &second(&snapshot, &record));
            return Some((event, Some((record, snapshots))));
        }
        record.over().await;
        let report = record.report().map_or(Value::Null, |report| json!(report));
        Some((event("report", &report), None))
    })
}

fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

/// A second: counts, and quantiles in milliseconds.
fn second(snapshot: &Snapshot, record: &Record) -> Value {
    let (counts, latency) = (snapshot.counts(), snapshot.latency());
    let quantile = |q: f64| {
        let micros = std::time::Duration::from_micros(latency.value_at_quantile(q));
        (!latency.is_empty()).then_some(micros.as_secs_f64() * 1e3)
    };
    json!({
        "second": snapshot.second,
        "wanted": snapshot.rate,
        "sent": counts.sent,
        "done": counts.done,
        "errors": counts.errors(),
        "not_sent": counts.not_sent,
        "in_flight": snapshot.in_flight,
        "waiting": snapshot.waiting,
        "p50": quantile(0.5),
        "p99": quantile(0.99),
        "lag_p99": snapshot.lag().p99,
        "top_up": record.top_up().as_ref().map(shown),
    })
}
