//! Writes the definitions of the resources, or with the argument `reference` their fields as Markdown, to standard output.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let reference = std::env::args().nth(1).as_deref() == Some("reference");
    let text = if reference {
        canary_api::field_reference()
    } else {
        canary_api::crds_yaml().map_err(io::Error::other)?
    };
    io::stdout().write_all(text.as_bytes())
}
