//! What the core is told of a canary that is valid.

use super::*;

#[test]
fn intervals_fall_back_as_in_flagger() {
    for (interval, seconds) in [
        ("30s", 30),
        ("1m30s", 90),
        ("1h", 3600),
        ("10ms", 10),
        ("5s", 10),
        ("90sx", 60),
        ("", 60),
        ("-1m", 10),
    ] {
        let plan = analysis(json!({"interval": interval})).plan();
        assert_eq!(plan.interval, Duration::from_secs(seconds), "{interval:?}");
    }
    assert_eq!(analysis(json!({"interval": null})).plan().interval, Duration::from_secs(60));
}

#[test]
fn thresholds_and_deadlines_have_flaggers_defaults() {
    for (threshold, counted) in [(json!(null), 1), (json!(0), 1), (json!(-4), 1), (json!(7.0), 7)] {
        assert_eq!(analysis(json!({"threshold": threshold})).plan().threshold, counted);
    }
    let deadline = |seconds: Value| {
        valid(json!({"progressDeadlineSeconds": seconds})).plan().progress_deadline.as_secs()
    };
    assert_eq!((deadline(json!(null)), deadline(json!(60))), (600, 60));
}

#[test]
fn steps_follow_the_fields_that_are_set() {
    let even = |step, max| Strategy::Weighted(Steps { max: Weight::clamped(max), by: StepBy::Even(step) });
    let table = [
        (json!({"stepWeight": 10}), even(10, 100)),
        (json!({"stepWeight": 10, "maxWeight": 50}), even(10, 50)),
        (json!({"stepWeight": 150, "maxWeight": 500}), even(100, 100)),
        (json!({"stepWeight": -5, "maxWeight": -1}), even(0, 100)),
        (json!({"stepWeight": 20, "stepWeights": [1, 60]}), even(20, 60)),
        (
            json!({"stepWeight": null, "stepWeights": [5, 20, 700], "maxWeight": 30}),
            Strategy::Weighted(Steps::listed(&[5, 20, 100].map(Weight::clamped))),
        ),
        (json!({"stepWeight": null, "iterations": 3}), Strategy::BlueGreen { iterations: 3 }),
        (json!({"iterations": 3, "match": [{"headers": {}}]}), Strategy::AbTesting { iterations: 3 }),
        (json!({"iterations": 0, "match": [{"headers": {}}]}), even(10, 100)),
    ];
    for (patch, strategy) in table {
        assert_eq!(analysis(patch.clone()).plan().strategy, strategy, "{patch}");
    }
}

#[test]
fn alerts_show_weights_as_written() {
    let shown = analysis(json!({"stepWeight": null, "stepWeights": [5, 700]})).plan().shown;
    assert_eq!((shown.step_weight, shown.step_weights, shown.max_weight), (0, vec![5, 700], 0));
}

#[test]
fn built_in_and_inline_checks_come_before_templates() {
    let template = json!({"name": "t"});
    let valid = analysis(json!({"metrics": [
        {"name": "first", "templateRef": template},
        {"name": "request-duration", "templateRef": template, "query": "q"},
        {"name": "second", "query": "q"},
        {"name": "nothing"},
        {"name": "request-success-rate"},
    ]}));
    let checks = valid.plan().checks;
    let order: Vec<_> = checks.iter().map(|c| (c.index, c.source)).collect();
    assert_eq!(
        order,
        [
            (1, CheckSource::Duration),
            (1, CheckSource::Inline),
            (2, CheckSource::Inline),
            (4, CheckSource::SuccessRate),
            (0, CheckSource::Template),
            (1, CheckSource::Template),
            (3, CheckSource::Nothing),
        ]
    );
    assert_eq!(
        valid.plan().probes,
        [4, 0, 2, 3].map(MetricId),
        "the first entry's template, then the built-in ones and the inline query"
    );
}

#[test]
fn bounds_come_from_the_range_or_else_from_the_threshold() {
    let bounds = |min, max| Bounds { min, max };
    let table = [
        (json!({"name": "request-success-rate", "thresholdRange": {"min": 99.5}}), bounds(Some(99.5), None)),
        (json!({"name": "request-success-rate", "threshold": 99}), bounds(Some(99.0), None)),
        (json!({"name": "request-success-rate"}), bounds(Some(0.0), None)),
        (
            json!({"name": "request-duration", "thresholdRange": {"min": 1.9, "max": 500.7}}),
            bounds(Some(1.0), Some(500.0)),
        ),
        (json!({"name": "request-duration", "threshold": 500.7}), bounds(None, Some(500.0))),
        (json!({"name": "m", "query": "q", "threshold": 5.5}), bounds(None, Some(5.5))),
        (json!({"name": "m", "query": "q"}), bounds(None, Some(0.0))),
        (json!({"name": "m", "query": "q", "threshold": 5, "thresholdRange": {}}), bounds(None, None)),
    ];
    for (metric, bounds) in table {
        assert_eq!(analysis(json!({"metrics": [metric]})).plan().checks[0].bounds, bounds, "{metric}");
    }
}

#[test]
fn hooks_have_flaggers_defaults() {
    let hook = |patch: Value| {
        let mut hook = json!({"name": "h", "url": "http://gate"});
        merge(&mut hook, patch);
        analysis(json!({"webhooks": [hook]})).plan().hooks.remove(0)
    };
    assert_eq!(hook(json!({})), canary_core::Hook::new("h", HookKind::Rollout, "http://gate"));
    assert_eq!(hook(json!({"type": "", "retries": -1})).kind, HookKind::Rollout);
    let timeout = |kind, timeout: &str| hook(json!({"type": kind, "timeout": timeout})).timeout;
    let seconds = |s| Ok(Duration::from_secs(s));
    assert_eq!(timeout("rollback", "5s"), seconds(5));
    assert_eq!(timeout("rollback", "5"), seconds(10));
    assert_eq!(timeout("event", "5"), Err("5".into()));
    assert_eq!(timeout("event", ""), seconds(10));
    assert_eq!(timeout("rollout", "5seconds"), Err("5seconds".into()));
}

#[test]
fn every_type_of_hook_is_known() {
    for kind in [
        HookKind::ConfirmRollout,
        HookKind::PreRollout,
        HookKind::Rollout,
        HookKind::ConfirmTrafficIncrease,
        HookKind::ConfirmPromotion,
        HookKind::PostRollout,
        HookKind::Rollback,
        HookKind::Event,
    ] {
        let hook = json!({"name": "h", "url": "http://gate", "type": kind.as_str()});
        assert_eq!(analysis(json!({"webhooks": [hook]})).plan().hooks[0].kind, kind);
    }
}

#[test]
fn an_alert_without_severity_is_for_everything() {
    let alert = |severity: Value| json!({"name": "a", "severity": severity, "providerRef": {"name": "p"}});
    let valid = analysis(
        json!({"alerts": [alert(json!(null)), alert(json!("")), alert(json!("warn")), alert(json!("error"))]}),
    );
    let rules = valid.alert_rules();
    assert_eq!(
        rules.iter().map(|r| r.severity).collect::<Vec<_>>(),
        [Severity::Info, Severity::Info, Severity::Warn, Severity::Error]
    );
    assert_eq!(rules[0].provider, ("test".into(), "p".into()));
}

#[test]
fn a_port_of_zero_means_the_service_port() {
    let port =
        |value: Value| valid(json!({"service": {"targetPort": value}})).route(&Status::default()).target_port;
    assert_eq!(port(json!(0)), None);
    assert_eq!(port(json!("")), None);
    assert_eq!(port(json!(9898.0)), Some(TargetPort::Number(9898)));
    assert_eq!(port(json!("http")), Some(TargetPort::Name("http".into())));
}

#[test]
fn conditions_are_for_ab_testing_only() {
    let matches = json!([{"headers": {"x-canary": {"exact": "yes"}}}]);
    let conditions = |patch: Value| analysis(patch).route(&Status::default()).conditions.len();
    assert_eq!(conditions(json!({"iterations": 2, "match": matches})), 1);
    assert_eq!(conditions(json!({"match": matches})), 0);
}

#[test]
fn routers_are_told_the_annotations_of_the_canary() {
    let mut canary = canary(json!({}));
    canary.metadata.annotations = Some([("kuma.io/mesh".to_owned(), "blue".to_owned())].into());
    let route = ValidCanary::new(&canary, &options()).unwrap().route(&Status::default());
    assert_eq!(route.canary_annotations["kuma.io/mesh"], "blue");
}

#[test]
fn session_affinity_has_the_cookies_of_the_status() {
    let mut status = Status::default();
    status.cookie = Some("c=abc".into());
    let affinity = |patch: Value| {
        analysis(json!({"interval": "1m", "sessionAffinity": patch})).route(&status).affinity.unwrap()
    };
    let found =
        affinity(json!({"cookieName": "c", "primaryCookieName": "p", "sameSite": "Lax", "secure": true}));
    assert_eq!((found.cookie.as_deref(), found.max_age, found.primary_max_age), (Some("c=abc"), 86_400, 60));
    assert_eq!((found.attributes.same_site.as_deref(), found.attributes.secure), (Some("Lax"), true));
    assert_eq!(affinity(json!({"cookieName": "c", "maxAge": 0})).max_age, 86_400);
    assert_eq!(affinity(json!({"cookieName": "c", "primaryCookieName": ""})).primary_cookie_name, None);
}

#[test]
fn policies_are_passed_on_as_written() {
    let policy = json!({"tls": {"mode": "NEW_MODE", "future": 1.5}});
    let route =
        valid(json!({"service": {"trafficPolicy": policy, "gatewayRefs": [{"name": "g"}], "mirror": [{}]}}));
    let route = route.route(&Status::default());
    assert_eq!(route.traffic_policy, Some(policy));
    assert_eq!(
        route.gateway_refs,
        [json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"})]
    );
    assert_eq!(route.static_mirrors, [json!({})]);
}

#[test]
fn a_service_as_target_is_the_apex() {
    let target = json!({"apiVersion": "v1", "kind": "Service"});
    let service = valid(json!({"targetRef": target, "service": {"name": "other"}}));
    assert_eq!((service.apex(), service.query_model().service.as_str()), ("podinfo", "other"));
    assert_eq!(valid(json!({"targetRef": target, "service": null})).apex(), "podinfo");
    assert_eq!(valid(json!({"service": {"name": "other"}})).apex(), "other");
}

#[test]
fn the_metrics_provider_follows_flag_and_kind() {
    let any = |_: &str| Ok(Capabilities::default());
    let name = |flag: &'static str, patch: Value| {
        ValidCanary::new(&canary(patch), &Options::new(flag, &any)).unwrap().metrics_provider()
    };
    assert_eq!(name("istio", json!({})), "istio");
    assert_eq!(name("smi:crossover", json!({})), "crossover");
    assert_eq!(name("linkerd", json!({"provider": "nginx"})), "linkerd");
    assert_eq!(name("istio", json!({"provider": "nginx"})), "nginx");
    assert_eq!(name("nginx", json!({"targetRef": {"apiVersion": "v1", "kind": "Service"}})), "nginx:service");
}

#[test]
fn referenced_objects_are_listed_once() {
    let template = json!({"name": "t", "namespace": "shared"});
    let references = valid(json!({
        "autoscalerRef": {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "so"},
        "analysis": {
            "metrics": [{"name": "a", "templateRef": template}, {"name": "b", "templateRef": template}],
            "alerts": [{"name": "a", "providerRef": {"name": "p"}}],
        },
    }))
    .references();
    assert_eq!(references.autoscaler, Some(("ScaledObject".into(), "so".into())));
    assert_eq!(references.templates, [("shared".to_owned(), "t".to_owned())]);
    assert_eq!(references.alert_providers, [("test".to_owned(), "p".to_owned())]);
}
