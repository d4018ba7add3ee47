//! After a crash: works off what an earlier process wrote and did not remove.

use std::sync::Arc;

use canary_load::{AddressPolicy, rustls::ClientConfig};

use crate::cleaner::{Cleanup, Leftover};
use crate::journal::{Journal, RunHeader};
use crate::scenario::Scenario;
use crate::setting::Setting;

/// Removes what the runs in the journal have left, one run after another. `addresses` says where that of a run may go.
/// What cannot be removed is in the result, and stays in the journal.
pub async fn recover(
    journal: &Journal,
    addresses: impl Fn(&RunHeader) -> Arc<dyn AddressPolicy>,
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
            target: None,
            duration: None,
            journal: Some(journal.clone()),
        };
        let cleaner = Scenario::parse(&header.file, &header.text)
            .and_then(|scenario| scenario.build(&setting, None))
            .map_err(|mistakes| mistakes.to_string())
            .and_then(|mut ready| {
                ready.plan.addresses = addresses(&header);
                ready.plan.tls.clone_from(&tls);
                ready.cleaner().map_err(|error| error.to_string())
            });
        match cleaner {
            Ok(cleaner) => {
                let Cleanup { removed, leftovers } = cleaner.recover(open.into_keys().collect()).await;
                all.removed += removed;
                all.leftovers.extend(leftovers);
            }
            Err(why) => all.leftovers.extend(open.into_values().map(|entry| Leftover {
                run: entry.run,
                flow: entry.flow,
                values: entry.values,
                why: why.clone(),
            })),
        }
    }
    all
}
