//! Who is asking, and what they may do.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_api::Canary;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use jiff::Timestamp;

use crate::flags::Auth;
use crate::payload::Payload;
use crate::signature;
use crate::state::State;
use crate::tokens::{Rights, Role};

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Rights are not asked for.
    Anybody,
    /// A process of this pod: whoever may `kubectl exec` may do everything anyway.
    Inside,
    /// Somebody with a token: who, and what rights go with it.
    Token(String, Rights),
    /// Somebody with the key of signatures.
    Signed,
    /// Somebody who asks for exactly what this live Canary names.
    Bound(Box<Canary>),
    /// Load that a process before this one had begun, and its Canary. It was allowed then.
    Resumed(Option<Box<Canary>>),
    /// Somebody without any right, and why.
    Nobody(String),
}

/// A request, as far as it matters for who sent it.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// With the query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) peer: SocketAddr,
    pub(crate) own: SocketAddr,
}

impl Asked<'_> {
    /// The host that the request is for, as its header has it.
    fn host(&self) -> &str {
        self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }
}

impl Caller {
    /// Finds out who is asking. A credential that is wrong is nobody's, whatever else may be.
    pub(crate) async fn of(state: &State, asked: &Asked<'_>, payload: Option<&Payload>) -> Self {
        if state.auth == Auth::None {
            return Self::Anybody;
        }
        if let Some(token) = asked.headers.get(AUTHORIZATION) {
            let token = token.to_str().ok().and_then(credential);
            let Some(token) = token else { return Self::Nobody("the credential is malformed".into()) };
            if let Some(rights) = state.tokens.find(&token) {
                return Self::Token("a token".into(), rights.clone());
            }
            return match state.accounts.find(&token).await {
                Some((account, rights)) => Self::Token(account, rights),
                None => Self::Nobody("the token is not known".into()),
            };
        }
        if let Some(header) = asked.headers.get(signature::HEADER) {
            let now = Timestamp::now().as_second();
            let accepted =
                state.signatures.as_ref().zip(header.to_str().ok()).is_some_and(|(keys, header)| {
                    keys.accept(header, asked.method, asked.path, asked.body, now)
                });
            return if accepted {
                Self::Signed
            } else {
                Self::Nobody("the signature is wrong, too old, or was used before".into())
            };
        }
        if (state.is_inside)(asked.peer, asked.own) {
            return Self::Inside;
        }
        let Some(payload) = payload else { return Self::Nobody("there is no credential".into()) };
        match state.canaries.naming(payload, asked.host(), asked.path).await {
            Ok(canary) => Self::Bound(Box::new(canary)),
            Err(why) => Self::Nobody(why),
        }
    }

    /// The same; or the Canary that names exactly this task, for callers who may run tasks there and have less of a right to this
    /// one than those without a credential.
    pub(crate) async fn or_bound(self, state: &State, asked: &Asked<'_>, payload: &Payload) -> Self {
        let is_outsider = matches!(self, Self::Token(..) | Self::Signed);
        if !is_outsider || !self.may(Role::Run, &payload.namespace) {
            return self;
        }
        let named = state.canaries.naming(payload, asked.host(), asked.path).await;
        named.map_or(self, |canary| Self::Bound(Box::new(canary)))
    }

    /// Whether the caller may do what `role` stands for in a namespace.
    pub(crate) fn may(&self, role: Role, namespace: &str) -> bool {
        match self {
            Self::Anybody | Self::Inside | Self::Signed => true,
            Self::Resumed(_) => role == Role::Run,
            Self::Token(_, rights) => rights.may(role, namespace),
            // Gates are for people to open; a hook that opens its own gate would be none.
            Self::Bound(_) => role != Role::Gate,
            Self::Nobody(_) => false,
        }
    }

    /// Whether the caller may ask for results at all; of which namespaces, [`Caller::may`] says.
    pub(crate) fn may_query(&self) -> bool {
        match self {
            Self::Anybody | Self::Inside | Self::Signed => true,
            Self::Token(_, rights) => rights.has(Role::Read),
            Self::Bound(_) | Self::Resumed(_) | Self::Nobody(_) => false,
        }
    }

    /// Who it is, for logs and gates. No secrets.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Anybody => "anybody".into(),
            Self::Inside => "a shell in the pod".into(),
            Self::Token(who, _) => who.clone(),
            Self::Signed => "a signature".into(),
            Self::Bound(canary) => {
                let metadata = &canary.metadata;
                format!(
                    "the Canary {}.{}",
                    metadata.name.as_deref().unwrap_or_default(),
                    metadata.namespace.as_deref().unwrap_or_default()
                )
            }
            Self::Resumed(_) => "a process before this one".into(),
            Self::Nobody(why) => format!("nobody: {why}"),
        }
    }
}

/// The token of a bearer, or the password of a user: that is how Prometheus clients are given a secret.
fn credential(header: &str) -> Option<String> {
    if let Some(token) = header.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    let pair = STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_as_bearer_or_as_password() {
        assert_eq!(credential("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(credential(&format!("Basic {}", STANDARD.encode("me:abc"))).as_deref(), Some("abc"));
        assert_eq!(credential("Digest abc"), None);
        assert_eq!(credential("Basic ???"), None);
    }
}
