//! The HorizontalPodAutoscaler controller, without metrics: it keeps replicas between their bounds.

use serde_json::{Value, json};

use crate::cluster::{Cluster, stamp};
use crate::kinds::BuiltIn;

impl Cluster {
    /// Looks at an autoscaler. One whose target has no replicas rests, as in a real cluster.
    pub(crate) fn sync_autoscaler(&mut self, namespace: &str, name: &str) {
        let Some(scaler) = self.find(BuiltIn::Autoscaler, namespace, name) else { return };
        let spec = &scaler["spec"];
        let target = spec["scaleTargetRef"]["name"].as_str().unwrap_or_default().to_owned();
        let deployment = (spec["scaleTargetRef"]["kind"] == "Deployment")
            .then(|| self.find(BuiltIn::Deployment, namespace, &target))
            .flatten();
        let Some(deployment) = deployment else {
            let text = "the HPA controller was unable to get the target's current scale";
            let conditions = vec![self.condition(&scaler, "AbleToScale", "False", "FailedGetScale", text)];
            self.write_autoscaler_status(&scaler, 0, 0, &conditions);
            return;
        };
        let current = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
        let least = spec["minReplicas"].as_i64().unwrap_or(1);
        let most = spec["maxReplicas"].as_i64().unwrap_or(i64::MAX).max(least);
        let able = "the HPA controller was able to get the target's current scale";
        let mut conditions = vec![self.condition(&scaler, "AbleToScale", "True", "SucceededGetScale", able)];
        if current == 0 {
            let text = "scaling is disabled since the replica count of the target is zero";
            conditions.push(self.condition(&scaler, "ScalingActive", "False", "ScalingDisabled", text));
            self.write_autoscaler_status(&scaler, 0, 0, &conditions);
            return;
        }
        let wanted = current.clamp(least, most);
        let text = "the HPA was able to successfully calculate a replica count";
        conditions.push(self.condition(&scaler, "ScalingActive", "True", "ValidMetricFound", text));
        self.write_autoscaler_status(&scaler, current, wanted, &conditions);
        if wanted != current {
            let mut object = (*deployment).clone();
            object["spec"]["replicas"] = wanted.into();
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            object["metadata"]["generation"] = generation.into();
            self.commit(self.kinds.of(BuiltIn::Deployment), object);
        }
    }

    fn condition(&self, scaler: &Value, kind: &str, state: &str, reason: &str, message: &str) -> Value {
        let old = scaler.pointer("/status/conditions").and_then(Value::as_array);
        let same = old.into_iter().flatten().find(|c| c["type"] == kind && c["status"] == state);
        let since = same.map_or_else(|| stamp(self.now), |c| c["lastTransitionTime"].clone());
        json!({ "type": kind, "status": state, "lastTransitionTime": since, "reason": reason, "message": message })
    }

    fn write_autoscaler_status(&mut self, scaler: &Value, current: i64, wanted: i64, conditions: &[Value]) {
        let (namespace, name) = crate::store::position(scaler);
        let mut status = json!({ "desiredReplicas": wanted, "conditions": conditions });
        if current > 0 {
            status["currentReplicas"] = current.into();
        }
        self.set_status(self.kinds.of(BuiltIn::Autoscaler), &namespace, &name, &status);
    }
}
