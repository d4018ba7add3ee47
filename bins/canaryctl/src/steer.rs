//! `canaryctl promote`, `abort`, `pause`, `resume`, `retry`, `approve`, `deny`: one annotation on the Canary, and the answer
//! of the controller.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use canary_api::{COMMAND_ANNOTATION, Canary};
use canary_core::{Command, HookKind, Phase, Verb};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::live::{Cluster, ClusterArgs, Facts, Picked, PickedArgs};

/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Flags of every command to a rollout.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Steer {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) picked: PickedArgs,
    /// Why; events and the history show it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// On whose behalf; events show it beside the name that the API server knows you by.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Ask nothing before what cannot be undone.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Take the place of a command that the controller has not taken yet.
    #[arg(long)]
    pub(crate) replace: bool,
    /// How long to wait for the controller's answer; 0s: do not wait.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = crate::command_line::duration)]
    pub(crate) timeout: Duration,
}

/// A command and what is said about it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) verb: Verb,
    /// The gate, where one is named.
    pub(crate) gate: Option<String>,
}

impl Order {
    pub(crate) fn new(verb: Verb) -> Self {
        Self { verb, gate: None }
    }

    /// What is asked before it is given; nothing where it can be taken back.
    fn question(&self) -> Option<&'static str> {
        match self.verb {
            Verb::Abort => Some("roll back"),
            Verb::PromoteFull => Some("promote without further checks"),
            Verb::Promote => Some("promote without the remaining steps"),
            Verb::Pause | Verb::Resume | Verb::Retry | Verb::Approve | Verb::Deny => None,
        }
    }
}

impl Steer {
    /// Gives the command to every canary that is picked. Exit code 1: one refused it; 3: a name is wrong.
    pub(crate) async fn give(
        &self,
        cluster: &Cluster,
        order: &Order,
        now: &dyn Fn() -> Timestamp,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let canaries = match self.picked.find(cluster).await? {
            Picked::Canaries(canaries) => canaries,
            Picked::Missing(text) => {
                writeln!(out, "{text}")?;
                return Ok(ExitCode::from(3));
            }
        };
        let names: Vec<String> = canaries.iter().map(label).collect();
        if let Some(what) = order.question().filter(|_| !self.yes)
            && !confirmed(&format!("{what}: {}?", names.join(", ")))?
        {
            writeln!(out, "nothing was done")?;
            return Ok(ExitCode::FAILURE);
        }
        let author = author(whoami(cluster).await, self.by.clone(), std::env::var("USER").ok());
        let mut given = Vec::new();
        for canary in &canaries {
            let mut command = Command::new(uuid::Uuid::new_v4().to_string(), order.verb);
            (command.by, command.reason, command.at) = (author.clone(), self.reason.clone(), Some(now()));
            given.push((canary, self.write(cluster, canary, order, command).await?));
        }
        let mut code = ExitCode::SUCCESS;
        for (canary, id) in given {
            let answer = self.answer(cluster, canary, &id).await?;
            writeln!(out, "{}: {} {}", label(canary), order.verb, answer.1)?;
            if !answer.0 {
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    }

    /// Puts the command on the Canary as it was read; its id.
    async fn write(
        &self,
        cluster: &Cluster,
        canary: &Canary,
        order: &Order,
        mut command: Command,
    ) -> anyhow::Result<String> {
        let facts = Facts::of(canary, "istio");
        // An abort must not wait for anything.
        if facts.pending().is_some() && !self.replace && order.verb != Verb::Abort {
            bail!(
                "{}: the command before was not taken yet: is the controller running? --replace gives this one all the same",
                facts.label()
            );
        }
        if matches!(order.verb, Verb::Approve | Verb::Deny) {
            command.gate = Some(match &order.gate {
                Some(gate) => gate.clone(),
                None => gate_of(&facts)?,
            });
        }
        let patch = json!({"metadata": {
            "resourceVersion": canary.metadata.resource_version,
            "annotations": {COMMAND_ANNOTATION: serde_json::to_string(&command)?},
        }});
        let api = cluster.canaries(Some(&facts.namespace));
        let parameters = PatchParams { field_manager: Some("canaryctl".into()), ..PatchParams::default() };
        // The status may be written at any moment; what matters is that no other command comes between.
        for _ in 0..5 {
            match api.patch(&facts.name, &parameters, &Patch::Merge(&patch)).await {
                Ok(_) => return Ok(command.id),
                Err(kube::Error::Api(status)) if status.is_conflict() => {
                    let now = api.get(&facts.name).await.context("reading the canary again")?;
                    let text = |c: &Canary| c.metadata.annotations.as_ref()?.get(COMMAND_ANNOTATION).cloned();
                    if text(&now) != text(canary) && order.verb != Verb::Abort {
                        bail!("{}: somebody else gave a command at the same time", facts.label());
                    }
                    let mut patch = patch.clone();
                    patch["metadata"]["resourceVersion"] = json!(now.metadata.resource_version);
                    if api.patch(&facts.name, &parameters, &Patch::Merge(&patch)).await.is_ok() {
                        return Ok(command.id);
                    }
                }
                Err(kube::Error::Api(status)) => bail!("{}: {}", facts.label(), status.message),
                Err(error) => bail!("{}: {error}", facts.label()),
            }
        }
        bail!("{}: the canary changes too fast to be written", facts.label())
    }

    /// Whether the command was taken, and what the controller says.
    async fn answer(&self, cluster: &Cluster, canary: &Canary, id: &str) -> anyhow::Result<(bool, String)> {
        let (api, name) = (cluster.canaries(canary.metadata.namespace.as_deref()), label(canary));
        let look = async {
            loop {
                let now = api.get(canary.metadata.name.as_deref().unwrap_or_default()).await;
                let now = now.with_context(|| format!("{name} cannot be read"))?;
                if let Some(answer) = canary_api::steering(&now.metadata).acknowledgement(id) {
                    return Ok(if answer.refused {
                        (false, format!("refused: {}", answer.text))
                    } else {
                        (true, format!("taken: {}", answer.text))
                    });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if self.timeout.is_zero() {
            return Ok((true, "given".into()));
        }
        tokio::time::timeout(self.timeout, look).await.unwrap_or_else(|_| {
            Ok((false, format!("not taken within {} s: is the controller running?", self.timeout.as_secs())))
        })
    }
}

/// The gate that an approval without a name is about: the one that the rollout waits at.
fn gate_of(facts: &Facts) -> anyhow::Result<String> {
    let Some(plan) = facts.plan() else { bail!("{}: the canary is not valid", facts.label()) };
    let kind = match facts.phase() {
        Phase::Waiting => HookKind::ConfirmRollout,
        Phase::WaitingPromotion => HookKind::ConfirmPromotion,
        Phase::Progressing
        | Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => HookKind::ConfirmTrafficIncrease,
    };
    let names = |wanted: &dyn Fn(HookKind) -> bool| -> Vec<&str> {
        plan.hooks.iter().filter(|h| wanted(h.kind)).map(|h| h.name.as_str()).collect()
    };
    if let [one] = names(&|k| k == kind).as_slice() {
        return Ok((*one).to_owned());
    }
    let all = names(&HookKind::is_gate);
    if all.is_empty() {
        bail!("{}: the canary has no gates", facts.label());
    }
    bail!("{}: say which gate with --gate: {}", facts.label(), all.join(", "))
}

/// The name that the API server knows the user by; none where it does not say.
async fn whoami(cluster: &Cluster) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(cluster.client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username.filter(|name| !name.is_empty())
}

/// Who gives a command: what the API server says comes first, for only that cannot be made up.
fn author(known: Option<String>, by: Option<String>, user: Option<String>) -> String {
    match (known, by) {
        (Some(known), Some(by)) if known != by => format!("{by} ({known})"),
        (Some(known), _) => known,
        (None, Some(by)) => by,
        (None, None) => user.unwrap_or_default(),
    }
}

fn label(canary: &Canary) -> String {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    format!("{}.{}", text(&canary.metadata.name), text(&canary.metadata.namespace))
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("{question} Nobody is there to answer: say --yes");
    }
    anstream::eprint!("{question} [y/N] ");
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::author;

    #[test]
    fn the_api_servers_word_about_who_you_are_comes_first() {
        let text = |name: &str| Some(name.to_owned());
        for (known, by, user, expected) in [
            (text("system:admin"), None, text("jane"), "system:admin"),
            (text("ci"), text("jane"), text("root"), "jane (ci)"),
            (text("jane"), text("jane"), None, "jane"),
            (None, text("jane"), text("root"), "jane"),
            (None, None, text("jane"), "jane"),
            (None, None, None, ""),
        ] {
            assert_eq!(author(known, by, user), expected);
        }
    }
}
