//! What becomes of objects whose owners go.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Resource, ResourceExt};

use super::{cases, config, configs};

cases!(
    a_dependent_goes_after_its_owner,
    a_dependent_of_two_owners_stays_with_one,
    an_orphaned_dependent_stays,
    dependents_go_first_when_asked,
    an_object_of_an_owner_that_never_was_goes,
);

async fn owned(api: &Api<ConfigMap>, name: &str, owners: &[OwnerReference]) -> ConfigMap {
    let mut object = config(name, "1");
    object.metadata.owner_references = (!owners.is_empty()).then(|| owners.to_vec());
    api.create(&PostParams::default(), &object).await.unwrap()
}

async fn owner(api: &Api<ConfigMap>, name: &str) -> OwnerReference {
    let mut reference = owned(api, name, &[]).await.owner_ref(&()).unwrap();
    reference.block_owner_deletion = Some(true);
    reference
}

async fn gone(api: &Api<ConfigMap>, object: &ConfigMap) {
    let (name, uid) = (object.name_any(), object.uid().unwrap());
    let wait = await_condition(api.clone(), &name, conditions::is_deleted(&uid));
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.unwrap().unwrap();
}

async fn a_dependent_goes_after_its_owner(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let dependent = owned(&api, "dependent", &[owner(&api, "owner").await]).await;
    api.delete("owner", &DeleteParams::background()).await.unwrap();
    gone(&api, &dependent).await;
}

async fn a_dependent_of_two_owners_stays_with_one(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let (first, second) = (owner(&api, "first").await, owner(&api, "second").await);
    owned(&api, "dependent", &[first.clone(), second]).await;
    let witness = owned(&api, "witness", &[first]).await;
    api.delete("first", &DeleteParams::background()).await.unwrap();
    gone(&api, &witness).await;
    assert!(api.get("dependent").await.unwrap().metadata.deletion_timestamp.is_none());
}

async fn an_orphaned_dependent_stays(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let reference = owner(&api, "owner").await;
    let dependent = owned(&api, "dependent", std::slice::from_ref(&reference)).await;
    api.delete("owner", &DeleteParams::orphan()).await.unwrap();
    let mut holder = config("owner", "1");
    holder.metadata.uid = Some(reference.uid);
    gone(&api, &holder).await;
    let left = api.get("dependent").await.unwrap();
    assert_eq!((left.uid(), left.metadata.owner_references.as_ref()), (dependent.uid(), None));
}

async fn dependents_go_first_when_asked(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let mut holder = config("owner", "1");
    let reference = owner(&api, "owner").await;
    holder.metadata.uid = Some(reference.uid.clone());
    let dependent = owned(&api, "dependent", &[reference]).await;
    let deleted = api.delete("owner", &DeleteParams::foreground()).await.unwrap();
    let marked = deleted.left().unwrap();
    assert_eq!(marked.finalizers(), ["foregroundDeletion"]);
    gone(&api, &holder).await;
    assert!(api.get_opt(&dependent.name_any()).await.unwrap().is_none());
}

async fn an_object_of_an_owner_that_never_was_goes(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let mut reference = owner(&api, "owner").await;
    reference.name = "never".into();
    reference.uid = "00000000-0000-4000-8000-000000000000".into();
    let dependent = owned(&api, "dependent", &[reference]).await;
    gone(&api, &dependent).await;
}
