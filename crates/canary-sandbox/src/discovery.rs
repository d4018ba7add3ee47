//! Which groups, versions and resources are served.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::errors::ApiError;
use crate::kinds::{Kind, Version};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Cluster {
    pub(crate) fn core_versions() -> Value {
        json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
    }

    /// Versions by group, the preferred one first.
    fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, kind) in self.kinds.iter() {
            let versions = groups.entry(&kind.group).or_default();
            for version in &kind.versions {
                if !versions.contains(&version.name.as_str()) {
                    versions.push(&version.name);
                }
            }
        }
        groups.insert("events.k8s.io", vec!["v1"]);
        for versions in groups.values_mut() {
            versions.sort_by_key(|name| std::cmp::Reverse(priority(name)));
        }
        groups
    }

    pub(crate) fn group_list(&self) -> Value {
        let groups: Vec<Value> = self
            .groups()
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, v)| group(name, &v))
            .collect();
        json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
    }

    pub(crate) fn group(&self, name: &str) -> Result<Value, ApiError> {
        let groups = self.groups();
        let versions = groups.get(name).ok_or_else(ApiError::no_such_path)?;
        let mut value = group(name, versions);
        value["kind"] = "APIGroup".into();
        value["apiVersion"] = "v1".into();
        Ok(value)
    }

    pub(crate) fn resource_list(&self, group: &str, version: &str) -> Result<Value, ApiError> {
        let stored_group = if group == "events.k8s.io" { "" } else { group };
        let mut resources = Vec::new();
        for (_, kind) in self.kinds.iter().filter(|(_, k)| k.group == stored_group) {
            if group != stored_group && kind.plural != "events" {
                continue;
            }
            if let Some(version) = kind.version(version) {
                resources.extend(entries(kind, version));
            }
        }
        if resources.is_empty() {
            return Err(ApiError::no_such_path());
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Ok(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
        }))
    }

    /// The aggregated form, for the core group or for all others.
    pub(crate) fn aggregated(&self, core: bool) -> Value {
        let groups = self.groups().into_iter().filter(|(name, _)| name.is_empty() == core);
        let items: Vec<Value> = groups
            .map(|(name, versions)| {
                let versions: Vec<Value> = versions
                    .iter()
                    .map(|version| {
                        let list = self.resource_list(name, version).unwrap_or_default();
                        aggregated_version(name, version, list["resources"].as_array())
                    })
                    .collect();
                json!({ "metadata": { "name": name }, "versions": versions })
            })
            .collect();
        json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
    }
}

fn aggregated_version(group: &str, version: &str, resources: Option<&Vec<Value>>) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for resource in resources.into_iter().flatten() {
        let name = resource["name"].as_str().unwrap_or_default();
        let kind = json!({ "group": group, "version": version, "kind": resource["kind"] });
        if let Some((_, subresource)) = name.split_once('/') {
            // A subresource follows its resource in the plain list.
            let entry =
                json!({ "subresource": subresource, "responseKind": kind, "verbs": resource["verbs"] });
            if let Some(parent) = items.last_mut() {
                if !parent["subresources"].is_array() {
                    parent["subresources"] = json!([]);
                }
                if let Some(list) = parent["subresources"].as_array_mut() {
                    list.push(entry);
                }
            }
            continue;
        }
        let scope = if resource["namespaced"] == true { "Namespaced" } else { "Cluster" };
        items.push(json!({
            "resource": name, "responseKind": kind, "scope": scope, "singularResource": resource["singularName"],
            "verbs": resource["verbs"],
        }));
    }
    json!({ "version": version, "freshness": "Current", "resources": items })
}

fn group(name: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let entries: Vec<Value> = versions.iter().map(entry).collect();
    json!({ "name": name, "versions": entries, "preferredVersion": entries.first() })
}

fn entries(kind: &Kind, version: &Version) -> Vec<Value> {
    let mut main = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": VERBS,
    });
    if !kind.short_names.is_empty() {
        main["shortNames"] = json!(kind.short_names);
    }
    let mut entries = vec![main];
    let sub = |name: &str, kind_name: &str| {
        json!({
            "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "kind": kind_name, "verbs": ["get", "patch", "update"],
        })
    };
    if version.traits.status {
        entries.push(sub("status", &kind.kind));
    }
    if version.traits.scale {
        entries.push(sub("scale", "Scale"));
    }
    entries
}

/// Stable versions before betas before alphas, higher numbers first.
fn priority(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse().unwrap_or(0);
    let rest = version.strip_prefix('v').unwrap_or(version);
    for (level, mark) in [(1, "beta"), (0, "alpha")] {
        if let Some((major, minor)) = rest.split_once(mark) {
            return (level, number(major), number(minor));
        }
    }
    (2, number(rest), 0)
}
