//! What a canary's meaning depends on besides itself: the flags of the controller and the routers that it has.

use std::fmt;

use canary_core::{Capabilities, UnknownName};

/// Settings of the controller.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The flag `-mesh-provider`: the provider of canaries that name none.
    pub mesh_provider: &'a str,
    /// What the router of a provider can do; an error names the providers that exist.
    pub capabilities: &'a (dyn Fn(&str) -> Result<Capabilities, UnknownName> + Send + Sync),
    /// The flag `-no-cross-namespace-refs`: references into other namespaces are refused.
    pub no_cross_namespace_refs: bool,
}

impl<'a> Options<'a> {
    /// Settings with references into other namespaces allowed.
    pub fn new(
        mesh_provider: &'a str,
        capabilities: &'a (dyn Fn(&str) -> Result<Capabilities, UnknownName> + Send + Sync),
    ) -> Self {
        Self { mesh_provider, capabilities, no_cross_namespace_refs: false }
    }

    /// The names of the providers that exist: those that the error about an unknown one lists.
    pub(crate) fn providers(&self) -> Vec<String> {
        (self.capabilities)("").err().map(|unknown| unknown.known).unwrap_or_default()
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mesh_provider", &self.mesh_provider)
            .field("no_cross_namespace_refs", &self.no_cross_namespace_refs)
            .finish_non_exhaustive()
    }
}
