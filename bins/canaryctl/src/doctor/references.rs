//! Objects that a canary names: target, autoscaler, ingress, and the providers of its alerts.

use serde_json::Value;

use super::{Examination, State};

impl Examination<'_> {
    pub(super) async fn references(&mut self) {
        let namespace = self.canary.namespace.clone();
        for (field, default_version) in [
            ("targetRef", "apps/v1"),
            ("autoscalerRef", "autoscaling/v2"),
            ("ingressRef", "networking.k8s.io/v1"),
        ] {
            let reference = self.manifest.object.pointer(&format!("/spec/{field}")).cloned();
            let Some(reference) = reference.filter(Value::is_object) else { continue };
            let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
            let version = Some(text("apiVersion")).filter(|version| !version.is_empty());
            let version = version.unwrap_or_else(|| default_version.to_owned());
            self.presence(field, &version, &text("kind"), &namespace, &text("name")).await;
        }
        let alerts = self.manifest.object.pointer("/spec/analysis/alerts").and_then(Value::as_array).cloned();
        for alert in alerts.unwrap_or_default() {
            self.alert(&alert, &namespace).await;
        }
    }

    async fn alert(&mut self, alert: &Value, namespace: &str) {
        let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let what = format!("alert {}", text("/name"));
        let namespace = Some(text("/providerRef/namespace")).filter(|n| !n.is_empty()).unwrap_or(namespace);
        let name = text("/providerRef/name");
        self.presence(&what, "flagger.app/v1beta1", "AlertProvider", namespace, name).await;
        let found = self.cluster.find("flagger.app/v1beta1", "AlertProvider", namespace, name).await;
        let Ok(Some(found)) = found else { return };
        let secret = found.object.pointer("/spec/secretRef/name").and_then(Value::as_str);
        if let Some(secret) = secret.map(str::to_owned) {
            match self.cluster.find("v1", "Secret", namespace, &secret).await {
                Ok(Some(found)) if has_key(&found.object, "address") => {
                    self.row(&what, State::Good, format!("Secret {secret}.{namespace} has an address"));
                }
                Ok(Some(_)) => {
                    self.row(
                        &what,
                        State::Bad,
                        format!("Secret {secret}.{namespace} has no key \"address\""),
                    );
                }
                Ok(None) => {
                    let text = self.cluster.absent("v1", "Secret", namespace, &secret).await;
                    self.row(&what, State::Bad, text);
                }
                Err(error) => {
                    self.row(
                        &what,
                        State::Bad,
                        format!("Secret {secret}.{namespace} cannot be read: {error}"),
                    );
                }
            }
        }
    }
}

fn has_key(secret: &Value, key: &str) -> bool {
    ["data", "stringData"].iter().any(|field| secret[field].get(key).is_some())
}
