//! `canaryctl completion` and `canaryctl man`: made of the same description that the command line is parsed by.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

/// The completion script of a shell.
pub(crate) fn completion(mut command: Command, shell: Shell, out: &mut dyn Write) {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let _ = out.write_all(&script); // whoever reads it may have seen enough
}

/// Writes the manual: one page to the output, or a page for each subcommand into a folder.
pub(crate) fn manual(command: Command, folder: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(folder) = folder else {
        return Ok(clap_mangen::Man::new(command).render(out)?);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("{} cannot be written", folder.display()))?;
    Ok(())
}
