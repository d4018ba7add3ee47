//! The name that somebody may have meant.

/// Below this, two names have nothing to do with each other.
const ALIKE: f64 = 0.6;
/// Names that are compared thoroughly.
const CANDIDATES: usize = 20;

/// The most similar one, if there is one that is similar.
pub(super) fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a String> {
    // The cheap measure first: a server may have a hundred thousand names.
    let mut all: Vec<_> = names.iter().map(|name| (strsim::jaro_winkler(wanted, name), name)).collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    let thorough = all
        .into_iter()
        .take(CANDIDATES)
        .map(|(_, name)| (strsim::normalized_damerau_levenshtein(wanted, name), name));
    let best = thorough.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, name)| *likeness >= ALIKE && *name != wanted).map(|(_, name)| name)
}

/// The first of them, in quotes.
pub(super) fn some(values: &[String], most: usize) -> String {
    let shown: Vec<_> = values.iter().take(most).map(|value| format!("{value:?}")).collect();
    let more = values.len().saturating_sub(most);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_mistake_finds_its_name_and_another_word_finds_none() {
        let names: Vec<String> =
            ["go_goroutines", "istio_requests_total", "istio_request_duration_seconds_bucket", "up"]
                .map(str::to_owned)
                .to_vec();
        for (wanted, expected) in [
            ("istio_request_total", Some("istio_requests_total")),
            ("istio_request_duration_milliseconds_bucket", Some("istio_request_duration_seconds_bucket")),
            ("nginx_ingress_controller_requests", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, &names).map(String::as_str), expected, "{wanted}");
        }
        assert_eq!(nearest("up", &[]), None);
    }

    #[test]
    fn many_values_are_counted() {
        let values: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(some(&values, 2), r#""a", "b" and 1 more"#);
        assert_eq!(some(&values, 3), r#""a", "b", "c""#);
    }
}
