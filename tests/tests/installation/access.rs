//! What was granted beside what was asked for.

use std::collections::BTreeSet;

use serde_json::Value;

/// Group, resource with subresource, and verb.
type Use = (String, String, String);

/// Rights that a rollout on Kubernetes without a mesh does not come to, with the reason.
const NOT_REACHED: [(&str, &str, &str); 10] = [
    ("canaries", "get", "after a conflict"),
    ("canaries/finalizers", "update", "is checked when an owner is named, and asks for nothing"),
    ("events", "patch", "an event that repeats itself is counted after five minutes"),
    ("configmaps", "delete", "is checked when a copy gets a second owner, and asks for nothing"),
    ("secrets", "delete", "the copy of a Secret whose type has changed"),
    ("daemonsets", "get", "one that went away; a new canary is not asked for copies that it cannot have yet"),
    ("horizontalpodautoscalers", "get", "the same"),
    ("scaledobjects", "get", "the same"),
    ("metrictemplates", "get", "one that is missing"),
    ("alertproviders", "get", "one that is missing"),
];
/// Metrics of the cluster, which are asked with these rights where the routers are held to theirs.
const OTHER_FEATURES: [&str; 3] = ["*", "keptnmetrics", "analyses"];

/// Nothing was refused, and what was granted was needed.
pub(crate) fn judge(requests: &[Value], granted: &[Value]) {
    assert!(requests.len() > 50, "only {} requests were logged", requests.len());
    let refused: Vec<String> = requests
        .iter()
        .filter(|r| r["annotations"]["authorization.k8s.io/decision"] == "forbid")
        .map(|r| format!("{} {}", r["verb"], r["requestURI"]))
        .collect();
    assert_eq!(refused, [""; 0], "requests were refused");
    let used: BTreeSet<Use> = requests.iter().filter_map(used).collect();
    let mut spare = Vec::new();
    for (group, resource, verb) in granted.iter().flat_map(uses) {
        let expected = OTHER_FEATURES.contains(&resource.as_str())
            || NOT_REACHED.iter().any(|(r, v, _)| *r == resource && *v == verb);
        let is_used = used.contains(&(group.clone(), resource.clone(), verb.clone()));
        if !is_used && !expected {
            spare.push(format!("{verb} {resource}.{group}"));
        }
    }
    assert_eq!(spare, [""; 0], "rights that nothing needed");
}

fn used(request: &Value) -> Option<Use> {
    let about = request.get("objectRef")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = match about["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&about["resource"])),
        None => text(&about["resource"]),
    };
    Some((text(&about["apiGroup"]), resource, text(&request["verb"])))
}

/// Every combination that a rule grants; paths are left out.
fn uses(rule: &Value) -> Vec<Use> {
    let words =
        |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap_or_default() };
    let mut all = Vec::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            all.extend(words("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
        }
    }
    all
}
