//! After a crash: works off what an earlier process wrote and did not remove, or lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use canary_load::{AddressPolicy, Target, rustls::ClientConfig};

use crate::cleaner::{Cleanup, Leftover};
use crate::journal::{Entry, Journal, RunHeader};
use crate::scenario::Scenario;
use crate::setting::Setting;
use crate::template::root;

/// Removes what the runs in the journal have left, one run after another. `addresses` says where that of a run may go, whose
/// targets are given; `None`: it is left alone, since the run is still under way.
/// What cannot be removed is in the result, and stays in the journal.
pub async fn recover(
    journal: &Journal,
    addresses: impl Fn(&RunHeader, &[Target]) -> Option<Arc<dyn AddressPolicy>>,
    tls: Option<Arc<ClientConfig>>,
) -> Cleanup {
    let mut all = Cleanup::default();
    for (header, open) in journal.pending() {
        let setting = Setting {
            params: header.params.clone(),
            canary: header.canary.clone(),
            base: header.base.clone(),
            run: header.run.clone(),
            writes: true,
            journal: Some(journal.clone()),
            ..Setting::default()
        };
        let scenario = Scenario::parse(&header.file, &header.text);
        let secrets = secrets(scenario.as_ref().ok(), &open);
        let cleaner = scenario
            .and_then(|scenario| scenario.build(&setting, None))
            .map_err(|mistakes| mistakes.to_string())
            .map(|mut ready| {
                let addresses = addresses(&header, &ready.plan.targets)?;
                ready.plan.addresses = addresses;
                ready.plan.tls.clone_from(&tls);
                Some(ready.cleaner().map_err(|error| error.to_string()))
            });
        let cleaner = match cleaner {
            Ok(None) => continue,
            Ok(Some(cleaner)) => cleaner,
            Err(why) => Err(why),
        };
        match cleaner {
            Ok(cleaner) => {
                let Cleanup { removed, leftovers } = cleaner.recover(open.into_keys().collect()).await;
                all.removed += removed;
                all.leftovers.extend(leftovers);
            }
            Err(why) => all.leftovers.extend(left(open.into_values(), &secrets, &why)),
        }
    }
    all
}

/// What the runs in the journal have left, without a try to remove it.
pub fn leftovers(journal: &Journal) -> Vec<Leftover> {
    let mut all = Vec::new();
    for (header, open) in journal.pending() {
        let secrets = secrets(Scenario::parse(&header.file, &header.text).ok().as_ref(), &open);
        all.extend(left(open.into_values(), &secrets, "it was not removed"));
    }
    all
}

/// The feeds whose values are not shown. Of a file that cannot be read it is not known which are secret.
fn secrets(scenario: Option<&Scenario>, open: &BTreeMap<u64, Entry>) -> BTreeSet<String> {
    let all =
        || open.values().flat_map(|entry| entry.values.keys().map(|name| root(name).to_owned())).collect();
    scenario.map_or_else(all, Scenario::secret_feeds)
}

fn left<'a>(
    entries: impl Iterator<Item = Entry> + 'a,
    secrets: &'a BTreeSet<String>,
    why: &'a str,
) -> impl Iterator<Item = Leftover> + 'a {
    entries.map(|entry| Leftover::new(entry, secrets, why.to_owned()))
}
