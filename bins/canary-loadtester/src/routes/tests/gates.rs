//! Our own gates.

use super::*;

#[tokio::test]
async fn gates_of_one_kind_are_opened_for_a_while() {
    let server = start(State { is_inside: everywhere, ..guarded(&json!([])) }).await;
    let gate = "/v1/gates/test/podinfo/confirm-promotion";
    assert_eq!(server.send("GET", gate, "", "").await.0, 403);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": true, "for": "30m"}"#).await.0, 200);
    let (status, body) = server.send("POST", gate, "", "").await;
    assert!(status == 200 && body.contains("until"), "{body}");
    assert_eq!(server.send("GET", "/v1/gates/test/podinfo/confirm-rollout", "", "").await.0, 403);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": false}"#).await.0, 200);
    assert_eq!(server.send("GET", gate, "", "").await.0, 403);
    assert_eq!(server.send("GET", "/v1/gates/test/podinfo/any", "", "").await.0, 404);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": true, "for": "soon"}"#).await.0, 400);
}

#[tokio::test]
async fn a_gate_is_not_opened_for_no_time_and_keeps_the_opening_it_has() {
    let server = start(State { is_inside: everywhere, ..guarded(&json!([])) }).await;
    let gate = "/v1/gates/test/podinfo/confirm-promotion";
    assert_eq!(server.send("PUT", gate, "", r#"{"open": true, "for": "30m"}"#).await.0, 200);
    let (_, opened) = server.send("GET", gate, "", "").await;
    for length in ["-5m", "0s", "0", "soon", "30", ""] {
        let change = json!({"open": true, "for": length}).to_string();
        let (status, why) = server.send("PUT", gate, "", &change).await;
        assert_eq!(status, 400, "{length}");
        assert!(
            why.starts_with(&format!("for is {length:?}; it takes a time above 0, such as 30m")),
            "{why}"
        );
    }
    assert_eq!(server.send("GET", gate, "", "").await, (200, opened));
}
