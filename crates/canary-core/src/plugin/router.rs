//! The contract of a mesh or ingress.

use async_trait::async_trait;

use super::RouteSpec;
use crate::Weights;

/// Moves traffic between the primary and the canary of one mesh or ingress.
///
/// Every method may be called again at any time; a call that finds its work done writes nothing. A router sees no phases
/// and no metrics.
///
/// ```
/// use std::sync::Mutex;
/// use async_trait::async_trait;
/// use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
///
/// /// A load balancer in memory.
/// #[derive(Default)]
/// struct Memory(Mutex<Option<Weights>>);
///
/// #[async_trait]
/// impl Router for Memory {
///     async fn reconcile(&self, _: &RouteSpec) -> Result<(), RouterError> {
///         self.0.lock().unwrap().get_or_insert(Weights::PRIMARY);
///         Ok(())
///     }
///     async fn weights(&self, _: &RouteSpec) -> Result<Option<Weights>, RouterError> {
///         Ok(*self.0.lock().unwrap())
///     }
///     async fn set_weights(&self, _: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
///         *self.0.lock().unwrap() = Some(weights);
///         Ok(())
///     }
/// }
/// let router: Box<dyn Router> = Box::<Memory>::default();
/// assert!(router.capabilities().weighted);
/// ```
#[async_trait]
pub trait Router: Send + Sync {
    /// Creates or updates the routing objects so that they match `route`. Weights that are already there stay; objects
    /// that are created send everything to the primary.
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError>;

    /// What the mesh does right now; `None` while there is no route yet.
    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError>;

    /// Makes the mesh do `weights`. Calling it twice changes nothing.
    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError>;

    /// Gives the objects back as they were found.
    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let _ = route;
        Ok(())
    }

    /// What a canary may ask of this router.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

const _: Option<&dyn Router> = None; // stays object-safe

/// What a router can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // independent abilities, read by name
pub struct Capabilities {
    /// Splits traffic by percentage.
    pub weighted: bool,
    /// Sends requests that meet conditions to the canary (A/B testing).
    pub conditions: bool,
    /// Copies requests to the canary, and reports that it does.
    pub mirror: bool,
    /// Keeps a client on the version that it met first.
    pub session_affinity: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { weighted: true, conditions: false, mirror: false, session_affinity: false }
    }
}

impl Capabilities {
    /// The abilities of a router that does nothing (plain Kubernetes).
    pub const NONE: Self =
        Self { weighted: false, conditions: false, mirror: false, session_affinity: false };

    /// Adds A/B testing.
    #[must_use]
    pub fn with_conditions(mut self) -> Self {
        self.conditions = true;
        self
    }

    /// Adds mirroring.
    #[must_use]
    pub fn with_mirror(mut self) -> Self {
        self.mirror = true;
        self
    }

    /// Adds session affinity.
    #[must_use]
    pub fn with_session_affinity(mut self) -> Self {
        self.session_affinity = true;
        self
    }
}

/// Why a router could not do its work. The text is the one that events show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// The API refused or could not be reached; trying again may help.
    #[error("{message}")]
    Api {
        /// What was tried on which object, and the API's answer.
        message: String,
        /// The object changed since it was read: decide again.
        conflict: bool,
    },
    /// The mesh is not installed: its kind is not served.
    #[error("{message}")]
    NotInstalled {
        /// Names the kind and what to install.
        message: String,
    },
    /// The object exists and does not have the form that was expected.
    #[error("{message}")]
    Invalid {
        /// Names the object and the field.
        message: String,
    },
    /// The canary asks for something that this router cannot do.
    #[error("{message}")]
    Unsupported {
        /// Names the field and the router.
        message: String,
    },
}

impl RouterError {
    /// A short stable name for logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Api { conflict: true, .. } => "conflict",
            Self::Api { .. } => "api",
            Self::NotInstalled { .. } => "not-installed",
            Self::Invalid { .. } => "invalid",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    /// Whether the same call may succeed later without anybody changing an object.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Api { .. } | Self::NotInstalled { .. })
    }
}
