//! The table of routers: what a canary may ask of each, and which objects it writes.

use std::io::{self, Write};

use canary_core::Capabilities;
use canary_routers::Routers;
use canary_routers::kube::core::ApiResource;

/// Writes the table as Markdown, which people can read as it is.
pub(crate) fn table(routers: &Routers, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| Provider | Weights | A/B testing | Mirroring | Session affinity | Objects |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for name in routers.names() {
        let (Ok(can), Ok(kinds)) = (routers.capabilities(name), routers.kinds(name)) else { continue };
        let Capabilities { weighted, conditions, mirror, session_affinity, .. } = can;
        let [weighted, conditions, mirror, affinity] =
            [weighted, conditions, mirror, session_affinity].map(|ability| if ability { "yes" } else { "–" });
        let objects = objects(&kinds);
        writeln!(out, "| `{name}` | {weighted} | {conditions} | {mirror} | {affinity} | {objects} |")?;
    }
    Ok(())
}

fn objects(kinds: &[ApiResource]) -> String {
    if kinds.is_empty() {
        return "none: blue/green by Services".into();
    }
    let text = |kind: &ApiResource| format!("{} (`{}`)", kind.kind, kind.api_version);
    kinds.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_provider_has_a_row_with_its_abilities() {
        let mut out = Vec::new();
        table(&Routers::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), Routers::default().names().len() + 2);
        for row in [
            "| `kubernetes` | – | – | – | – | none: blue/green by Services |",
            "| `traefik` | yes | – | – | – | TraefikService (`traefik.io/v1alpha1`) |",
        ] {
            assert!(text.contains(row), "{row} is missing in\n{text}");
        }
    }
}
