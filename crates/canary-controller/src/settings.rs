//! What an operator chooses for the whole controller, as plain values with Flagger's defaults.
//!
//! Where they come from (flags, environment, a test) is the caller's business; so are ports, logs and credentials of the
//! cluster.

use std::fmt;
use std::time::Duration;

use canary_egress::Egress;

/// Settings of a [`Controller`](crate::Controller).
///
/// ```
/// use canary_controller::Settings;
/// let settings = Settings { namespace: Some("test".into()), ..Settings::default() };
/// assert_eq!(settings.mesh_provider, "istio");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The router of canaries that name none.
    pub mesh_provider: String,
    /// The only namespace that is looked at; `None`: all.
    pub namespace: Option<String>,
    /// Label keys that may tell the pods of a workload apart, the preferred one first.
    pub selector_labels: Vec<String>,
    /// Labels and annotations whose key starts with one of these are copied to primaries; `*` copies all.
    pub include_label_prefix: Vec<String>,
    /// `ConfigMap`s and `Secret`s of a workload belong to its revision.
    pub config_tracking: bool,
    /// Address of the Prometheus that answers built-in metrics.
    pub metrics_server: Address,
    /// Told of every event.
    pub event_webhook: Option<Address>,
    /// Shown in alerts; empty: not shown.
    pub cluster_name: String,
    /// Gets the alerts of canaries that have no alert rules of their own.
    pub chat: Option<Chat>,
    /// Canaries may not refer to objects of other namespaces.
    pub no_cross_namespace_refs: bool,
    /// Period of what is done once for all canaries, such as counting them.
    pub control_loop_interval: Duration,
    /// Prefix of the annotations that NGINX reads.
    pub ingress_annotations_prefix: String,
    /// Class that Contour proxies get; empty: none.
    pub ingress_class: String,
    /// Objects of the mesh live in another cluster than the canaries, so these cannot own them.
    pub mesh_in_other_cluster: bool,
    /// What hooks, metric providers and chats may be reached at.
    pub egress: Egress,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mesh_provider: "istio".into(),
            namespace: None,
            selector_labels: ["app", "name", "app.kubernetes.io/name"].map(str::to_owned).into(),
            include_label_prefix: Vec::new(),
            config_tracking: true,
            metrics_server: Address::new("http://prometheus:9090"),
            event_webhook: None,
            cluster_name: String::new(),
            chat: None,
            no_cross_namespace_refs: false,
            control_loop_interval: Duration::from_secs(10),
            ingress_annotations_prefix: "nginx.ingress.kubernetes.io".into(),
            ingress_class: String::new(),
            mesh_in_other_cluster: false,
            egress: Egress::default(),
        }
    }
}

/// The chat service that gets alerts by default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chat {
    /// Slack, or what takes its messages.
    Slack(SlackChat),
    /// Microsoft Teams.
    MsTeams(MsTeamsChat),
}

/// How Slack is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackChat {
    /// Where messages are posted.
    pub url: Address,
    /// Authorizes a bot; `None`: the address alone is enough.
    pub token: Option<Secret>,
    /// HTTP proxy on the way.
    pub proxy: Option<Address>,
    /// Name under which messages appear.
    pub user: String,
    /// Channel in which they appear.
    pub channel: String,
}

/// How Teams is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsTeamsChat {
    /// Where messages are posted.
    pub url: Address,
    /// HTTP proxy on the way.
    pub proxy: Option<Address>,
}

/// A text that never appears in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An address whose path may be a credential, as those of chat services are: shown, it is scheme and host only.
///
/// ```
/// use canary_controller::Address;
/// let address = Address::new("https://hooks.example.com/services/T0/B0/key");
/// assert_eq!(format!("{address:?}"), r#"Address("https://hooks.example.com/…")"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Takes `url`, which the caller has checked.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The whole address.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port.
    fn origin(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return String::new() };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // User and password, if any, end at the last `@`.
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}/")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(\"{}…\")", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_can_be_printed_without_giving_away_a_credential() {
        let settings = Settings {
            event_webhook: Some(Address::new("https://user:hidden@hooks.example.com/hidden?key=hidden")),
            chat: Some(Chat::Slack(SlackChat {
                url: Address::new("hidden"),
                token: Some(Secret::new("hidden")),
                proxy: Some(Address::new("http://hidden@proxy.example.com:3128")),
                user: "flagger".into(),
                channel: "general".into(),
            })),
            ..Settings::default()
        };
        let text = format!("{settings:?}");
        assert!(!text.contains("hidden"), "{text}");
        assert!(
            text.contains("https://hooks.example.com/…") && text.contains("http://proxy.example.com:3128/…"),
            "{text}"
        );
    }
}
