#![doc = include_str!("../README.md")]

mod backend;
mod built_in;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(feature = "kubernetes")]
mod cluster;
mod datadog;
mod dynatrace;
mod externalmetrics;
mod graphite;
mod hidden;
mod http_clients;
mod influxdb;
#[cfg(feature = "kubernetes")]
mod keptn;
mod loadtest;
mod newrelic;
mod observer;
mod prometheus;
mod providers;
mod quantity;
mod query_model;
mod sample;
mod setting;
mod sharing;
#[cfg(any(feature = "cloudwatch", feature = "stackdriver"))]
mod signing;
#[cfg(feature = "splunk")]
mod splunk;
#[cfg(feature = "stackdriver")]
mod stackdriver;
mod template;

pub use canary_core::{Measurement, MetricError, MetricProvider, Samples};
pub use http_clients::HttpOptions;
#[cfg(feature = "kubernetes")]
pub use kube;
pub use observer::{OBSERVERS, Observer, observer};
pub use providers::{MetricProviders, ProviderConstructor, ProviderSpec};
pub use query_model::QueryModel;
pub use template::{Template, TemplateError};
