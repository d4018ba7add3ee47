use serde_json::Value;

use super::*;

/// The schema of a path such as `Canary spec.analysis.metrics[].name`.
fn schema(crd: usize, path: &str) -> Value {
    let crd = serde_json::to_value(&crds()[crd]).unwrap();
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for step in path.split('.') {
        let (name, lists) = (step.trim_end_matches("[]"), step.matches("[]").count());
        schema = if name == "*" {
            schema["additionalProperties"].clone()
        } else {
            schema["properties"][name].clone()
        };
        for _ in 0..lists {
            schema = schema["items"].clone();
        }
    }
    assert!(!schema.is_null(), "no {path}");
    schema
}

#[test]
fn the_definitions_are_named_scoped_and_kept_by_helm() {
    let named: Vec<_> = crds()
        .into_iter()
        .map(|crd| {
            let annotations = crd.metadata.annotations.unwrap();
            assert_eq!(annotations["helm.sh/resource-policy"], "keep");
            assert_eq!(
                (crd.spec.scope.as_str(), crd.spec.names.categories.unwrap()),
                ("Namespaced", vec!["all".to_owned()])
            );
            assert!(crd.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
            (crd.metadata.name.unwrap(), crd.spec.names.singular.unwrap(), crd.spec.names.list_kind.unwrap())
        })
        .collect();
    let expected = [
        ("canaries.flagger.app", "canary", "CanaryList"),
        ("metrictemplates.flagger.app", "metrictemplate", "MetricTemplateList"),
        ("alertproviders.flagger.app", "alertprovider", "AlertProviderList"),
    ];
    assert_eq!(named, expected.map(|(n, s, l)| (n.to_owned(), s.to_owned(), l.to_owned())));
}

#[test]
fn numbers_are_numbers_where_flagger_says_so() {
    for path in [
        "spec.service.port",
        "spec.analysis.stepWeights[]",
        "spec.analysis.webhooks[].retries",
        "status.iterations",
    ] {
        assert_eq!(schema(0, path)["type"], "number", "{path}");
    }
    assert_eq!(schema(0, "spec.service.retries.attempts")["format"], "int32");
    assert_eq!(schema(0, "spec.autoscalerRef.primaryScalerReplicas.minReplicas")["minimum"], 1.0);
    let port = schema(0, "spec.service.targetPort");
    assert_eq!((&port["x-kubernetes-int-or-string"], &port["type"]), (&json!(true), &Value::Null));
}

#[test]
fn an_analysis_needs_exactly_one_kind_of_steps() {
    let one_of = json!([
        {"required": ["interval", "threshold", "iterations"]},
        {"required": ["interval", "threshold", "stepWeight"]},
        {"required": ["interval", "threshold", "stepWeights"]},
    ]);
    assert_eq!(schema(0, "spec.analysis")["oneOf"], one_of);
    assert_eq!(schema(0, "spec.analysis")["required"], Value::Null);
}

#[test]
fn an_alert_provider_has_an_address_or_a_secret() {
    let one_of = json!([{"required": ["type", "address"]}, {"required": ["type", "secretRef"]}]);
    assert_eq!(schema(2, "spec")["oneOf"], one_of);
}

#[test]
fn conditions_on_texts_have_one_field_at_most_or_exactly() {
    let at_most = schema(0, "spec.service.match[].headers.*");
    assert_eq!(at_most["oneOf"][0]["not"]["anyOf"].as_array().unwrap().len(), 3);
    assert_eq!(at_most["properties"]["suffix"], Value::Null);
    let exactly = schema(0, "spec.analysis.match[].headers.*");
    assert_eq!(exactly["oneOf"].as_array().unwrap().len(), 4);
    assert_eq!(exactly["oneOf"][2], json!({"required": ["suffix"]}));
}

#[test]
fn a_load_balancer_is_simple_or_hashes_one_thing() {
    let hash = &schema(0, "spec.service.trafficPolicy.loadBalancer")["oneOf"][1];
    assert_eq!(hash["required"], json!(["consistentHash"]));
    assert_eq!(hash["properties"]["consistentHash"]["oneOf"].as_array().unwrap().len(), 4);
}

#[test]
fn defaults_are_flaggers() {
    assert_eq!(schema(0, "spec.analysis.sessionAffinity.maxAge")["default"], 86400);
    assert_eq!(schema(0, "spec.service.gatewayRefs[].kind")["default"], "Gateway");
    assert_eq!(schema(0, "spec.service.mirror[].backendRef.group")["default"], "");
    assert!(schema(0, "spec.service.mirror[].backendRef")["x-kubernetes-validations"][0]["rule"].is_string());
    assert_eq!(schema(0, "spec.service.gatewayRefs")["maxItems"], 32);
}

#[test]
fn every_field_is_documented() {
    let undocumented =
        |text: &str| text.lines().filter(|l| l.ends_with("|  |")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(undocumented(&field_reference()), Vec::<String>::new());
}

#[test]
fn the_yaml_says_what_the_definitions_say() {
    let yaml = crds_yaml().unwrap();
    let read: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
    assert_eq!(Value::Array(read), serde_json::to_value(crds()).unwrap());
    assert_eq!(crds_yaml().unwrap(), yaml);
}

#[test]
fn flaggers_definitions_are_ours_without_our_own_fields() {
    assert!(OWN_FIELDS.is_empty(), "then compare with the own fields taken out");
    // The canary differs in which fields are required.
    assert_eq!(flagger_crds()[1..], crds()[1..]);
    let without = |path: &str| definitions(&|p| p != path);
    let canary = serde_json::to_value(&without("Canary.spec.analysis.mirror")[0]).unwrap();
    let analysis = &canary["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        ["analysis"];
    assert!(analysis["properties"]["mirrorWeight"].is_object());
    assert_eq!(analysis["properties"]["mirror"], Value::Null);
}

#[test]
fn the_field_reference_has_a_row_per_field() {
    let text = field_reference();
    for row in [
        "| `spec.analysis.webhooks[].timeout` | string | 10s | Time limit of each attempt. |",
        "| `spec.service.port` | integer | required | Port of the Services. |",
        "| `spec.analysis.sessionAffinity.maxAge` | integer | 86400 |",
        "| `spec.service.match[].headers.*.prefix` | string |  | Its beginning. |",
    ] {
        assert!(text.contains(row), "{row}");
    }
}

#[test]
fn a_hook_needs_an_address_only_where_flagger_reads_it() {
    let hooks = |crd: CustomResourceDefinition| {
        let crd = serde_json::to_value(crd).unwrap();
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/analysis/properties/webhooks/items";
        crd.pointer(path).unwrap()["required"].clone()
    };
    assert_eq!(hooks(crds().remove(0)), json!(["name"]));
    assert_eq!(hooks(flagger_crds().remove(0)), json!(["name", "url"]));
}
