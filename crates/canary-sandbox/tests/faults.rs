//! What tests can make go wrong, and what they can see of requests.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_sandbox::{RequestInfo, Sandbox, Verdict, drive};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, watcher};

fn sandbox() -> Sandbox {
    Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap())
}

fn configs(sandbox: &Sandbox) -> Api<ConfigMap> {
    Api::namespaced(sandbox.client("default"), "default")
}

fn named(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

async fn create(api: &Api<ConfigMap>, name: &str) -> Result<ConfigMap, kube::Error> {
    api.create(&PostParams::default(), &named(name)).await
}

fn exists(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.get("configmaps", "default", name).is_some()
}

#[tokio::test]
async fn a_request_can_be_refused_or_lose_its_connection_before_or_after_its_effect() {
    let sandbox = sandbox();
    let api = configs(&sandbox);
    for (verdict, takes_effect) in
        [(Verdict::FailBefore(503), false), (Verdict::DropBefore, false), (Verdict::DropAfter, true)]
    {
        let name = if takes_effect { "late" } else { "early" };
        sandbox.intercept(move |request| if request.verb == "create" { verdict } else { Verdict::Pass });
        let error = create(&api, name).await.unwrap_err();
        if let Verdict::FailBefore(code) = verdict {
            assert!(matches!(&error, kube::Error::Api(s) if s.code == code), "{error:?}");
        } else {
            assert!(matches!(&error, kube::Error::Service(_)), "{error:?}");
        }
        assert_eq!(exists(&sandbox, name), takes_effect, "{verdict:?}");
    }
    sandbox.stop_intercepting();
    create(&api, "early").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_killed_client_is_never_answered_and_has_no_more_effects() {
    for (verdict, takes_effect) in [(Verdict::KillBefore, false), (Verdict::KillAfter, true)] {
        let sandbox = sandbox();
        let (api, bystander) = (configs(&sandbox), configs(&sandbox));
        sandbox.intercept(move |request| if request.n == 1 { verdict } else { Verdict::Pass });
        tokio::select! {
            biased;
            answer = create(&api, "a") => panic!("{answer:?}"),
            () = sandbox.severed() => {}
        }
        let late = tokio::time::timeout(Duration::from_secs(60), create(&bystander, "b")).await;
        assert!(late.is_err(), "the whole process is dead");
        assert_eq!((exists(&sandbox, "a"), exists(&sandbox, "b")), (takes_effect, false));
        create(&configs(&sandbox), "b").await.unwrap();
        assert!(exists(&sandbox, "b"), "the next process lives");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_time_on_tokios_clock() {
    let sandbox = sandbox();
    sandbox.intercept(|_| Verdict::Delay(Duration::from_secs(7)));
    let begin = tokio::time::Instant::now();
    create(&configs(&sandbox), "a").await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn requests_are_counted_by_verb_and_resource() {
    let sandbox = sandbox();
    let api = configs(&sandbox);
    create(&api, "a").await.unwrap();
    let before = sandbox.requests();
    api.get("a").await.unwrap();
    api.list(&ListParams::default()).await.unwrap();
    let stream = api.watch(&WatchParams::default(), "0").await.unwrap();
    drop(stream);
    let since = sandbox.requests().since(&before);
    assert_eq!((since.total(), since.without_watches(), since.of("create", "configmaps")), (3, 2, 0));
    assert_eq!((since.of("get", "configmaps"), since.of("watch", "configmaps")), (1, 1));
}

#[tokio::test]
async fn an_inspector_sees_the_state_after_each_request() {
    let sandbox = sandbox();
    let seen: Arc<Mutex<Vec<RequestInfo>>> = Arc::default();
    let log = Arc::clone(&seen);
    sandbox.after_each_request(move |request, view| {
        log.lock().unwrap().push(request.clone());
        let count = view.list("configmaps", "default").len();
        if count < 2 { Ok(()) } else { Err(format!("{count} objects")) }
    });
    let api = configs(&sandbox);
    create(&api, "a").await.unwrap();
    assert_eq!(sandbox.violations(), Vec::<String>::new());
    create(&api, "b").await.unwrap();
    assert_eq!(sandbox.violations(), ["#2 create configmaps in default: 2 objects"]);
    assert!(seen.lock().unwrap().iter().all(RequestInfo::is_write));
}

#[tokio::test]
async fn a_forgotten_past_is_told_in_the_stream_of_a_watch_and_to_a_page() {
    let sandbox = sandbox();
    let api = configs(&sandbox);
    create(&api, "a").await.unwrap();
    create(&api, "b").await.unwrap();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    create(&api, "c").await.unwrap();
    sandbox.forget_history();

    let version = page.metadata.resource_version.unwrap();
    let events: Vec<_> =
        api.watch(&WatchParams::default(), &version).await.unwrap().boxed().try_collect().await.unwrap();
    assert!(matches!(events.as_slice(), [WatchEvent::Error(status)] if status.code == 410), "{events:?}");

    let next = ListParams::default().limit(1).continue_token(&page.metadata.continue_.unwrap());
    let error = api.list(&next).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(s) if s.code == 410 && s.reason == "Expired"), "{error:?}");
}

#[tokio::test]
async fn a_page_shows_the_moment_of_its_first_page() {
    let sandbox = sandbox();
    let api = configs(&sandbox);
    for name in ["a", "c", "e"] {
        create(&api, name).await.unwrap();
    }
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    create(&api, "d").await.unwrap();
    api.delete("e", &DeleteParams::default()).await.unwrap();
    let next = ListParams::default().continue_token(&page.metadata.continue_.unwrap());
    let rest = api.list(&next).await.unwrap();
    let names: Vec<_> = rest.items.into_iter().filter_map(|c| c.metadata.name).collect();
    assert_eq!(names, ["c", "e"]);
    assert_eq!(rest.metadata.resource_version, page.metadata.resource_version);
}

#[tokio::test(start_paused = true)]
async fn a_watch_can_be_held_and_told_the_past_again() {
    let sandbox = sandbox();
    tokio::spawn(drive(sandbox.clone(), sandbox.now()));
    let api = configs(&sandbox);
    let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    create(&api, "a").await.unwrap();
    assert_eq!(next_name(&mut events).await, "a");

    sandbox.hold_watches("configmaps", Duration::from_secs(20));
    create(&api, "b").await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(19), next_name(&mut events)).await;
    assert!(early.is_err(), "nothing is told meanwhile");
    assert_eq!(next_name(&mut events).await, "b");

    sandbox.repeat_changes("configmaps", 2);
    assert_eq!((next_name(&mut events).await, next_name(&mut events).await), ("a".into(), "b".into()));
}

/// The name in the next change that a watch tells.
async fn next_name<E: std::fmt::Debug>(
    events: &mut (impl futures::Stream<Item = Result<WatchEvent<ConfigMap>, E>> + Unpin),
) -> String {
    loop {
        if let WatchEvent::Added(object) = events.next().await.unwrap().unwrap() {
            return object.metadata.name.unwrap();
        }
    }
}

/// Makes a watch end.
type Cause = fn(&Sandbox);

/// A reflector's view of the world survives whatever ends its watch.
#[tokio::test(start_paused = true)]
async fn the_watcher_of_kubes_runtime_recovers_from_every_end_of_a_watch() {
    let sandbox = sandbox();
    tokio::spawn(drive(sandbox.clone(), sandbox.now()));
    let strategies = [watcher::Config::default(), watcher::Config::default().streaming_lists()];
    for (round, config) in strategies.into_iter().enumerate() {
        let mut objects = watcher(configs(&sandbox), config).default_backoff().touched_objects().boxed();
        let ends: [(&str, Cause); 4] = [
            ("alive", |_| {}),
            ("cut", Sandbox::cut_watches),
            ("expired", Sandbox::expire_watches),
            ("gone-at-start", |sandbox| {
                let refusals = std::sync::atomic::AtomicU32::new(1);
                sandbox.intercept(move |request| {
                    let left = refusals.load(std::sync::atomic::Ordering::SeqCst);
                    if request.verb != "watch" || left == 0 {
                        return Verdict::Pass;
                    }
                    refusals.store(left - 1, std::sync::atomic::Ordering::SeqCst);
                    Verdict::FailBefore(410)
                });
                sandbox.cut_watches();
            }),
        ];
        for (end, cause) in ends {
            cause(&sandbox);
            let name = format!("{end}-{round}");
            create(&configs(&sandbox), &name).await.unwrap();
            let found = async {
                while let Some(event) = objects.next().await {
                    if event.is_ok_and(|object| object.metadata.name.as_deref() == Some(&name)) {
                        break;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(600), found).await.unwrap();
        }
    }
}
