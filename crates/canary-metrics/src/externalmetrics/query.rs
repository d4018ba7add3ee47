//! The query text of a template: `[<namespace>/]<metric>[?labelSelector=<selector>]`.

use canary_core::MetricError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

const DEFAULT_NAMESPACE: &str = "default";
/// What may stand in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// `/namespaces/<namespace>/<metric>`, encoded.
    pub(super) path: String,
    /// Decoded.
    pub(super) selector: Option<String>,
}

impl Query {
    pub(super) fn read(text: &str) -> Result<Self, MetricError> {
        let wrong = |problem: &str| {
            MetricError::Refused(format!(
                "the query {problem}; expected [<namespace>/]<metric>[?labelSelector=<selector>]"
            ))
        };
        let text = text.trim();
        let (path, parameters) = text.split_once('?').unwrap_or((text, ""));
        let decoded = |part: &str| {
            percent_decode_str(part).decode_utf8().map(String::from).map_err(|_| wrong("is not text"))
        };
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let (namespace, metric) = match parts.as_slice() {
            [metric] => (DEFAULT_NAMESPACE.to_owned(), decoded(metric)?),
            [namespace, metric] => (decoded(namespace)?, decoded(metric)?),
            _ => return Err(wrong("has more than one slash")),
        };
        if metric.is_empty() || namespace.is_empty() {
            return Err(wrong("names no metric"));
        }
        let selector = form_urlencoded::parse(parameters.as_bytes())
            .find(|(name, _)| name == "labelSelector")
            .map(|(_, value)| value.into_owned())
            .filter(|selector| !selector.is_empty());
        let encoded = |part: &str| utf8_percent_encode(part, SEGMENT).to_string();
        Ok(Self { path: format!("/namespaces/{}/{}", encoded(&namespace), encoded(&metric)), selector })
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn namespace_and_selector_may_be_left_out() {
        for (text, path, selector) in [
            ("requests", "/namespaces/default/requests", None),
            (" /shop/requests\n", "/namespaces/shop/requests", None),
            (
                "shop/a%2Fb?labelSelector=app%3Dcart%2Cx%20in%20(a)",
                "/namespaces/shop/a%2Fb",
                Some("app=cart,x in (a)"),
            ),
            ("requests?labelSelector=", "/namespaces/default/requests", None),
        ] {
            let query = Query::read(text).unwrap();
            assert_eq!((query.path.as_str(), query.selector.as_deref()), (path, selector), "{text}");
        }
        for text in ["", "/", "a/b/c", "?labelSelector=a", "shop/"] {
            assert!(Query::read(text).is_err(), "{text}");
        }
    }
}
