//! Who gave a command that does not say so: what the API server noted when the annotation was written.

use canary_api::COMMAND_ANNOTATION;
use canary_core::{Command, Timestamp, Unreadable};
use serde_json::Value;

use crate::reconcile::Context;
use crate::subject::{Subject, canary_kind};

/// The latest command, with author and time where it names no author and is about to be taken. That costs a GET, because the
/// caches leave out who manages which field.
pub(crate) async fn with_author(context: &Context, subject: &Subject) -> Option<Result<Command, Unreadable>> {
    let mut given = subject.command.clone();
    if let Some(Ok(command)) = &mut given
        && command.by.is_empty()
        && subject.steering.acknowledgement(&command.id).is_none()
    {
        let about = &subject.about;
        let found = context.cache.live().get(&canary_kind(), &about.namespace, &about.name).await;
        if let Some((manager, at)) = found.ok().flatten().as_ref().and_then(writer) {
            command.by = format!("field manager {manager}");
            command.at = command.at.or(at);
        }
    }
    given
}

/// Who wrote the annotation last, and when: the name of a program, not of a person, which only the audit log has.
fn writer(canary: &Value) -> Option<(&str, Option<Timestamp>)> {
    let entries = canary.pointer("/metadata/managedFields")?.as_array()?;
    let key = format!("f:{COMMAND_ANNOTATION}");
    let owns = |entry: &&Value| {
        entry.pointer("/fieldsV1/f:metadata/f:annotations").is_some_and(|fields| fields.get(&key).is_some())
    };
    let entry = entries.iter().find(owns)?;
    let at = entry.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    Some((entry.get("manager")?.as_str()?, at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_writer_of_the_command_is_told_from_the_writers_of_other_fields() {
        let entry = |manager: &str, annotation: &str| {
            json!({"manager": manager, "operation": "Update", "apiVersion": "flagger.app/v1beta1",
                "time": "2026-05-01T10:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{annotation}"): {}}}}})
        };
        let managed = |entries: Vec<Value>| json!({"metadata": {"managedFields": entries}});
        let canary = managed(vec![
            json!({"manager": "kubectl-create", "fieldsV1": {"f:spec": {}}}),
            entry("canaryd", "canaryd/steering"),
            entry("kubectl-annotate", "canaryd/command"),
        ]);
        let at = "2026-05-01T10:00:00Z".parse().ok();
        assert_eq!(writer(&canary), Some(("kubectl-annotate", at)));
        assert_eq!(writer(&managed(vec![entry("canaryd", "canaryd/steering")])), None);
        assert_eq!(writer(&json!({"metadata": {}})), None);
    }
}
