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
