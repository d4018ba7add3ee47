//! The built-in checks: which queries measure success rate and duration on which mesh or ingress.
//! Thresholds and asking are not here.

mod queries;

use crate::{QueryModel, Template, TemplateError};
pub use queries::OBSERVERS;

/// The built-in queries of one mesh or ingress. Queries are `PromQL` templates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observer {
    name: &'static str,
    success_rate: &'static str,
    duration: &'static str,
    /// Milliseconds for one unit of what the duration query answers.
    milliseconds: f64,
    /// The duration query of versions that named the series otherwise, and milliseconds for one unit of its answer.
    older_duration: Option<(&'static str, f64)>,
    /// Whether names stand in the query with `_` for every character that is not a letter, digit or `_`.
    word_names: bool,
}

impl Observer {
    /// The name of the mesh or ingress, such as `istio`. Stable.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The query for the share of requests that succeed, in percent.
    ///
    /// # Errors
    /// Only where a name of the model is so long that the query would be longer than a template may render.
    pub fn success_rate(&self, model: &QueryModel) -> Result<String, TemplateError> {
        self.render(self.success_rate, model)
    }

    /// The query for the duration of requests; [`Observer::duration_milliseconds`] reads its answer.
    ///
    /// # Errors
    /// As for [`Observer::success_rate`].
    pub fn duration(&self, model: &QueryModel) -> Result<String, TemplateError> {
        self.render(self.duration, model)
    }

    /// What the answer to the duration query means, in whole milliseconds. The fraction is cut off, as Flagger does.
    ///
    /// NaN and the infinities are no duration: a quantile beyond the largest bucket says that nobody measured it. Flagger
    /// turns them into 0 ms, which passes every upper bound.
    pub fn duration_milliseconds(&self, answer: f64) -> Option<f64> {
        whole_milliseconds(answer * self.milliseconds)
    }

    /// The query for the duration by the name and unit that the series had before, for servers where
    /// [`Observer::duration`] finds nothing; `None` if there was no other name.
    /// [`Observer::older_duration_milliseconds`] reads its answer.
    pub fn older_duration(&self, model: &QueryModel) -> Option<Result<String, TemplateError>> {
        self.older_duration.map(|(template, _)| self.render(template, model))
    }

    /// What the answer to the older duration query means, as [`Observer::duration_milliseconds`].
    pub fn older_duration_milliseconds(&self, answer: f64) -> Option<f64> {
        self.older_duration.and_then(|(_, milliseconds)| whole_milliseconds(answer * milliseconds))
    }

    fn render(&self, template: &str, model: &QueryModel) -> Result<String, TemplateError> {
        let template = Template::parse(template)?;
        if !self.word_names {
            return template.render(model);
        }
        let word = |text: &str| text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_'), "_");
        template.render(&QueryModel {
            name: word(&model.name),
            namespace: word(&model.namespace),
            target: word(&model.target),
            service: word(&model.service),
            ingress: word(&model.ingress),
            ..model.clone()
        })
    }
}

fn whole_milliseconds(milliseconds: f64) -> Option<f64> {
    let milliseconds = milliseconds.trunc();
    // Adding zero turns -0 into 0.
    milliseconds.is_finite().then_some(milliseconds + 0.0)
}

/// The built-in queries for a canary, and the provider's name as events show it.
///
/// `mesh_provider` is the controller's flag, `canary_provider` the canary's own setting or empty. `core_service_target`
/// says that the canary's target is a core Service, of which only App Mesh and Gloo know the metrics by that name. Names
/// that nothing matches get Istio's queries.
///
/// ```
/// use canary_metrics::observer;
///
/// assert_eq!(observer("istio", "", false).0.name(), "istio");
/// let (queries, provider) = observer("istio", "nginx", true);
/// assert_eq!((queries.name(), provider.as_str()), ("istio", "nginx:service"));
/// ```
pub fn observer(
    mesh_provider: &str,
    canary_provider: &str,
    core_service_target: bool,
) -> (&'static Observer, String) {
    let mut provider = if mesh_provider.contains("crossover") { "crossover" } else { mesh_provider };
    if !canary_provider.is_empty() {
        // Flagger: on Linkerd, a canary's own provider is its ingress, and the mesh still measures.
        provider = if mesh_provider.contains("linkerd") { "linkerd" } else { canary_provider };
    }
    let provider = format!("{provider}{}", if core_service_target { ":service" } else { "" });
    let name = match provider.as_str() {
        appmesh if appmesh.starts_with("appmesh") => "appmesh",
        gloo if gloo.starts_with("gloo") => "gloo",
        http if http == "kubernetes" || http.starts_with("gatewayapi") => "http",
        // The name of an observer, and of no provider.
        "http" => "istio",
        other => other,
    };
    let found = OBSERVERS.iter().find(|observer| observer.name == name);
    (found.unwrap_or(&OBSERVERS[0]), provider)
}

#[cfg(test)]
mod tests;
