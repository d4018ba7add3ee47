#![doc = include_str!("../README.md")]

mod http_clients;
mod observer;
mod prometheus;
mod providers;
mod query_model;
mod template;

pub use canary_core::{MetricError, MetricProvider};
pub use http_clients::HttpOptions;
pub use observer::{OBSERVERS, Observer, observer};
pub use providers::{MetricProviders, ProviderConstructor, ProviderSpec};
pub use query_model::QueryModel;
pub use template::{Template, TemplateError};
