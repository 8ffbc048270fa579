//! Cargo subcommands that the lints and the fuzzer need, built from the registry when the machine has none.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{cargo, find_on_path, program, run};

/// A subcommand of cargo, in the version known to work.
pub(crate) struct CargoTool {
    /// Package and program.
    pub(crate) name: &'static str,
    /// Installed when no version is there; one found on the PATH is taken as it is.
    pub(crate) version: &'static str,
    /// What it is needed for, as the end of the sentence "installing NAME: …".
    pub(crate) why: &'static str,
}

/// The tool, ready for arguments; built into `target/tools` first if the machine does not have it.
///
/// # Errors
/// It is missing and cannot be built.
pub(crate) fn installed(tool: &CargoTool) -> Result<Command, String> {
    if let Some(found) = find_on_path(tool.name) {
        return Ok(program(found));
    }
    let folder = target_folder().join("tools");
    let built = folder.join("bin").join(tool.name).with_extension(std::env::consts::EXE_EXTENSION);
    if !built.is_file() {
        println!("installing {} {} into {}: {}", tool.name, tool.version, folder.display(), tool.why);
        // Unoptimised: cargo-deny builds in half the time, and its one second of work becomes two.
        let mut install = cargo();
        install.args(["install", tool.name, "--locked", "--debug", "--version", tool.version, "--root"]).arg(&folder);
        run(&mut install)?;
    }
    Ok(program(built))
}

/// Where cargo builds: `target`, unless the user moved it.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new("target").to_owned(), PathBuf::from)
}
