//! A scenario file as it is written. What its texts mean is checked in other modules.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A load scenario.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Load scenario")]
pub struct ScenarioFile {
    /// Its name in reports and metrics.
    pub name: String,
    /// How much load, and how it is spaced.
    pub load: LoadSpec,
    /// Where paths of steps lead, such as `http://{{ canary.service }}.{{ canary.namespace }}:9898`.
    pub base: String,
    /// Values that may be set anew for each run; null: one that has to be set.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Data that is fetched anew for each run.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceSpec>,
    /// Rows of data for the templates, each user takes one.
    #[serde(default)]
    pub feeds: BTreeMap<String, FeedSpec>,
    /// Headers of all steps.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What users do; at least one.
    pub flows: Vec<FlowSpec>,
    /// Rules such as `p99 < 300ms` that the run has to keep.
    #[serde(default)]
    pub judge: Vec<String>,
    /// How fast and how long what was written is removed.
    #[serde(default)]
    pub cleanup: CleanupBudget,
}

/// How much load, and how it is spaced. Rates are such as `200/s` or `600/m`, lengths such as `30s`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadSpec {
    /// What the rate follows.
    #[serde(default)]
    pub mode: Mode,
    /// The rate of `constant`; what real and own requests reach together in `top-up`; where `ramp` leads.
    pub target: Option<String>,
    /// Own requests are never more than that.
    pub max: Option<String>,
    /// Where `ramp` and `stages` begin; 0 when left out.
    pub from: Option<String>,
    /// How long `ramp` takes.
    pub over: Option<String>,
    /// The parts of `stages`.
    #[serde(default)]
    pub stages: Vec<StageSpec>,
    /// When it ends; `stages` end by themselves.
    pub duration: Option<String>,
    /// No more users than that.
    pub requests: Option<u64>,
    /// How arrivals are spaced; `poisson` when left out.
    #[serde(default)]
    pub arrivals: ArrivalsSpec,
    /// Makes random arrivals and choices the same in each run.
    pub seed: Option<u64>,
    /// Connections at a time; 50 when left out.
    pub connections: Option<usize>,
    /// After that long a request counts as failed, sent or not; 5s when left out.
    pub timeout: Option<String>,
    /// How requests are sent; `http1` when left out, and `http2` when a step calls a gRPC method.
    pub protocol: Option<ProtocolSpec>,
    /// Requests at a time on a connection of HTTP/2; 10 when left out.
    pub streams: Option<usize>,
    /// A connection is closed after that many requests.
    pub churn: Option<u32>,
    /// Where real requests are counted; only for `top-up`.
    pub real: Option<RealSpec>,
    /// Whose Service is asked.
    #[serde(default)]
    pub of: Of,
    /// Rules such as `errors < 5%` that the primary has to keep in each second, or the load is aborted; with `of: each`.
    #[serde(default)]
    pub primary_limits: Vec<String>,
}

/// Whose Service is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// That of the base, so that weights split the load.
    #[default]
    Service,
    /// The canary's: `-canary` behind the name of the base's.
    Canary,
    /// The canary's and the primary's, in the parts of the traffic that they have.
    Each,
}

/// What the rate follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The same rate all the time.
    #[default]
    Constant,
    /// A straight line from one rate to another, and then that.
    Ramp,
    /// Several straight lines.
    Stages,
    /// Only what real traffic lacks.
    TopUp,
}

/// A part of a load of stages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StageSpec {
    /// The rate at its end.
    pub target: String,
    /// Its length.
    pub r#for: String,
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalsSpec {
    /// As independent users come.
    #[default]
    Poisson,
    /// Each after the same time.
    Even,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolSpec {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, also without TLS.
    Http2,
}

/// Where real requests are counted.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RealSpec {
    /// Address of the Prometheus server. Either that or `pods`.
    pub prometheus: Option<String>,
    /// The pods whose own pages are read: their labels, such as `app=podinfo`, or addresses of pages separated by commas.
    pub pods: Option<String>,
    /// Port and path of the pages of pods that are named by labels, such as `:9797/metrics`.
    pub metrics: Option<String>,
    /// Selector of the pods' request counters, without `rate`.
    pub query: String,
    /// How often it scrapes, 15s when left out; how often pages are read, 5s when left out.
    pub scrape: Option<String>,
    /// How fast own requests may become more, in percent of the target per second; 3% when left out.
    pub rise: Option<String>,
}

/// Where data comes from: exactly one of `inline`, `file`, `url`, `git`, `oci`, `configMap` and
/// `secret`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceSpec {
    /// The data itself.
    pub inline: Option<String>,
    /// A file beside the scenario; only on the command line.
    pub file: Option<String>,
    /// An address; with `sha256`, unless the load tester trusts the host.
    pub url: Option<String>,
    /// A file of a Git repository. Without `sha256`, the load tester has to trust the host.
    pub git: Option<GitFile>,
    /// A file of an OCI artifact: `REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST][#FILE]`. Without a digest, the load tester has
    /// to trust the host.
    pub oci: Option<String>,
    /// A key of a `ConfigMap`.
    #[serde(rename = "configMap")]
    pub config_map: Option<ObjectKey>,
    /// A key of a Secret in the load tester's namespace.
    pub secret: Option<ObjectKey>,
    /// What its content must be, in hexadecimal.
    pub sha256: Option<String>,
    /// How large it may be, such as `16MiB`; 64MiB at the most.
    pub max: Option<String>,
    /// What happens when it cannot be fetched; `fail` when left out.
    #[serde(default)]
    pub on_fetch_error: OnFetchError,
}

/// A file of a Git repository, which is taken from the archive that its forge makes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GitFile {
    /// Address of the repository, such as `https://github.com/shop/load`. GitHub, GitLab, Gitea, Forgejo and Bitbucket have
    /// archives that are found.
    pub url: String,
    /// A branch, a tag or a commit.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Path of the file in it.
    pub path: String,
}

/// What happens when a source cannot be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFetchError {
    /// The run does not begin.
    #[default]
    Fail,
    /// The content of the run before is used again, if there was one.
    Last,
}

/// A key of an object in the cluster.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ObjectKey {
    /// Its name.
    pub name: String,
    /// The key in its data.
    pub key: String,
    /// Its namespace; that of the canary when left out. A Secret is always read in the load tester's own.
    pub namespace: Option<String>,
}

/// Rows of data.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeedSpec {
    /// Name of the source.
    pub from: String,
    /// How it is read; by the source's file name when left out.
    pub format: Option<FormatSpec>,
    /// Which row comes next.
    #[serde(default)]
    pub order: OrderSpec,
}

/// How data is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FormatSpec {
    /// The first line has the names of the columns.
    Csv,
    /// A list.
    Json,
    /// Each line is a row; the template's value is the line.
    Lines,
}

/// Which row comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderSpec {
    /// One after another, and again from the first.
    #[default]
    Circular,
    /// Any.
    Random,
    /// Each once; after the last the run ends.
    Queue,
    /// Each once in any order, and then again in another.
    Shuffle,
}

/// What a user does.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlowSpec {
    /// Its name in reports.
    pub name: String,
    /// Its share of the users, compared with the other flows'; 1 when left out.
    #[serde(default = "one")]
    pub weight: f64,
    /// It changes something: needed for every method but GET and HEAD.
    #[serde(default)]
    pub writes: bool,
    /// Its requests and pauses, one after another.
    pub steps: Vec<StepSpec>,
    /// Requests that take back what the steps did.
    #[serde(default)]
    pub cleanup: Vec<StepSpec>,
    /// When they are sent.
    #[serde(default)]
    pub cleanup_at: CleanupAt,
}

fn one() -> f64 {
    1.0
}

/// When a clean-up happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CleanupAt {
    /// When the user is through the flow.
    #[default]
    Flow,
    /// When the run has ended.
    End,
}

/// How fast and how long what was written is removed. It does not count as load.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CleanupBudget {
    /// Requests a second; `50/s` when left out.
    pub rate: Option<String>,
    /// How long after the end of the run it may go on; `60s` when left out.
    pub time: Option<String>,
}

/// A request, with one of `get`, `post`, `put`, `patch`, `delete`, `head` and `grpc`; or a `pause`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepSpec {
    /// Its name in reports; method and path when left out.
    pub name: Option<String>,
    /// Path of a GET request.
    pub get: Option<String>,
    /// Path of a POST request.
    pub post: Option<String>,
    /// Path of a PUT request.
    pub put: Option<String>,
    /// Path of a PATCH request.
    pub patch: Option<String>,
    /// Path of a DELETE request.
    pub delete: Option<String>,
    /// Path of a HEAD request.
    pub head: Option<String>,
    /// A unary gRPC method, such as `grpc.health.v1.Health/Check`.
    pub grpc: Option<String>,
    /// Its message, in the JSON form of Protocol Buffers; texts in it may be templates. Without fields when left out.
    pub message: Option<Value>,
    /// The source with the descriptor set that has the method; not needed for `grpc.health.v1`.
    pub descriptors: Option<String>,
    /// The method changes nothing. Known of those whose `idempotency_level` is `NO_SIDE_EFFECTS`.
    #[serde(default)]
    pub read_only: bool,
    /// A time such as `2s`, or a random one in a range such as `1s..3s`.
    pub pause: Option<String>,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A body of JSON; texts in it may be templates.
    pub json: Option<Value>,
    /// A body of a form.
    pub form: Option<BTreeMap<String, String>>,
    /// A body of text.
    pub body: Option<String>,
    /// What is kept of the answer for the steps after it: `json PATH`, `header NAME`, `regex PATTERN`, `cookie NAME`,
    /// `status` or `grpc`.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    /// What the answer has to be, such as `status 200..204, 404`, `grpc OK`, `json $.items is not empty` or `latency < 500ms`.
    #[serde(default)]
    pub check: Vec<String>,
}

/// The JSON schema of scenario files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(ScenarioFile)
}
