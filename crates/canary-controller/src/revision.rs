//! The name of a pod template: equal for equal templates, whatever the API server fills in.
//! Not for comparing names that other controllers gave.

use serde_json::Value;

use crate::canonical;

mod defaults;

/// Says which rules made the name, so that later rules can tell it from theirs.
const PREFIX: &str = "v1-";

/// The revision of a pod template as stored by the API server.
pub(crate) fn revision(template: &Value) -> String {
    let mut template = template.clone();
    defaults::strip(&mut template);
    format!("{PREFIX}{}", canonical::digest(&template))
}

/// Whether `text` is one of our revisions, and not another controller's hash.
#[cfg(test)]
pub(crate) fn is_own(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(PREFIX).is_some_and(|hex| hex.len() == 16 && hex.bytes().all(digit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Value {
        json!({
            "metadata": {"labels": {"app": "podinfo", "protocol": "TCP"}},
            "spec": {
                "initContainers": [{"name": "sidecar", "image": "proxy:latest", "restartPolicy": "Always"}],
                "containers": [{
                    "name": "podinfod",
                    "image": "registry:5000/podinfo:6.0.0",
                    "ports": [{"containerPort": 9898}],
                    "env": [
                        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                    ],
                    "livenessProbe": {"httpGet": {"port": 9898, "path": "/healthz"}},
                    "readinessProbe": {"grpc": {"port": 9999}},
                    "startupProbe": {"httpGet": {"port": 9898}},
                    "lifecycle": {"preStop": {"httpGet": {"port": 9898, "path": "/stop"}}},
                }],
                "volumes": [
                    {"name": "files", "configMap": {"name": "files"}},
                    {"name": "token", "secret": {"secretName": "token"}},
                    {"name": "all", "projected": {"sources": [
                        {"serviceAccountToken": {"path": "token"}},
                        {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    ]}},
                    {"name": "host", "hostPath": {"path": "/data"}},
                    {"name": "scratch"},
                    {"name": "own", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
                ],
                "serviceAccountName": "podinfo",
            },
        })
    }

    /// The same as the API server stores it.
    fn stored() -> Value {
        json!({
            "metadata": {"creationTimestamp": null, "labels": {"app": "podinfo", "protocol": "TCP"}},
            "spec": {
                "initContainers": [{
                    "name": "sidecar", "image": "proxy:latest", "restartPolicy": "Always", "imagePullPolicy": "Always",
                    "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "containers": [{
                    "name": "podinfod",
                    "image": "registry:5000/podinfo:6.0.0",
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 9898, "protocol": "TCP"}],
                    "env": [
                        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
                        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
                    ],
                    "livenessProbe": {
                        "httpGet": {"port": 9898, "path": "/healthz", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                    },
                    "readinessProbe": {
                        "grpc": {"port": 9999, "service": ""},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                    },
                    "startupProbe": {
                        "httpGet": {"port": 9898, "path": "/", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                    },
                    "lifecycle": {"preStop": {"httpGet": {"port": 9898, "path": "/stop", "scheme": "HTTP"}}},
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }],
                "volumes": [
                    {"name": "files", "configMap": {"name": "files", "defaultMode": 420}},
                    {"name": "token", "secret": {"secretName": "token", "defaultMode": 420}},
                    {"name": "all", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                        {"downwardAPI": {"items": [
                            {"path": "l", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}},
                        ]}},
                    ]}},
                    {"name": "host", "hostPath": {"path": "/data", "type": ""}},
                    {"name": "scratch", "emptyDir": {}},
                    {"name": "own", "ephemeral": {"volumeClaimTemplate": {
                        "metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
                    }}},
                ],
                "serviceAccountName": "podinfo",
                "serviceAccount": "podinfo",
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
            },
        })
    }

    #[test]
    fn a_template_and_its_stored_form_have_one_revision() {
        assert_eq!(revision(&written()), revision(&stored()));
        assert!(is_own(&revision(&stored())));
    }

    #[test]
    fn revisions_do_not_move_between_releases() {
        // Moving them would start a rollout of every canary: change the prefix, and the take-over, with the rules.
        assert_eq!(revision(&written()), "v1-72db69846a0e67c6");
    }

    #[test]
    fn what_people_change_makes_another_revision() {
        let changes = [
            ("/metadata/labels/app", json!("other")),
            ("/metadata/annotations", json!({"kubectl.kubernetes.io/restartedAt": "now"})),
            ("/metadata/labels/protocol", json!("UDP")),
            ("/spec/containers/0/image", json!("podinfo:6.0.1")),
            ("/spec/containers/0/imagePullPolicy", json!("Always")),
            ("/spec/containers/0/ports/0/protocol", json!("UDP")),
            ("/spec/containers/0/livenessProbe/periodSeconds", json!(11)),
            ("/spec/containers/0/livenessProbe/terminationGracePeriodSeconds", json!(30)),
            ("/spec/initContainers/0/restartPolicy", json!("OnFailure")),
            ("/spec/volumes/0/configMap/defaultMode", json!(256)),
            ("/spec/volumes/4/emptyDir", json!({"medium": "Memory"})),
            ("/spec/terminationGracePeriodSeconds", json!(31)),
            ("/spec/unknownFutureField", json!({"x": 1})),
            ("/spec/affinity", json!({"podAffinity": {"required": [{"namespaceSelector": {}}]}})),
        ];
        let mut seen = vec![revision(&stored())];
        for (pointer, value) in changes {
            let mut template = stored();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            template.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.into(), value);
            let revision = revision(&template);
            assert!(!seen.contains(&revision), "{pointer}");
            seen.push(revision);
        }
    }

    #[test]
    fn a_selector_of_everything_is_not_one_of_nothing() {
        let affinity = |term: Value| json!({"spec": {"affinity": {"podAffinity": {"required": [term]}}}});
        assert_ne!(
            revision(&affinity(json!({"labelSelector": {}}))),
            revision(&affinity(json!({"x": null})))
        );
    }

    #[test]
    fn hashes_of_others_are_told_apart() {
        for foreign in
            ["", "5498f4fcd6", "v1-", "v1-123", "v2-0123456789abcdef", "v1-0123456789ABCDEF", "8857b86c7"]
        {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}
