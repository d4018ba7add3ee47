//! Notifiers by the name of their type. Not where the settings come from.

use std::sync::Arc;

use canary_core::{Notifier, NotifyError, Registry, UnknownName};
use canary_egress::Egress;

use crate::clients::Clients;
use crate::{NotifierSpec, discord, gchat, msteams, rocket, slack};

type Made = Result<Arc<dyn Notifier>, NotifyError>;
type Constructor = Arc<dyn Fn(&NotifierSpec) -> Made + Send + Sync>;

/// Builds notifiers: those of Flagger, and the program's own.
///
/// Building opens no connection, so it may be done for every alert; HTTP clients are shared among all notifiers of one
/// registry that have the same proxy.
///
/// ```
/// use std::sync::Arc;
/// use async_trait::async_trait;
/// use canary_core::{Alert, Notifier, NotifyError};
/// use canary_notifiers::{NotifierSpec, Notifiers};
///
/// struct Pager { team: String }
///
/// #[async_trait]
/// impl Notifier for Pager {
///     async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
///         println!("{}: {}", self.team, alert.text);
///         Ok(())
///     }
/// }
///
/// let notifiers = Notifiers::new()
///     .with("acme-pager", |spec| Ok(Arc::new(Pager { team: spec.channel.clone() })));
/// assert!(notifiers.build(&NotifierSpec::new("acme-pager", "")).is_ok());
/// assert_eq!(
///     notifiers.build(&NotifierSpec::new("slak", "https://…")).err().unwrap().to_string(),
///     r#"unknown notifier "slak"; known are: acme-pager, discord, gchat, msteams, rocket, slack"#
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Notifiers(Registry<Constructor>);

impl Notifiers {
    /// The notifiers of Flagger: `slack`, `msteams`, `discord`, `rocket` and `gchat`.
    pub fn new() -> Self {
        Self::with_egress(Egress::default())
    }

    /// Like [`Notifiers::new`], with other rules about what may be reached than the default ones.
    pub fn with_egress(egress: Egress) -> Self {
        let clients = Arc::new(Clients::new(egress));
        Self(Registry::new("notifier"))
            .with_ours(slack::NAME, &clients, slack::Slack::new)
            .with_ours(msteams::NAME, &clients, msteams::MsTeams::new)
            .with_ours(discord::NAME, &clients, discord::Discord::new)
            .with_ours(rocket::NAME, &clients, rocket::Rocket::new)
            .with_ours(gchat::NAME, &clients, gchat::GChat::new)
    }

    /// With one more type; the same name again replaces.
    #[must_use]
    pub fn with(
        self,
        name: impl Into<String>,
        constructor: impl Fn(&NotifierSpec) -> Result<Arc<dyn Notifier>, NotifyError> + Send + Sync + 'static,
    ) -> Self {
        Self(self.0.with(name, Arc::new(constructor)))
    }

    /// The notifier of `spec`.
    ///
    /// # Errors
    /// [`NotifierError::Unknown`] if there is no such type, [`NotifierError::Settings`] if a setting is missing or
    /// malformed. An empty address is one of these; Flagger sends nothing then and says nothing. Trying again helps only
    /// after a change.
    pub fn build(&self, spec: &NotifierSpec) -> Result<Arc<dyn Notifier>, NotifierError> {
        Ok(self.0.get(&spec.kind)?(spec)?)
    }

    /// The known types, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names()
    }

    fn with_ours<N: Notifier + 'static>(
        self,
        name: &str,
        clients: &Arc<Clients>,
        new: fn(&NotifierSpec, &Clients) -> Result<N, NotifyError>,
    ) -> Self {
        let clients = Arc::clone(clients);
        self.with(name, move |spec| Ok(Arc::new(new(spec, &clients)?)))
    }
}

impl Default for Notifiers {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a notifier cannot be built. Never holds the address or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifierError {
    /// There is no such type.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A setting is missing or malformed.
    #[error(transparent)]
    Settings(#[from] NotifyError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(spec: &NotifierSpec) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Notifiers::new().build(spec).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn all_types_of_flagger_are_known() {
        let notifiers = Notifiers::new();
        assert_eq!(notifiers.names().collect::<Vec<_>>(), ["discord", "gchat", "msteams", "rocket", "slack"]);
        for kind in notifiers.names() {
            assert_eq!(error(&NotifierSpec::new(kind, "https://chat.test/secret")), "", "{kind}");
        }
    }

    #[test]
    fn an_unknown_type_is_an_error_that_lists_the_known_ones() {
        assert_eq!(
            error(&NotifierSpec::new("Slack", "https://chat.test/")),
            r#"unknown notifier "Slack"; known are: discord, gchat, msteams, rocket, slack"#
        );
    }

    #[test]
    fn services_that_show_them_need_a_channel_and_a_user() {
        for (kind, needed) in
            [("slack", true), ("discord", true), ("rocket", true), ("msteams", false), ("gchat", false)]
        {
            let spec = NotifierSpec::new(kind, "https://chat.test/");
            let no_channel = NotifierSpec { channel: String::new(), ..spec.clone() };
            let no_user = NotifierSpec { username: String::new(), ..spec };
            let expected = |setting| {
                if needed { format!("{kind}: {setting} is empty; name one") } else { String::new() }
            };
            assert_eq!(error(&no_channel), expected("channel"));
            assert_eq!(error(&no_user), expected("username"));
        }
    }

    #[test]
    fn a_malformed_address_is_refused_without_repeating_it() {
        for address in ["chat.test/secret", "/secret", "ftp://secret", "https://", "https://secret:x/"] {
            for kind in Notifiers::new().names() {
                assert_eq!(
                    error(&NotifierSpec::new(kind, address)),
                    format!("{kind}: address is not an absolute http or https URL"),
                    "{address}"
                );
            }
        }
        assert_eq!(
            error(&NotifierSpec::new("gchat", " ")),
            "gchat: address is empty; give one, or a secret with the key address"
        );
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        let mut spec = NotifierSpec::new("slack", "https://chat.test/");
        spec.token = Some("xoxb\n1".into());
        assert_eq!(error(&spec), "slack: token holds characters other than visible ASCII ones");
        spec.token = Some("xoxb-1\n".into());
        assert_eq!(error(&spec), "", "secrets often end in a line break");
    }
}
