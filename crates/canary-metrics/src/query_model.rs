//! What a query template knows about the canary.
//! Built by the caller from the canary object; this crate reads no objects.

use std::collections::BTreeMap;

/// The values behind the functions of a query template.
///
/// ```
/// use canary_metrics::{QueryModel, Template};
///
/// let model = QueryModel { target: "podinfo".into(), interval: "1m".into(), ..QueryModel::default() };
/// let query = Template::parse(r#"up{app="{{ target }}"}[{{ interval }}]"#)?.render(&model)?;
/// assert_eq!(query, r#"up{app="podinfo"}[1m]"#);
/// # Ok::<(), canary_metrics::TemplateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryModel {
    /// Name of the canary.
    pub name: String,
    /// Namespace of the canary.
    pub namespace: String,
    /// Name of the target workload.
    pub target: String,
    /// Name of the apex Service, without a suffix.
    pub service: String,
    /// Name of the ingress, or of the target where there is none.
    pub ingress: String,
    /// Name of the route, or of the target where there is none; for Knative the latest created revision.
    pub route: String,
    /// The range window as the metric states it, such as `1m`. Empty where the metric states none.
    pub interval: String,
    /// The metric's own variables.
    pub variables: BTreeMap<String, String>,
}
