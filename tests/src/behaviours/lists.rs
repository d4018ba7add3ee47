//! Lists and watches.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, PartialObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};

use super::{cases, config, configs, refusal};

cases!(
    a_long_list_comes_in_pages,
    a_list_can_be_narrowed_by_label_and_name,
    metadata_can_be_listed_alone,
    a_watch_tells_of_what_happens_after_a_version,
    a_watch_of_a_label_tells_of_objects_that_gain_and_lose_it,
    a_watch_ends_when_its_time_is_over,
);

async fn filled(client: &Client, namespace: &str) -> Api<ConfigMap> {
    let api = configs(client.clone(), namespace);
    for name in ["a", "b", "c"] {
        let mut object = config(name, name);
        object.labels_mut().insert("group".into(), if name == "c" { "two" } else { "one" }.into());
        object.labels_mut().insert("mine".into(), "yes".into());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    api
}

fn names<K: ResourceExt>(items: impl IntoIterator<Item = K>) -> Vec<String> {
    items.into_iter().map(|item| item.name_any()).collect()
}

async fn a_long_list_comes_in_pages(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let mut page = ListParams::default().labels("mine=yes").limit(2);
    let first = api.list(&page).await.unwrap();
    assert_eq!(names(first.items), ["a", "b"]);
    page.continue_token = first.metadata.continue_;
    assert!(page.continue_token.is_some());
    let second = api.list(&page).await.unwrap();
    assert_eq!(names(second.items), ["c"]);
    assert_eq!(second.metadata.continue_.unwrap_or_default(), "");
}

async fn a_list_can_be_narrowed_by_label_and_name(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    for (params, expected) in [
        (ListParams::default().labels("mine=yes,group!=two"), vec!["a", "b"]),
        (ListParams::default().labels("group in (two, three)"), vec!["c"]),
        (ListParams::default().labels("mine,!other"), vec!["a", "b", "c"]),
        (ListParams::default().fields("metadata.name=b"), vec!["b"]),
        (ListParams::default().labels("mine=yes").match_any(), vec!["a", "b", "c"]),
    ] {
        assert_eq!(names(api.list(&params).await.unwrap().items), expected, "{params:?}");
    }
    let status = refusal(api.list(&ListParams::default().labels("a in")).await);
    assert_eq!(status.code, 400);
}

async fn metadata_can_be_listed_alone(client: Client, namespace: String) {
    filled(&client, &namespace).await;
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, &namespace);
    let list = api.list_metadata(&ListParams::default().labels("mine=yes")).await.unwrap();
    assert_eq!(names(list.items), ["a", "b", "c"]);
}

/// What a watch tells, until it has told that much.
async fn told(api: &Api<ConfigMap>, params: &WatchParams, from: &str, count: usize) -> Vec<String> {
    let stream = api.watch(params, from).await.unwrap();
    let text = |event| match event {
        WatchEvent::Added(o) => Some(format!("added {}", ConfigMap::name_any(&o))),
        WatchEvent::Modified(o) => Some(format!("modified {}", o.name_any())),
        WatchEvent::Deleted(o) => Some(format!("deleted {}", o.name_any())),
        WatchEvent::Bookmark(_) => None,
        WatchEvent::Error(error) => Some(format!("error {}", error.code)),
    };
    let wanted = stream.map_ok(text).try_filter_map(|t| async move { Ok(t) }).take(count).try_collect();
    tokio::time::timeout(std::time::Duration::from_secs(20), wanted).await.unwrap().unwrap()
}

async fn a_watch_tells_of_what_happens_after_a_version(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    api.replace("a", &PostParams::default(), &config("a", "new")).await.unwrap();
    api.create(&PostParams::default(), &config("d", "1")).await.unwrap();
    api.delete("b", &DeleteParams::default()).await.unwrap();
    let events = told(&api, &WatchParams::default(), &from, 3).await;
    assert_eq!(events, ["modified a", "added d", "deleted b"]);
}

async fn a_watch_of_a_label_tells_of_objects_that_gain_and_lose_it(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    for (name, group) in [("c", "one"), ("a", "two")] {
        let mut object = api.get(name).await.unwrap();
        object.labels_mut().insert("group".into(), group.into());
        api.replace(name, &PostParams::default(), &object).await.unwrap();
    }
    let events = told(&api, &WatchParams::default().labels("group=one"), &from, 2).await;
    assert_eq!(events, ["added c", "deleted a"]);
}

async fn a_watch_ends_when_its_time_is_over(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let stream = api.watch(&WatchParams::default().timeout(1), &from).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), stream.boxed().count()).await;
    assert!(ended.is_ok());
}
