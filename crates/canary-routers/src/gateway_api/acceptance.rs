//! Whether the gateways have taken an HTTPRoute in: weights that no gateway has accepted are nobody's weights.

use canary_core::RouterError;
use serde_json::Value;

use super::view::HttpRouteSpec;
use crate::viewed::Viewed;

/// Fails while a parent of the route has refused it, or has not seen its present generation. A parent that says nothing, as
/// with gateways that write no status, does not count.
pub(super) fn check(live: &Viewed<HttpRouteSpec>, title: &str) -> Result<(), RouterError> {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or_default();
    let generation = number(live.metadata.rest.get("generation"));
    let statuses = live.rest.get("status").and_then(|status| status["parents"].as_array());
    for parent in live.spec.parent_refs.iter().flatten() {
        let theirs = statuses.into_iter().flatten().filter(|status| status["parentRef"] == *parent);
        let conditions = theirs.filter_map(|status| status["conditions"].as_array()).flatten();
        for accepted in conditions.filter(|condition| condition["type"] == "Accepted") {
            let observed = number(accepted.get("observedGeneration"));
            let status = accepted["status"].as_str().unwrap_or_default();
            if status != "True" || observed < generation {
                let name = parent["name"].as_str().unwrap_or_default();
                let message = format!(
                    "{title} parent {name} is not ready (status: {status}, observed generation: {observed}, current \
                     generation: {generation})"
                );
                return Err(RouterError::Api { message, conflict: false });
            }
        }
    }
    Ok(())
}
