//! Requests as tests see them: what was asked, what is to go wrong, and how much was asked so far.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// Counts requests from 1, across all clients.
    pub n: u64,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; `get` for what is no resource.
    pub verb: &'static str,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name of the resource, or the path of what is none.
    pub resource: String,
    /// `status`, `scale`, or empty.
    pub subresource: String,
    /// Namespace; empty for the whole cluster.
    pub namespace: String,
    /// Name of the object; empty for collections. A creation states it in its body.
    pub name: String,
}

impl RequestInfo {
    /// The resource as kubectl names it, `deployments.apps` or `canaries.flagger.app/status`.
    pub fn qualified(&self) -> String {
        let mut text = self.resource.clone();
        for (mark, part) in [('.', &self.group), ('/', &self.subresource)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }
}

impl fmt::Display for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} {}", self.n, self.verb, self.qualified())?;
        if !self.namespace.is_empty() {
            write!(f, " in {}", self.namespace)?;
        }
        if !self.name.is_empty() {
            write!(f, " {:?}", self.name)?;
        }
        Ok(())
    }
}

/// What an interceptor wants to happen to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Carry it out.
    #[default]
    Pass,
    /// Refuse it with this HTTP status.
    FailBefore(u16),
    /// Break the connection; it takes no effect.
    DropBefore,
    /// Carry it out and break the connection instead of answering.
    DropAfter,
    /// The client's process dies: this and every later request of the clients that exist now takes no effect, and none
    /// of them is ever answered. See [`Sandbox::severed`](crate::Sandbox::severed).
    KillBefore,
    /// As [`Verdict::KillBefore`], but this request takes effect.
    KillAfter,
    /// Carry it out after that time, on tokio's clock.
    Delay(Duration),
}

/// The requests so far.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    count: u64,
    by_kind: BTreeMap<(&'static str, String), u64>,
}

impl RequestLog {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(crate) fn note(&mut self, info: &RequestInfo) {
        *self.by_kind.entry((info.verb, info.qualified())).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> RequestCounts {
        RequestCounts { by_kind: self.by_kind.clone() }
    }
}

/// How many requests were made, by verb and resource. The difference of two says what happened in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    by_kind: BTreeMap<(&'static str, String), u64>,
}

impl RequestCounts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// All requests but the starts of watches.
    pub fn without_watches(&self) -> u64 {
        self.by_kind.iter().filter(|((verb, _), _)| *verb != "watch").map(|(_, count)| count).sum()
    }

    /// Requests of one verb on one resource, `("update", "canaries.flagger.app/status")`.
    pub fn of(&self, verb: &str, resource: &str) -> u64 {
        self.by_kind.iter().filter(|((v, r), _)| *v == verb && r == resource).map(|(_, count)| count).sum()
    }

    /// Verb, resource and count, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.by_kind.iter().map(|((verb, resource), count)| (*verb, resource.as_str(), *count))
    }

    /// What was asked since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut by_kind = self.by_kind.clone();
        for (kind, count) in &earlier.by_kind {
            if let Some(own) = by_kind.get_mut(kind) {
                *own = own.saturating_sub(*count);
            }
        }
        by_kind.retain(|_, count| *count > 0);
        Self { by_kind }
    }
}
