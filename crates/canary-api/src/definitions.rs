//! The definitions of the resources, built from the description of the fields, and the field reference of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::json;

use crate::fields::{ALERT_PROVIDER_SPEC, CANARY_SPEC, CANARY_STATUS, METRIC_TEMPLATE_SPEC};
use crate::objects::{AlertProvider, Canary, MetricTemplate};
use crate::schema::{self, Node};

/// Paths (such as `Canary.spec.analysis.x`) of the fields that Flagger does not have. There are none yet.
const OWN_FIELDS: &[&str] = &[];

/// Fields that Flagger requires and we do not, by the object that holds them.
const REQUIRED_BY_FLAGGER: &[(&str, &str)] = &[("Canary.spec.analysis.webhooks[]", "url")];

/// The definitions of [`Canary`], [`MetricTemplate`] and [`AlertProvider`].
pub fn crds() -> Vec<CustomResourceDefinition> {
    definitions(&|_| true)
}

/// The same with Flagger's fields only: what a cluster has whose controller was swapped and whose CRDs were not.
pub fn flagger_crds() -> Vec<CustomResourceDefinition> {
    let mut all = definitions(&|path| !OWN_FIELDS.contains(&path));
    for (path, field) in REQUIRED_BY_FLAGGER {
        if let Some(schema) = all.iter_mut().find_map(|crd| schema_at(crd, path)) {
            schema.required.get_or_insert_default().push((*field).to_owned());
        }
    }
    all
}

/// The schema at a path such as `Canary.spec.analysis.webhooks[]`.
fn schema_at<'a>(crd: &'a mut CustomResourceDefinition, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let mut steps = path.split('.');
    if steps.next() != Some(crd.spec.names.kind.as_str()) {
        return None;
    }
    let version = crd.spec.versions.first_mut()?;
    let mut schema = version.schema.as_mut()?.open_api_v3_schema.as_mut()?;
    for step in steps {
        schema = schema.properties.as_mut()?.get_mut(step.trim_end_matches("[]"))?;
        if step.ends_with("[]") {
            let Some(JSONSchemaPropsOrArray::Schema(item)) = schema.items.as_mut() else { return None };
            schema = item;
        }
    }
    Some(schema)
}

/// [`crds`] as YAML documents, always the same text.
///
/// # Errors
/// None that is known; the YAML writer could refuse a value.
pub fn crds_yaml() -> Result<String, serde_saphyr::SerializeError> {
    crds().iter().try_fold(String::new(), |mut text, crd| {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(crd)?);
        Ok(text)
    })
}

/// Every field of the three resources as Markdown: a heading and a table each.
pub fn field_reference() -> String {
    let mut text = String::new();
    for kind in kinds() {
        let _ = writeln!(text, "## {}\n\n{}\n", kind.names.0, kind.doc);
        text.push_str("| Field | Type | Default | Meaning |\n|---|---|---|---|\n");
        for row in kind.sections.iter().flat_map(|(name, node)| schema::rows(node, name)) {
            let cells = [format!("`{}`", row.path), row.kind, row.default, row.meaning]
                .map(|c| c.replace('|', "\\|"));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text
}

/// One of the three resources.
struct Kind {
    /// Kind, plural and singular.
    names: (String, String),
    doc: &'static str,
    sections: Vec<(&'static str, &'static Node)>,
    columns: Vec<CustomResourceColumnDefinition>,
}

fn kinds() -> [Kind; 3] {
    [
        Kind {
            names: names::<Canary>(),
            doc: "A workload whose new revisions are released step by step, and only while its checks pass.",
            sections: vec![("spec", &*CANARY_SPEC), ("status", &*CANARY_STATUS)],
            columns: canary_columns(),
        },
        Kind {
            names: names::<MetricTemplate>(),
            doc: "A question to a metrics backend, for the checks of canaries.",
            sections: vec![("spec", &*METRIC_TEMPLATE_SPEC)],
            columns: vec![column("Provider", "string", ".spec.provider.type")],
        },
        Kind {
            names: names::<AlertProvider>(),
            doc: "A chat or alert service, for the alerts of canaries.",
            sections: vec![("spec", &*ALERT_PROVIDER_SPEC)],
            columns: vec![column("Type", "string", ".spec.type")],
        },
    ]
}

fn names<K: Resource<DynamicType = ()>>() -> (String, String) {
    (K::kind(&()).into_owned(), K::plural(&()).into_owned())
}

fn canary_columns() -> Vec<CustomResourceColumnDefinition> {
    vec![
        column("Status", "string", ".status.phase"),
        column("Weight", "string", ".status.canaryWeight"),
        wide("Suspended", "boolean", ".spec.suspend"),
        wide("FailedChecks", "string", ".status.failedChecks"),
        wide("Interval", "string", ".spec.analysis.interval"),
        wide("Mirror", "boolean", ".spec.analysis.mirror"),
        wide("StepWeight", "string", ".spec.analysis.stepWeight"),
        wide("StepWeights", "string", ".spec.analysis.stepWeights"),
        wide("MaxWeight", "string", ".spec.analysis.maxWeight"),
        column("LastTransitionTime", "string", ".status.lastTransitionTime"),
    ]
}

fn column(name: &str, type_: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.into(),
        type_: type_.into(),
        json_path: path.into(),
        ..CustomResourceColumnDefinition::default()
    }
}

/// A column that only `kubectl get -o wide` shows.
fn wide(name: &str, type_: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition { priority: Some(1), ..column(name, type_, path) }
}

fn definitions(keep: &dyn Fn(&str) -> bool) -> Vec<CustomResourceDefinition> {
    kinds().into_iter().map(|kind| definition(kind, keep)).collect()
}

fn definition(kind: Kind, keep: &dyn Fn(&str) -> bool) -> CustomResourceDefinition {
    let (name, plural) = kind.names;
    let group = Canary::group(&()).into_owned();
    let schema = root(&name, kind.doc, &kind.sections, keep);
    CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{plural}.{group}")),
            // Helm must not delete everybody's canaries along with a release of the controller.
            annotations: Some(BTreeMap::from([("helm.sh/resource-policy".into(), "keep".into())])),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group,
            scope: "Namespaced".into(),
            names: CustomResourceDefinitionNames {
                singular: Some(name.to_lowercase()),
                list_kind: Some(format!("{name}List")),
                categories: Some(vec!["all".into()]),
                kind: name,
                plural,
                ..CustomResourceDefinitionNames::default()
            },
            versions: vec![CustomResourceDefinitionVersion {
                name: Canary::version(&()).into_owned(),
                served: true,
                storage: true,
                subresources: Some(CustomResourceSubresources {
                    status: Some(CustomResourceSubresourceStatus(json!({}))),
                    ..CustomResourceSubresources::default()
                }),
                additional_printer_columns: Some(kind.columns),
                schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema) }),
                ..CustomResourceDefinitionVersion::default()
            }],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    }
}

fn root(name: &str, doc: &str, sections: &[(&str, &Node)], keep: &dyn Fn(&str) -> bool) -> JSONSchemaProps {
    let plain = |type_: &str, doc: Option<&str>| JSONSchemaProps {
        type_: Some(type_.into()),
        description: doc.map(str::to_owned),
        ..JSONSchemaProps::default()
    };
    let head = [
        ("apiVersion", plain("string", Some("Group and version of this object."))),
        ("kind", plain("string", Some("Kind of this object."))),
        ("metadata", plain("object", None)),
    ];
    let sections = sections
        .iter()
        .map(|(section, node)| (*section, schema::properties(node, &format!("{name}.{section}"), keep)));
    JSONSchemaProps {
        properties: Some(head.into_iter().chain(sections).map(|(n, s)| (n.to_owned(), s)).collect()),
        ..plain("object", Some(doc))
    }
}

#[cfg(test)]
mod tests;
