//! What is different with `DaemonSets`.

use canary_core::{Instance, Readiness, Scale, Timestamp, Workload as _, WorkloadState};
use serde_json::json;

use super::Fixture;
use crate::workload::source::Kind;

fn fixture() -> Fixture {
    Fixture::new(Kind::DaemonSet)
}

async fn observe(fixture: &Fixture) -> WorkloadState {
    fixture.daemon_sets().observe(&fixture.spec, Timestamp::UNIX_EPOCH).await.unwrap()
}

#[tokio::test]
async fn a_target_rests_by_asking_for_nodes_that_do_not_exist() {
    let fixture = fixture();
    fixture.change("podinfo", |target| {
        target["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    });
    let up = fixture.read("podinfo");
    let revision = observe(&fixture).await.target.revision;
    let daemon_sets = fixture.daemon_sets();
    for (scale, writes) in [(Scale::Zero, 1), (Scale::Zero, 0), (Scale::Up, 1), (Scale::Up, 0)] {
        let (result, written) = fixture.writes_of(daemon_sets.scale_target(&fixture.spec, scale)).await;
        result.unwrap();
        assert_eq!(written, writes, "{scale:?}");
        assert_eq!(observe(&fixture).await.target.revision, revision, "{scale:?}");
        if scale == Scale::Zero {
            let selector = &fixture.read("podinfo")["spec"]["template"]["spec"]["nodeSelector"];
            assert_eq!(*selector, json!({"disk": "ssd", "flagger.app/scale-to-zero": "true"}));
        }
    }
    assert_eq!(fixture.read("podinfo"), up);
}

#[tokio::test]
async fn the_primary_is_never_at_rest() {
    let fixture = fixture();
    let daemon_sets = fixture.daemon_sets();
    daemon_sets.scale_target(&fixture.spec, Scale::Zero).await.unwrap();
    daemon_sets.ensure_primary(&fixture.spec).await.unwrap();
    let primary = fixture.read("podinfo-primary");
    assert_eq!(primary["spec"]["template"]["spec"]["nodeSelector"], json!(null));
    assert_eq!(primary["spec"]["replicas"], json!(null));
    assert_eq!(primary["spec"]["updateStrategy"], json!({"type": "RollingUpdate"}));
    let state = observe(&fixture).await;
    assert!(state.target.matches_primary);
    let (result, writes) =
        fixture.writes_of(daemon_sets.promote(&fixture.spec, &state.target.revision)).await;
    result.unwrap();
    assert_eq!(writes, 1, "annotations go with the first promotion");
    let primary = fixture.read("podinfo-primary");
    assert_eq!(primary["spec"]["template"]["spec"]["nodeSelector"], json!(null));
    let (result, writes) =
        fixture.writes_of(daemon_sets.promote(&fixture.spec, &state.target.revision)).await;
    result.unwrap();
    assert_eq!(writes, 0);
}

#[tokio::test]
async fn unready_pods_are_reported_in_flaggers_words() {
    let fixture = fixture();
    fixture.change("podinfo", |target| target["status"]["updatedNumberScheduled"] = 1.into());
    assert_eq!(
        observe(&fixture).await.target.instance,
        Instance {
            readiness: Readiness::Waiting(
                "canary damonset podinfo.test not ready with retryable true: waiting for rollout to finish: 1 out of 3 \
                 new pods have been updated"
                    .into()
            ),
            available: 3,
        }
    );
}

#[tokio::test]
async fn a_daemon_set_that_does_not_roll_cannot_be_released() {
    let fixture = fixture();
    fixture.change("podinfo", |target| target["spec"]["updateStrategy"]["type"] = "OnDelete".into());
    let error = fixture.daemon_sets().ensure_primary(&fixture.spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "createPrimaryDaemonSet failed: daemonset podinfo.test must have RollingUpdate strategy but have OnDelete"
    );
}
