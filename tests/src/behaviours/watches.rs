//! Watches beside the plain telling of changes: initial objects, bookmarks, metadata only, another namespace's silence.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PartialObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::{cases, config, configs};

cases!(
    a_watch_without_a_version_begins_with_what_is_there,
    a_bookmark_comes_before_the_end,
    a_streamed_list_ends_with_a_marked_bookmark,
    a_watch_of_metadata_tells_of_metadata_only,
    a_watch_of_one_object_tells_of_no_other,
    a_deletion_is_told_with_a_version_of_its_own,
    a_list_from_the_cache_ignores_its_limit,
    a_watcher_of_kubes_runtime_sees_all_objects_and_changes,
);

const PATIENCE: Duration = Duration::from_secs(20);

async fn filled(client: &Client, namespace: &str) -> Api<ConfigMap> {
    let api = configs(client.clone(), namespace);
    for name in ["a", "b"] {
        api.create(&PostParams::default(), &config(name, "1")).await.unwrap();
    }
    api
}

/// The first events of a watch.
async fn events(
    api: &Api<ConfigMap>,
    params: &WatchParams,
    from: &str,
    count: usize,
) -> Vec<WatchEvent<ConfigMap>> {
    let stream = api.watch(params, from).await.unwrap();
    tokio::time::timeout(PATIENCE, stream.take(count).try_collect()).await.unwrap().unwrap()
}

async fn a_watch_without_a_version_begins_with_what_is_there(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let told = events(&api, &WatchParams::default(), "0", 2).await;
    let mut names: Vec<_> = told
        .iter()
        .map(
            |event| {
                if let WatchEvent::Added(object) = event { object.name_any() } else { format!("{event:?}") }
            },
        )
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

async fn a_bookmark_comes_before_the_end(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let stream = api.watch(&WatchParams::default().timeout(5), &from).await.unwrap();
    let changed = api.replace("a", &PostParams::default(), &config("a", "2")).await.unwrap();
    let told: Vec<_> = tokio::time::timeout(PATIENCE, stream.try_collect()).await.unwrap().unwrap();
    let [WatchEvent::Modified(_), WatchEvent::Bookmark(bookmark), ..] = told.as_slice() else {
        panic!("a change, then a bookmark: {told:?}")
    };
    assert_eq!(Some(&bookmark.metadata.resource_version), changed.metadata.resource_version.as_ref());
}

async fn a_streamed_list_ends_with_a_marked_bookmark(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let told = events(&api, &WatchParams::default().initial_events(), "0", 3).await;
    let [WatchEvent::Added(_), WatchEvent::Added(_), WatchEvent::Bookmark(end)] = told.as_slice() else {
        panic!("two objects and a bookmark: {told:?}")
    };
    assert_eq!(end.metadata.annotations["k8s.io/initial-events-end"], "true");
}

async fn a_watch_of_metadata_tells_of_metadata_only(client: Client, namespace: String) {
    filled(&client, &namespace).await;
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, &namespace);
    let stream = api.watch_metadata(&WatchParams::default(), "0").await.unwrap();
    let told: Vec<_> = tokio::time::timeout(PATIENCE, stream.take(2).try_collect()).await.unwrap().unwrap();
    for event in &told {
        let WatchEvent::Added(object) = event else { panic!("an object: {event:?}") };
        assert!(object.metadata.uid.is_some());
        assert_eq!(object.types.as_ref().map(|t| t.kind.as_str()), Some("PartialObjectMetadata"));
    }
}

async fn a_watch_of_one_object_tells_of_no_other(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    for name in ["a", "b"] {
        api.replace(name, &PostParams::default(), &config(name, "2")).await.unwrap();
    }
    let told = events(&api, &WatchParams::default().fields("metadata.name=b"), &from, 1).await;
    assert!(matches!(&told[0], WatchEvent::Modified(object) if object.name_any() == "b"), "{told:?}");
}

async fn a_deletion_is_told_with_a_version_of_its_own(client: Client, namespace: String) {
    let api = filled(&client, &namespace).await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let (from, previous) =
        (list.metadata.resource_version.unwrap(), list.items[0].resource_version().unwrap());
    api.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    let told = events(&api, &WatchParams::default(), &from, 1).await;
    let WatchEvent::Deleted(object) = &told[0] else { panic!("a deletion: {told:?}") };
    assert_eq!(object.data.as_ref().unwrap()["key"], "1", "the last state");
    let number = |text: &str| text.parse::<u64>().unwrap();
    assert!(number(&object.resource_version().unwrap()) > number(&previous));
}

async fn a_list_from_the_cache_ignores_its_limit(client: Client, namespace: String) {
    filled(&client, &namespace).await;
    for (version, expected) in [("0", 2), ("", 1)] {
        // kube's own list leaves the version out where there is a limit.
        let path = format!("/api/v1/namespaces/{namespace}/configmaps?limit=1&resourceVersion={version}");
        let list: Value = client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), expected);
        assert_eq!(list["metadata"]["continue"].is_string(), expected == 1);
    }
}

async fn a_watcher_of_kubes_runtime_sees_all_objects_and_changes(client: Client, namespace: String) {
    for (value, settings) in
        [("2", watcher::Config::default().page_size(1)), ("3", watcher::Config::default().streaming_lists())]
    {
        let api = configs(client.clone(), &namespace);
        for name in ["a", "b"] {
            let existing = api.get_opt(name).await.unwrap();
            if existing.is_none() {
                api.create(&PostParams::default(), &config(name, "1")).await.unwrap();
            }
        }
        let mut objects = watcher(api.clone(), settings).touched_objects().boxed();
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(
                tokio::time::timeout(PATIENCE, objects.next()).await.unwrap().unwrap().unwrap().name_any(),
            );
        }
        seen.sort();
        assert_eq!(seen, ["a", "b"]);
        api.replace("b", &PostParams::default(), &config("b", value)).await.unwrap();
        let changed = tokio::time::timeout(PATIENCE, objects.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((changed.name_any().as_str(), changed.data.unwrap()["key"].as_str()), ("b", value));
    }
}
