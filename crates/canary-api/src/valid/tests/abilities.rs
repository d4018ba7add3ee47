//! What a router cannot do is refused at once, and what has no effect is not.

use super::*;

/// `full` can do everything, `weights` splits only, `mirrors` mirrors besides, `nothing` is plain Kubernetes.
fn meshes(name: &str) -> Result<Capabilities, UnknownName> {
    let known = ["full", "mirrors", "nothing", "weights"];
    match name {
        "full" => Ok(all_abilities()),
        "weights" => Ok(Capabilities::default()),
        "mirrors" => Ok(Capabilities::default().with_mirror()),
        "nothing" => Ok(Capabilities::NONE),
        _ => Err(UnknownName { what: "provider", name: name.into(), known: known.map(String::from).into() }),
    }
}

/// Strategies by the fields that choose them.
fn strategies() -> [(&'static str, Value); 3] {
    let headers = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
    [
        ("weighted", json!({"match": headers})), // without iterations, conditions have no effect
        ("a/b", json!({"iterations": 3, "match": headers})),
        ("blue/green", json!({"iterations": 3})),
    ]
}

fn problems(provider: &str, by_flag: bool, analysis: &Value, further: Value) -> Vec<String> {
    let mut patch = json!({"analysis": analysis});
    merge(&mut patch, further);
    if !by_flag {
        patch["provider"] = json!(provider);
    }
    let flag = if by_flag { provider } else { "full" };
    let valid = ValidCanary::new(&canary(patch), &Options::new(flag, &meshes));
    valid.err().map(|e| e.problems.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// The fields that are refused, by provider, strategy and what else is asked.
#[test]
fn what_a_router_cannot_do_is_refused_where_it_would_count() {
    let (mirror, affinity) = (json!({"mirror": true}), json!({"sessionAffinity": {"cookieName": "c"}}));
    let (conditions, mirrored, sessions) =
        ("spec.analysis.match", "spec.analysis.mirror", "spec.analysis.sessionAffinity");
    let cases: [(&str, &str, [&[&str]; 3]); 12] = [
        // Provider, strategy, and what is refused: plain, with a mirror, with session affinity.
        ("full", "weighted", [&[], &[], &[]]),
        ("full", "a/b", [&[], &[], &[]]),
        ("full", "blue/green", [&[], &[], &[]]),
        ("weights", "weighted", [&[], &[mirrored], &[sessions]]),
        ("weights", "a/b", [&[conditions], &[conditions], &[conditions]]),
        ("weights", "blue/green", [&[], &[], &[]]),
        ("mirrors", "weighted", [&[], &[], &[sessions]]),
        ("mirrors", "a/b", [&[conditions], &[conditions], &[conditions]]),
        ("mirrors", "blue/green", [&[], &[], &[]]),
        ("nothing", "weighted", [&[], &[], &[]]),
        ("nothing", "a/b", [&[], &[], &[]]),
        ("nothing", "blue/green", [&[], &[], &[]]),
    ];
    for (provider, strategy, expected) in cases {
        let (_, fields) = strategies().into_iter().find(|(name, _)| *name == strategy).unwrap();
        for (asked, expected) in [json!({}), mirror.clone(), affinity.clone()].into_iter().zip(expected) {
            let mut analysis = fields.clone();
            merge(&mut analysis, asked.clone());
            for by_flag in [true, false] {
                let found = problems(provider, by_flag, &analysis, json!({}));
                let fields: Vec<_> = found.iter().filter_map(|text| text.split(" is set").next()).collect();
                assert_eq!(fields, expected, "{provider} {strategy} {asked} by flag: {by_flag}");
            }
        }
    }
}

#[test]
fn a_refusal_names_the_canary_the_field_the_provider_and_those_that_can() {
    let cases = [
        (json!({"mirror": true}), "spec.analysis.mirror", "mirror requests; these do: full, mirrors"),
        (
            json!({"sessionAffinity": {"cookieName": "c"}}),
            "spec.analysis.sessionAffinity",
            "keep sessions; these do: full",
        ),
        (
            json!({"iterations": 3, "match": [{"headers": {"x": {"exact": "y"}}}]}),
            "spec.analysis.match",
            "choose requests by conditions; these do: full",
        ),
    ];
    for (analysis, field, told) in cases {
        for (by_flag, source) in [(true, "the flag -mesh-provider"), (false, "spec.provider")] {
            let found = problems("weights", by_flag, &analysis, json!({}));
            let expected = format!("{field} is set, and the provider \"weights\" ({source}) does not {told}");
            assert_eq!(found, [expected]);
        }
    }
    let refused = canary(json!({"provider": "weights", "analysis": {"mirror": true}}));
    let error = ValidCanary::new(&refused, &Options::new("full", &meshes)).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid Canary podinfo.test: spec.analysis.mirror is set, "),
        "{error}"
    );
}

#[test]
fn a_canary_that_skips_its_analysis_or_goes_is_not_asked() {
    let asked = json!({"mirror": true, "sessionAffinity": {"cookieName": "c"}});
    assert_eq!(problems("weights", true, &asked, json!({})).len(), 2);
    assert_eq!(problems("weights", true, &asked, json!({"skipAnalysis": true})), [""; 0]);
    let mut going = canary(json!({"analysis": asked}));
    going.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert!(ValidCanary::new(&going, &Options::new("weights", &meshes)).is_ok());
}
