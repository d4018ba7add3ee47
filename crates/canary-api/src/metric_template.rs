//! `MetricTemplate.spec` with types.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::fields::METRIC_TEMPLATE_SPEC;
use crate::objects::{MetricTemplate, label};
use crate::problem::InvalidObject;
use crate::valid::read;

/// A question to a metrics backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MetricTemplateSpec {
    /// The backend.
    pub provider: MetricBackend,
    /// The query, a template.
    pub query: String,
}

/// A metrics backend. Its Debug form shows neither address nor headers, which may hold secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct MetricBackend {
    /// Name of the provider, `prometheus` for example. Not checked here: the registry of providers knows more.
    #[serde(rename = "type")]
    pub kind: String,
    /// Base URL.
    pub address: Option<String>,
    /// Further HTTP headers.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The Secret with the credentials, in the template's namespace.
    pub secret_ref: Option<SecretRef>,
    /// Region.
    pub region: Option<String>,
    /// Certificates are not verified.
    pub insecure_skip_verify: bool,
}

/// A reference to a Secret in the namespace of the object that holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SecretRef {
    /// Name.
    pub name: String,
}

impl fmt::Debug for MetricBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricBackend")
            .field("kind", &self.kind)
            .field("secret_ref", &self.secret_ref)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl MetricTemplate {
    /// What the user wrote, with types.
    ///
    /// ```
    /// use canary_api::MetricTemplate;
    /// use serde_json::json;
    /// let spec = json!({"provider": {"type": "prometheus", "address": "http://prom:9090"}, "query": "vector(1)"});
    /// assert_eq!(MetricTemplate::new("test", "one", spec).check().unwrap().provider.kind, "prometheus");
    /// ```
    ///
    /// # Errors
    /// Names every field that is missing or of the wrong kind.
    pub fn check(&self) -> Result<MetricTemplateSpec, InvalidObject> {
        let (spec, problems) = read(&METRIC_TEMPLATE_SPEC, &self.spec);
        if problems.is_empty() {
            return Ok(spec);
        }
        Err(InvalidObject::new("MetricTemplate", label(&self.metadata), problems))
    }
}
