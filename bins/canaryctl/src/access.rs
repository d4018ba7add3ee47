//! Rights as a role: for a whole cluster or one namespace, and for what of the controller is used.
//! Not the table of rights, which is the controller's.

use anyhow::bail;
use canary_controller::{Part, Right, rights};
use canary_routers::Routers;
use serde_json::{Value, json};

/// Which rights a role is to have.
#[derive(clap::Args)]
pub(crate) struct Access {
    /// A Role in that namespace, for a controller with -namespace; without it a ClusterRole.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only the objects of that mesh or ingress may be changed; can be repeated. Without it: of all.
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// For a controller with -enable-config-tracking=false.
    #[arg(long)]
    no_config_tracking: bool,
    /// For a controller with -enable-leader-election; in a ClusterRole the lease may be in any namespace.
    #[arg(long)]
    leader_election: bool,
    /// Name of the role.
    #[arg(long, default_value = "canaryd")]
    name: String,
    /// The whole table as JSON, with what each right is for.
    #[arg(long, exclusive = true)]
    table: bool,
}

impl Access {
    /// Prints the role.
    ///
    /// # Errors
    /// There is no such provider.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let routers = Routers::default();
        let all = rights(&routers);
        if self.table {
            let table: Vec<Value> = all.iter().map(entry).collect();
            anstream::println!("{}", serde_json::to_string_pretty(&table)?);
            return Ok(());
        }
        let mut chosen = Vec::new();
        for provider in &self.provider {
            routers.kinds(provider)?;
            chosen.push(provider.split(':').next().unwrap_or(provider));
        }
        if self.name.is_empty() {
            bail!("--name is empty");
        }
        let rules: Vec<Value> =
            all.iter().filter(|right| self.wants(&right.part, &chosen)).map(rule).collect();
        anstream::print!("{}", serde_saphyr::to_string(&self.role(rules))?);
        Ok(())
    }

    fn wants(&self, part: &Part, chosen: &[&str]) -> bool {
        match part {
            Part::ConfigTracking => !self.no_config_tracking,
            Part::LeaderElection => self.leader_election,
            Part::Providers(names) => {
                chosen.is_empty() || names.iter().any(|name| chosen.contains(&name.as_str()))
            }
            Part::Always => true,
            _ => false,
        }
    }

    fn role(&self, mut rules: Vec<Value>) -> Value {
        let mut metadata = json!({"name": self.name});
        let kind = if let Some(namespace) = &self.namespace {
            metadata["namespace"] = namespace.as_str().into();
            "Role"
        } else {
            rules.push(json!({"nonResourceURLs": ["/version"], "verbs": ["get"]}));
            "ClusterRole"
        };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules})
    }
}

fn rule(right: &Right) -> Value {
    let mut rule = json!({"apiGroups": [right.group], "resources": [right.resource], "verbs": right.verbs});
    if let Some(name) = right.name {
        rule["resourceNames"] = json!([name]);
    }
    rule
}

fn entry(right: &Right) -> Value {
    let (part, providers) = match &right.part {
        Part::Always => ("always", None),
        Part::ConfigTracking => ("config-tracking", None),
        Part::LeaderElection => ("leader-election", None),
        Part::Providers(names) => ("providers", Some(names)),
        _ => ("other", None),
    };
    json!({"group": right.group, "resource": right.resource, "verbs": right.verbs, "name": right.name,
           "part": part, "providers": providers, "why": right.why})
}
