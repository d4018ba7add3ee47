//! What goes on beside the requests of a run: it fills up real traffic, and ends early for the primary's sake.

use std::sync::Arc;

use canary_load::TopUpSettings;
use kube::Client;

use crate::primary::PrimaryLimits;
use crate::real_traffic::{Opened, Source, fill_up};
use crate::runs::Record;
use crate::targets::Targets;

#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) top_up: Option<(TopUpSettings, Opened)>,
    pub(crate) primary: Option<PrimaryLimits>,
}

/// Real traffic that is filled up, with the source opened that counts it.
///
/// # Errors
/// It cannot be asked, or must not be.
pub(crate) fn opened(
    (settings, source): (TopUpSettings, Source),
    targets: Arc<Targets>,
    client: Option<Client>,
    namespace: &str,
) -> Result<(TopUpSettings, Opened), String> {
    Ok((settings, source.open(targets, client, namespace)?))
}

impl Beside {
    /// Goes on until the run has ended.
    pub(crate) async fn attend(&self, record: &Record) {
        let filling = async {
            if let Some((settings, source)) = &self.top_up {
                fill_up(*settings, source, record).await;
            }
        };
        let guarding = async {
            if let Some(limits) = &self.primary {
                limits.watch(record).await;
            }
        };
        tokio::join!(filling, guarding);
    }
}
