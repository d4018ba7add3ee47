#![doc = include_str!("../README.md")]

mod bases;
mod call;
mod check;
mod cleaner;
mod code;
mod compile;
mod complaints;
mod consistency;
mod feed;
mod fetch;
mod journal;
mod judge;
mod loading;
mod login;
mod mistake;
mod overlay;
mod quantity;
mod recover;
mod reference;
mod report;
mod scenario;
mod selector;
mod setting;
mod source;
mod spec;
mod template;
mod vars;
mod visit;
mod written;

pub use bases::arm_address;
pub use check::Comparison;
pub use cleaner::{Cleaner, Cleanup, Leftover};
pub use complaints::Complaint;
pub use fetch::{ClusterFiles, Fetched, Fetcher, digest};
pub use journal::{Entry, Journal, RunHeader, Values};
pub use judge::{Rule, Ruling};
pub use loading::TopUpPlan;
pub use login::{Login, Logins};
pub use mistake::{Mistake, Mistakes};
pub use quantity::{length, rate};
pub use recover::{leftovers, recover};
pub use report::{Histogram64, RunReport, Second, Seconds};
pub use scenario::{Ready, Scenario};
pub use setting::{CanaryNames, Setting};
pub use spec::{
    ArrivalsSpec, CleanupAt, CleanupBudget, FeedSpec, FlowSpec, FormatSpec, GitFile, LoadSpec, Mode,
    ObjectKey, Of, OnFetchError, OrderSpec, ProtocolSpec, RealSpec, ScenarioFile, SourceSpec, StageSpec,
    StepSpec, schema,
};
