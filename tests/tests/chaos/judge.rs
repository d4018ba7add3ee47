//! What has to hold while it happens, and afterwards.

use serde_json::Value;

use super::cluster::{NAMESPACE, Objects};
use super::fleet::{Member, Shape};

/// Objects of one moment.
pub(crate) struct Seen {
    pub(crate) canaries: Objects,
    pub(crate) deployments: Objects,
    pub(crate) routes: Objects,
}

fn replicas(deployments: &Objects, name: &str, field: &str) -> i64 {
    deployments.get(name).and_then(|d| d["status"][field].as_i64()).unwrap_or(0)
}

fn image<'a>(deployments: &'a Objects, name: &str) -> Option<&'a str> {
    deployments.get(name)?["spec"]["template"]["spec"]["containers"][0]["image"].as_str()
}

/// Destinations with their shares, of every rule of a route.
fn rules(route: &Value) -> Vec<Vec<(&str, u64)>> {
    let rules = route["spec"]["http"].as_array().into_iter().flatten();
    rules
        .map(|rule| {
            let routes = rule["route"].as_array().into_iter().flatten();
            routes
                .map(|d| {
                    (d["destination"]["host"].as_str().unwrap_or_default(), d["weight"].as_u64().unwrap_or(0))
                })
                .collect()
        })
        .collect()
}

/// What is wrong while a rollout is under way. `before` was read before `seen`'s routes, `seen`'s workloads after them: a
/// side that has no pods in either had none when its route was read.
pub(crate) fn amiss(member: &Member, before: &Objects, seen: &Seen) -> Option<String> {
    let route = seen.routes.get(&member.name)?;
    let (canary, primary) = (format!("{}-canary", member.name), member.primary());
    // A rollout that has begun to promote may give the canary all.
    let promoted = image(before, &primary) == Some("podinfo:2");
    // The weight of an only destination means nothing.
    for rule in rules(route).into_iter().filter(|rule| rule.len() > 1) {
        let sum: u64 = rule.iter().map(|(_, share)| share).sum();
        if sum != 100 {
            return Some(format!("shares add up to {sum}: {rule:?}"));
        }
        for (host, share) in rule {
            let workload = if host == canary { &member.name } else { &primary };
            let dead = |all: &Objects| replicas(all, workload, "readyReplicas") == 0;
            if share > 0 && dead(before) && dead(&seen.deployments) {
                return Some(format!("{share} % of the traffic go to {host}, which has no ready pod"));
            }
            if host == canary
                && share > member.most()
                && !promoted
                && image(&seen.deployments, &primary) != Some("podinfo:2")
            {
                return Some(format!("the canary has {share} %, and may have {}", member.most()));
            }
        }
    }
    let flawed = member.flaw.is_some();
    (flawed && promoted).then(|| "a revision with a flaw was promoted".to_owned())
}

/// What did not end as it should.
pub(crate) fn wrong(
    member: &Member,
    seen: &Seen,
    services: &Objects,
    configs: &Objects,
    events: &Objects,
) -> Vec<String> {
    let (name, primary) = (&member.name, member.primary());
    let mut wrong = Vec::new();
    let mut equal = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        if found != wanted {
            wrong.push(format!("{name}: {what} is {found} and ought to be {wanted}"));
        }
    };
    let status = &seen.canaries.get(name).map_or(Value::Null, |c| c["status"].clone());
    equal("the phase", &status["phase"].as_str(), &Some(member.end()));
    equal("the weight in the status", &status["canaryWeight"].as_i64().unwrap_or(0), &0);
    equal("the primary's image", &image(&seen.deployments, &primary), &Some(member.image()));
    equal("the target's image", &image(&seen.deployments, name), &Some("podinfo:2"));
    let wished = |which: &str| seen.deployments.get(which).and_then(|d| d["spec"]["replicas"].as_u64());
    equal("the primary's size", &wished(&primary), &Some(member.replicas as u64));
    equal("the target's size", &wished(name), &Some(0));
    let color = configs.get(&primary).and_then(|c| c["data"]["color"].as_str());
    equal("the primary's config", &color, &Some(member.image()));
    let selector = services.get(name).and_then(|s| s["spec"]["selector"]["app"].as_str());
    equal("the Service's selector", &selector, &Some(primary.as_str()));
    if member.is_routed() {
        let route = seen.routes.get(name).cloned().unwrap_or_default();
        let all = rules(&route);
        let to = |host: &str| -> u64 {
            all.iter().flatten().filter(|(h, _)| *h == host).map(|(_, share)| share).sum()
        };
        equal("the canary's share", &to(&format!("{name}-canary")), &0);
        // The weight of an only destination means nothing.
        let split = all.iter().filter(|rule| rule.len() > 1).count() as u64;
        equal("whether the primary has all", &(split > 0 && to(&primary) >= 100 * split), &true);
        equal("the mirror", &route.to_string().contains("\"mirror\":{"), &false);
    }
    let said = |text: &str| {
        let about = |e: &&Value| e["involvedObject"]["name"] == name.as_str();
        events
            .values()
            .filter(about)
            .filter(|e| e["message"].as_str().is_some_and(|m| m.starts_with(text)))
            .count()
    };
    let skipped = member.shape == Shape::Unanalysed;
    let how = if skipped { "Canary analysis was skipped for" } else { "Scaling down" };
    let told = said(&format!("Promotion completed! {how} {name}.{NAMESPACE}"));
    // One that is not analysed may be done with the config before the image comes.
    let told = if skipped { told.min(1) } else { told };
    equal("how often its success is told", &told, &usize::from(member.flaw.is_none()));
    equal(
        "how often its failure is told",
        &said("Canary failed! Scaling down"),
        &usize::from(member.flaw.is_some()),
    );
    wrong
}
