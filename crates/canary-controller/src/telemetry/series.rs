//! The numbers themselves, one entry a canary, and their names in the text format.
//!
//! Counters are written through gauges, under their full name: the library would otherwise declare
//! `flagger_canary_successes` and then write `flagger_canary_successes_total`, which the 0.0.4 text format does not join.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;

/// Bounds of `canaryd_tick_lag_seconds`: fine around the 1 s within which ticks are to start.
const LAG_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Everything that is exposed, apart from the process's own numbers.
#[derive(Debug)]
pub(super) struct Recorded {
    version: String,
    revision: String,
    mesh_provider: String,
    pub(super) lag: Histogram,
    pub(super) state: Mutex<State>,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By namespace and target.
    pub(super) canaries: BTreeMap<String, BTreeMap<String, CanarySeries>>,
    pub(super) totals: BTreeMap<String, usize>,
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// By kind and outcome.
    pub(super) questions: BTreeMap<(&'static str, &'static str), u64>,
    /// How long answers took, by kind of question.
    pub(super) answers: BTreeMap<&'static str, Histogram>,
    pub(super) running: usize,
    pub(super) working: bool,
}

/// The series of one canary. What was never set is not shown.
#[derive(Debug, Default)]
pub(super) struct CanarySeries {
    pub(super) status: Option<i64>,
    /// Primary and canary.
    pub(super) weights: Option<(u8, u8)>,
    pub(super) durations: Option<Histogram>,
    pub(super) values: BTreeMap<String, f64>,
    pub(super) ended: BTreeMap<Ended, u64>,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ended {
    pub(super) strategy: &'static str,
    pub(super) skipped: bool,
    pub(super) success: bool,
}

impl Recorded {
    pub(super) fn new(version: &str, revision: &str, mesh_provider: &str) -> Self {
        Self {
            version: version.to_owned(),
            revision: revision.to_owned(),
            mesh_provider: mesh_provider.to_owned(),
            lag: Histogram::new(LAG_BUCKETS),
            state: Mutex::default(),
        }
    }
}

impl Collector for Recorded {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        gauge(
            out,
            "flagger_info",
            "The version, and the mesh provider of canaries that name none",
            [([("mesh_provider", self.mesh_provider.as_str()), ("version", &self.version)], 1_i64)],
        )?;
        gauge(
            out,
            "canaryd_build_info",
            "The version, and the revision of the source",
            [([("revision", self.revision.as_str()), ("version", &self.version)], 1_i64)],
        )?;
        let help = "How late ticks begin";
        let lag = out.encode_descriptor("canaryd_tick_lag_seconds", help, None, MetricType::Histogram)?;
        self.lag.encode(lag)?;

        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.encode(out)
    }
}

impl State {
    fn encode(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether this process works (1) or stands by (0)";
        let mut alone = out.encode_descriptor("canaryd_working", help, None, MetricType::Gauge)?;
        alone.encode_gauge(&i64::from(self.working))?;
        let (name, help) = ("canaryd_calls_running", "Canaries that are being looked at");
        let mut alone = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
        alone.encode_gauge(&i64::try_from(self.running).unwrap_or(i64::MAX))?;
        self.encode_questions(out)?;
        counter(
            out,
            "canaryd_reconcile_errors_total",
            "Reconciles that failed, by category of error",
            self.errors.iter().map(|(category, count)| ([("category", *category)], *count)),
        )?;
        gauge(
            out,
            "flagger_canary_total",
            "Number of canaries",
            self.totals.iter().map(|(namespace, count)| ([("namespace", namespace.as_str())], *count)),
        )?;
        gauge(
            out,
            "flagger_canary_status",
            "Phase of the canary: 0 progressing, 2 failed, 1 anything else",
            self.each().filter_map(|(labels, series)| Some((labels, series.status?))),
        )?;
        self.encode_weights(out)?;
        self.encode_durations(out)?;
        self.encode_values(out)?;
        let (help, failed) = ("Rollouts that ended in a promotion", "Rollouts that ended in a rollback");
        counter(out, "flagger_canary_successes_total", help, self.ended(true))?;
        counter(out, "flagger_canary_failures_total", failed, self.ended(false))
    }

    fn encode_questions(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counter(
            out,
            "canaryd_questions_total",
            "Hooks, metrics and probes, by what became of them",
            self.questions.iter().map(|((kind, outcome), n)| ([("kind", *kind), ("outcome", *outcome)], *n)),
        )?;
        if self.answers.is_empty() {
            return Ok(());
        }
        let (name, help) = ("canaryd_question_duration_seconds", "How long answers take");
        let mut family = out.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (kind, durations) in &self.answers {
            durations.encode(family.encode_family(&[("kind", *kind)])?)?;
        }
        Ok(())
    }

    fn encode_weights(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let primaries: Vec<(&str, String, u8, &str, u8)> = self
            .canaries
            .iter()
            .flat_map(|(namespace, targets)| {
                targets.iter().map(move |(target, series)| (namespace, target, series))
            })
            .filter_map(|(namespace, target, series)| {
                let (primary, canary) = series.weights?;
                Some((namespace.as_str(), format!("{target}-primary"), primary, target.as_str(), canary))
            })
            .collect();
        gauge(
            out,
            "flagger_canary_weight",
            "Share of the traffic that the workload gets, in percent",
            primaries.iter().flat_map(|(namespace, primary, primary_weight, target, canary_weight)| {
                [
                    ([("namespace", *namespace), ("workload", primary.as_str())], u32::from(*primary_weight)),
                    ([("namespace", *namespace), ("workload", *target)], u32::from(*canary_weight)),
                ]
            }),
        )
    }

    fn encode_durations(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut each = self.each().filter_map(|(l, s)| Some((l, s.durations.as_ref()?))).peekable();
        if each.peek().is_none() {
            return Ok(());
        }
        let help = "How long ticks of a running analysis or promotion take";
        let name = "flagger_canary_duration_seconds";
        let mut family = out.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, durations) in each {
            durations.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_values(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        gauge(
            out,
            "flagger_canary_metric_analysis",
            "The value that a check read last; durations are in seconds",
            self.each().flat_map(|([name, namespace], series)| {
                series
                    .values
                    .iter()
                    .map(move |(metric, value)| ([("metric", metric.as_str()), name, namespace], *value))
            }),
        )
    }

    /// Every canary with its labels, which stand in alphabetical order as in Flagger's output.
    fn each(&self) -> impl Iterator<Item = ([(&'static str, &str); 2], &CanarySeries)> {
        self.canaries.iter().flat_map(|(namespace, targets)| {
            targets.iter().map(move |(target, series)| {
                ([("name", target.as_str()), ("namespace", namespace.as_str())], series)
            })
        })
    }

    fn ended(&self, success: bool) -> impl Iterator<Item = ([(&'static str, &str); 4], u64)> {
        self.each().flat_map(move |([name, namespace], series)| {
            series.ended.iter().filter(move |(ended, _)| ended.success == success).map(
                move |(ended, count)| {
                    let analysis = if ended.skipped { "skipped" } else { "completed" };
                    let labels = [
                        ("analysis_status", analysis),
                        ("deployment_strategy", ended.strategy),
                        name,
                        namespace,
                    ];
                    (labels, *count)
                },
            )
        })
    }
}

/// Writes a gauge with its samples, or nothing when there are none.
fn gauge<L: EncodeLabelSet, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    plain(out, name, help, MetricType::Gauge, samples)
}

/// Writes a counter, whose name ends in `_total`, or nothing when there are no samples.
fn counter<L: EncodeLabelSet, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    plain(out, name, help, MetricType::Counter, samples)
}

fn plain<L: EncodeLabelSet, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    samples: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut family = out.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
