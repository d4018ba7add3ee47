//! From a canary to what the handler of its workload is told.

use canary_core::{Autoscaler, Phase, Status, WorkloadSpec};

use super::ValidCanary;
use crate::spec::AutoscalerRef;

impl ValidCanary {
    /// Which workload, and how to judge it.
    pub fn workload(&self, status: &Status) -> WorkloadSpec {
        let analysis = &self.spec.analysis;
        let mut workload = WorkloadSpec::new(&self.namespace, self.owner(), self.target());
        workload.autoscaler = self.spec.autoscaler_ref.as_ref().map(autoscaler);
        workload.progress_deadline = self.progress_deadline();
        workload.primary_ready_threshold = analysis.primary_ready_threshold.unwrap_or(100);
        workload.target_ready_threshold = analysis.canary_ready_threshold.unwrap_or(100);
        workload.last_transition = status.last_transition;
        workload.promoted = promoted(status);
        workload
    }
}

/// The revision that the primary has to run.
fn promoted(status: &Status) -> Option<String> {
    let revision = match status.phase {
        // The first revision is yet to be set up.
        Phase::Unset | Phase::Initializing => return None,
        // It was given the analysed one, whether its pods follow or not.
        Phase::Promoting | Phase::Finalising => &status.last_applied,
        Phase::Initialized
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => &status.last_promoted,
    };
    (!revision.is_empty()).then(|| revision.clone())
}

fn autoscaler(written: &AutoscalerRef) -> Autoscaler {
    let replicas = written.primary_scaler_replicas.clone().unwrap_or_default();
    let small = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    Autoscaler {
        kind: written.kind.clone(),
        name: written.name.clone(),
        primary_queries: written.primary_scaler_queries.clone(),
        primary_min: replicas.min_replicas.map(small),
        primary_max: replicas.max_replicas.map(small),
    }
}
