//! Which canaries a command is about: named, all, or by label. A name that is nearly right is told.

use anyhow::bail;
use canary_api::Canary;

use super::Cluster;
use super::cluster::said;

/// Which canaries.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PickedArgs {
    /// Names of canaries.
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "selector"], conflicts_with_all = ["all", "selector"])]
    pub(crate) names: Vec<String>,
    /// Every canary of the namespace.
    #[arg(long, conflicts_with = "selector")]
    pub(crate) all: bool,
    /// Every canary with these labels, such as app=podinfo.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// With --all or --selector: of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub(crate) all_namespaces: bool,
}

/// What was picked.
pub(crate) enum Picked {
    /// These.
    Canaries(Vec<Canary>),
    /// No canary has that name, with what may have been meant.
    Missing(String),
}

/// One canary by name.
pub(crate) async fn pick(cluster: &Cluster, name: &str) -> anyhow::Result<Result<Canary, String>> {
    let found = cluster.canaries(Some(&cluster.namespace)).get_opt(name).await;
    match found.map_err(|e| said(&e, &format!("canary {name} cannot be read")))? {
        Some(canary) => Ok(Ok(canary)),
        None => Ok(Err(missing(cluster, name).await)),
    }
}

async fn missing(cluster: &Cluster, name: &str) -> String {
    let text = format!("there is no canary {name:?} in namespace {:?}", cluster.namespace);
    // A guess is worth something only where the user may list.
    let all = cluster.list(true, None).await.or(cluster.list(false, None).await).unwrap_or_default();
    let has_name = |c: &&Canary| c.metadata.name.as_deref() == Some(name);
    if let Some(namespace) = all.iter().find(has_name).and_then(|c| c.metadata.namespace.as_deref()) {
        return format!("{text}; there is one in namespace {namespace:?}");
    }
    let here = all.iter().filter(|c| c.metadata.namespace.as_deref() == Some(&cluster.namespace));
    let names: Vec<&str> = here.filter_map(|c| c.metadata.name.as_deref()).collect();
    match nearest(name, &names) {
        Some(near) => format!("{text}; did you mean {near:?}?"),
        None if names.is_empty() => format!("{text}, which has none at all"),
        None => format!("{text}; there are: {}", names.join(", ")),
    }
}

/// The name that is at most a third of its letters away.
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(name, other);
    let best = names.iter().copied().min_by_key(|other| distance(other))?;
    (distance(best) * 3 <= name.len().max(3)).then_some(best)
}

impl PickedArgs {
    /// Finds them. Naming several of which one is missing picks none.
    pub(crate) async fn find(&self, cluster: &Cluster) -> anyhow::Result<Picked> {
        if self.all || self.selector.is_some() {
            let canaries = cluster.list(self.all_namespaces, self.selector.as_deref()).await?;
            if canaries.is_empty() {
                bail!("no canary is selected");
            }
            return Ok(Picked::Canaries(canaries));
        }
        let mut canaries = Vec::new();
        for name in &self.names {
            match pick(cluster, name).await? {
                Ok(canary) => canaries.push(canary),
                Err(missing) => return Ok(Picked::Missing(missing)),
            }
        }
        Ok(Picked::Canaries(canaries))
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_name_that_is_nearly_right_is_found() {
        let names = ["podinfo", "checkout", "cart"];
        for (given, meant) in [
            ("podinf", Some("podinfo")),
            ("pdoinfo", Some("podinfo")),
            ("chekout", Some("checkout")),
            ("nginx", None),
        ] {
            assert_eq!(nearest(given, &names), meant, "{given}");
        }
    }
}
