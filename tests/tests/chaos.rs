//! Controller, kube-apiserver and etcd are killed at moments that a seed draws, during fifty rollouts, and all fifty end as
//! they should.
//!
//! Needs `KUBEBUILDER_ASSETS`; takes the controller that `CANARYD` names, or builds it. `CHAOS_SEED` draws other moments.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
#![allow(clippy::print_stdout, reason = "how much was killed is what one wants to know")]

#[path = "chaos/cluster.rs"]
mod cluster;
#[path = "chaos/fleet.rs"]
mod fleet;
#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/trouble.rs"]
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use canary_fuzz::Dice;
use canary_tests::{ApiServer, Stub, built, free_port, install_with_istio, installed};
use cluster::{Cluster, Objects};
use fleet::{Hooks, Member, members};
use judge::{Seen, amiss, wrong};
use tokio::time::{sleep, timeout};
use trouble::{Kills, Program, between};

/// How long there is trouble.
const TROUBLE: Duration = Duration::from_secs(90);
/// How long it may take from the beginning until all are at rest.
const PATIENCE: Duration = Duration::from_secs(420);
/// How often the test looks; what it stands in for, a cluster's controllers, is no faster.
const LOOK: Duration = Duration::from_millis(400);
/// A request that was under way when the server died may never be answered.
const ANSWER: Duration = Duration::from_secs(10);

/// The users and the cluster: releases a revision of whatever is initialized, makes workloads ready, checks the rules.
struct World {
    cluster: Cluster,
    members: Vec<Member>,
    begun: BTreeSet<String>,
    released: BTreeSet<String>,
    violations: BTreeMap<String, String>,
    looks: usize,
}

impl World {
    /// Looks once; says how many are at rest. Fails when the server does.
    async fn look(&mut self) -> anyhow::Result<usize> {
        let before = self.cluster.list("Deployment").await?;
        let routes = self.cluster.list("VirtualService").await?;
        let deployments = self.cluster.list("Deployment").await?;
        let canaries = self.cluster.list("Canary").await?;
        self.cluster.make_ready(&deployments).await?;
        let seen = Seen { canaries, deployments, routes };
        for member in &self.members {
            if let Some(violation) = amiss(member, &before, &seen) {
                self.violations.entry(member.name.clone()).or_insert(violation);
            }
        }
        self.looks += 1;
        self.release(&seen.canaries).await?;
        let at_rest = |m: &&Member| {
            let phase = seen.canaries.get(&m.name).map(|c| &c["status"]["phase"]);
            self.released.contains(&m.name) && phase.is_some_and(|p| p == "Succeeded" || p == "Failed")
        };
        Ok(self.members.iter().filter(at_rest).count())
    }

    async fn release(&mut self, canaries: &Objects) -> anyhow::Result<()> {
        for member in &self.members {
            let phase = canaries.get(&member.name).map(|c| &c["status"]["phase"]);
            if phase.is_some_and(|p| p == "Initialized") {
                self.begun.insert(member.name.clone());
            }
            // What an outage cut off is done again.
            if self.begun.contains(&member.name) && !self.released.contains(&member.name) {
                for (kind, patch) in Member::revision() {
                    self.cluster.change(kind, &member.name, &patch).await?;
                }
                self.released.insert(member.name.clone());
            }
        }
        Ok(())
    }

    async fn create(&self, hooks: &Hooks) {
        for member in &self.members {
            for object in member.objects(hooks) {
                self.cluster.create(object).await.unwrap();
            }
        }
    }

    /// What did not end as it should.
    async fn wrong(&self) -> anyhow::Result<Vec<String>> {
        let seen = Seen {
            canaries: self.cluster.list("Canary").await?,
            deployments: self.cluster.list("Deployment").await?,
            routes: self.cluster.list("VirtualService").await?,
        };
        let (services, configs) =
            (self.cluster.list("Service").await?, self.cluster.list("ConfigMap").await?);
        let events = self.cluster.list("Event").await?;
        Ok(self.members.iter().flat_map(|m| wrong(m, &seen, &services, &configs, &events)).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rollouts_end_as_they_should_whatever_is_killed() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let program = tokio::task::spawn_blocking(|| built("canaryd")).await.unwrap().unwrap();
    let seed = std::env::var("CHAOS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut server = ApiServer::start(&assets).await.unwrap();
    let cluster = Cluster::of(&server).unwrap();
    install_with_istio(&cluster.0).await.unwrap();
    let (agreeing, refusing) =
        (Stub::start("200 OK", "{}").await.unwrap(), Stub::start("403 Forbidden", "no").await.unwrap());
    let prometheus = Stub::prometheus(100.0).await.unwrap();
    let hooks = Hooks { agreeing: agreeing.address().to_owned(), refusing: refusing.address().to_owned() };
    let kubeconfig = server.kubeconfig().unwrap();
    let arguments = vec![
        format!("-kubeconfig={}", kubeconfig.display()),
        format!("-port={}", free_port().unwrap()),
        format!("-metrics-server={}", prometheus.address()),
        "-mesh-provider=istio".to_owned(),
    ];
    let mut controller = Program::new(program, arguments, kubeconfig.with_extension("canaryd.log"));
    let mut world = World {
        cluster,
        members: members(),
        begun: BTreeSet::new(),
        released: BTreeSet::new(),
        violations: BTreeMap::new(),
        looks: 0,
    };
    world.create(&hooks).await;
    controller.revive().unwrap();

    let (mut dice, mut kills, begin) = (Dice::new(seed), Kills::default(), Instant::now());
    let (mut strike, mut revive) = (begin + between(&mut dice, 1000, 4000), None::<Instant>);
    let mut at_rest = 0;
    while at_rest < world.members.len() && begin.elapsed() < PATIENCE {
        let now = Instant::now();
        if begin.elapsed() < TROUBLE && now >= strike && revive.is_none() {
            revive = Some(now + kills.strike(&mut dice, &mut server, &mut controller));
        }
        if revive.is_none_or(|at| now >= at) {
            server.revive().unwrap();
            controller.revive().unwrap();
        }
        if let Ok(Ok(resting)) = timeout(ANSWER, world.look()).await {
            at_rest = resting;
            // The next blow falls a while after the server is back.
            if revive.take_if(|at| now >= *at).is_some() {
                strike = Instant::now() + between(&mut dice, 500, 4000);
            }
        }
        sleep(LOOK).await;
    }
    let took = begin.elapsed().as_secs();
    println!(
        "chaos, seed {seed}: {at_rest} of {} rollouts at rest after {took} s; {kills}",
        world.members.len()
    );
    println!(
        "the controller ended by itself {} times; the rules were checked {} times",
        controller.gave_up, world.looks
    );

    // What is told after the last status follows within moments.
    let mut found = world.wrong().await.unwrap();
    for _ in 0..50 {
        if found.is_empty() {
            break;
        }
        sleep(LOOK).await;
        found = world.wrong().await.unwrap();
    }
    for name in
        found.iter().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect::<BTreeSet<_>>()
    {
        eprintln!("== {name}\n{}", controller.log_about(name));
    }
    assert_eq!(found, [""; 0]);
    assert_eq!(world.violations, BTreeMap::new(), "while it happened");
    assert_eq!(controller.panics(), [""; 0]);
    assert!(kills.controller >= 3 && kills.server >= 2 && kills.store >= 1, "too little trouble: {kills}");
}
