//! A/B testing: whom the canary gets, and that everyone else stays.

use super::*;

fn header(name: &str, text: StringMatch) -> HttpMatch {
    HttpMatch { headers: [(name.to_owned(), text)].into(), ..HttpMatch::default() }
}

#[tokio::test]
async fn conditions_choose_the_clients_of_the_canary_and_everyone_else_stays() {
    let text = |field: &str, value: &str| serde_json::from_value(json!({ field: value })).unwrap();
    let method = HttpMatch { method: Some(text("exact", "GET")), ..HttpMatch::default() };
    let mesh = Mesh::new()
        .with(|route| {
            route.conditions = vec![
                header("x-exact", text("exact", "insider")),
                header("x-regex", text("regex", "^a.*")),
                header("x-prefix", text("prefix", "a.b")),
                header("x-suffix", text("suffix", "c")),
                header("x-there", StringMatch::default()),
                method,
            ];
        })
        .reconciled()
        .await;
    mesh.set(Weights::CANARY).await;
    let condition = json!({
        "headers": [
            {"name": "x-exact", "value": "insider"},
            {"name": "x-regex", "value": "^a.*", "regex": true},
            {"name": "x-prefix", "value": "a\\.b.*", "regex": true},
            {"name": "x-suffix", "value": ".*c", "regex": true},
            {"name": "x-there"},
        ],
        "methods": ["GET"],
    });
    let mut chosen = split(0, 100);
    chosen["matchers"] = json!([condition]);
    let mut everyone_else = split(0, 0);
    everyone_else["routeAction"]["multi"]["destinations"] = json!([to("primary", 100)]);
    assert_eq!(mesh.routes(), json!([chosen, everyone_else]));
    assert_eq!(mesh.weights().await, Weights::CANARY);
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);

    // The test is over, or is none any more.
    mesh.set(Weights::PRIMARY).await;
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
    let mesh = mesh.with(|route| route.conditions.clear()).reconciled().await;
    assert_eq!(mesh.routes(), json!([split(100, 0)]));
}

#[tokio::test]
async fn conditions_that_would_choose_everyone_are_refused_and_nothing_is_written() {
    let path = StringMatch { prefix: Some("/".into()), ..StringMatch::default() };
    let cases = [
        (HttpMatch { uri: Some(path.clone()), ..HttpMatch::default() }, "neither headers nor a method"),
        (HttpMatch { method: Some(path), ..HttpMatch::default() }, "the method only by exact"),
    ];
    for (condition, text) in cases {
        let mesh = Mesh::new().with(|route| route.conditions = vec![condition]);
        for error in [
            mesh.router.reconcile(&mesh.route).await.unwrap_err(),
            mesh.router.set_weights(&mesh.route, Weights::CANARY).await.unwrap_err(),
        ] {
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!((error.category(), mesh.objects.writes()), ("unsupported", 0));
        }
    }
    assert!(Mesh::new().router.capabilities().conditions);
}
