//! Flags about what is rolled out and how.

use std::time::Duration;

use anyhow::{Context, bail};
use canary_controller::{Address, Egress, Network, Settings};
use clap::{ArgAction, Args};
use url::Url;

use super::go_syntax::go_bool;

/// What is rolled out and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rollouts")]
pub(crate) struct RolloutFlags {
    /// Mesh or ingress of canaries that name none
    #[arg(long, value_name = "NAME", default_value = "istio")]
    mesh_provider: String,
    /// The only namespace to look at; empty: all
    #[arg(long, value_name = "NAMESPACE", default_value = "")]
    namespace: String,
    /// Address of the Prometheus that answers built-in metrics
    #[arg(long, value_name = "URL", default_value = "http://prometheus:9090")]
    metrics_server: String,
    /// Period of what is done once for all canaries
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = period)]
    control_loop_interval: Duration,
    /// Label keys that may tell the pods of a workload apart, the preferred one first
    #[arg(long, value_name = "KEYS", default_value = "app,name,app.kubernetes.io/name")]
    selector_labels: String,
    /// Prefixes of the labels and annotations that are copied to primaries; `*`: all
    #[arg(long, value_name = "PREFIXES", default_value = "")]
    include_label_prefix: String,
    /// Prefix of the annotations that NGINX reads
    #[arg(long, value_name = "PREFIX", default_value = "nginx.ingress.kubernetes.io")]
    ingress_annotations_prefix: String,
    /// Class that Contour proxies get
    #[arg(long, value_name = "CLASS", default_value = "")]
    ingress_class: String,
    /// A changed `ConfigMap` or Secret is a new revision of the workloads that use it
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true",
        value_parser = go_bool, action = ArgAction::Set)]
    enable_config_tracking: bool,
    /// Canaries may not refer to objects of other namespaces
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
        value_parser = go_bool, action = ArgAction::Set)]
    no_cross_namespace_refs: bool,
    /// Networks that hooks, metric servers and chats may be in although metadata services or the API server are
    #[arg(long, value_name = "NETWORKS", default_value = "")]
    egress_allow: String,
}

impl RolloutFlags {
    /// The settings that these flags make; the others have their defaults. `known` refuses mesh providers that do not exist.
    ///
    /// # Errors
    /// What is wrong with which flag, and what would be right.
    pub(crate) fn settings(self, known: impl FnOnce(&str) -> anyhow::Result<()>) -> anyhow::Result<Settings> {
        let Self {
            mesh_provider,
            namespace,
            metrics_server,
            control_loop_interval,
            selector_labels,
            include_label_prefix,
            ingress_annotations_prefix,
            ingress_class,
            enable_config_tracking,
            no_cross_namespace_refs,
            egress_allow,
        } = self;
        known(&mesh_provider).context("-mesh-provider")?;
        let Some(metrics_server) = address("-metrics-server", &metrics_server)? else {
            bail!("-metrics-server is empty; it takes an address such as http://prometheus:9090");
        };
        let mut egress = Egress::default();
        for network in words(&egress_allow) {
            egress = egress.with_allowed(network.parse::<Network>().context("-egress-allow")?);
        }
        Ok(Settings {
            egress,
            mesh_provider,
            namespace: Some(namespace).filter(|namespace| !namespace.is_empty()),
            selector_labels: words(&selector_labels),
            include_label_prefix: words(&include_label_prefix),
            config_tracking: enable_config_tracking,
            metrics_server,
            no_cross_namespace_refs,
            control_loop_interval,
            ingress_annotations_prefix,
            ingress_class,
            ..Settings::default()
        })
    }
}

/// The parts of a comma list.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A positive duration in Go's notation.
fn period(text: &str) -> Result<Duration, String> {
    let wanted = || "it takes a duration above zero, such as 10s or 1m30s".to_owned();
    let parsed: kube::core::Duration = text.parse().map_err(|_| wanted())?;
    let duration = Duration::from(parsed);
    if parsed.is_negative() || duration.is_zero() { Err(wanted()) } else { Ok(duration) }
}

/// An address, or `None` for the empty text. The text is never repeated: it may hold a token.
pub(super) fn address(name: &str, text: &str) -> anyhow::Result<Option<Address>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wanted = "it takes an address such as https://host:port/path";
    let url = Url::parse(text).with_context(|| format!("{name} is malformed; {wanted}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        bail!("{name} is not an HTTP address; {wanted}");
    }
    Ok(Some(Address::new(text)))
}
