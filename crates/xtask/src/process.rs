//! Other programs: started in the workspace's root, and shown before they run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::plan::Outcome;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lies two folders below the workspace's root")
}

/// The cargo that runs this chore, so that a toolchain chosen by `cargo +NAME xtask` holds for the steps too.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program without the variables that `cargo run` sets for this crate.
///
/// Some build scripts ask to be run again when one of these changes; handed on, they would rebuild such dependencies at
/// each turn between `cargo test` and `cargo xtask test`.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os() {
        let set_for_this_crate =
            variable.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if set_for_this_crate {
            command.env_remove(variable);
        }
    }
    command
}

/// Prints the command, runs it to its end with this program's own output, and fails when it does.
///
/// # Errors
/// The program cannot be started, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Outcome {
    show(command);
    let status = command.status();
    end(command, status)
}

/// Prints the command as one would type it.
pub(crate) fn show(command: &Command) {
    println!("$ {}", typed(command));
}

/// Turns the end of a command into a step's outcome.
///
/// # Errors
/// As [`run`].
pub(crate) fn end(command: &Command, status: std::io::Result<ExitStatus>) -> Outcome {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().display();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` ended with {status}")),
        Err(error) => Err(format!("`{name}` cannot be started: {error}")),
    }
}

/// Looks a program up as a shell would.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file() || file.with_extension("exe").is_file()
}

fn typed(command: &Command) -> String {
    let mut words = Vec::new();
    if let Some(folder) = command.get_current_dir() {
        words.push(format!("cd {} &&", folder.display()));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(value)));
        }
    }
    // The name is enough: the full path of cargo says nothing about what is done.
    words.push(Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string());
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.display().to_string();
    if word.is_empty() || word.contains(char::is_whitespace) { format!("'{word}'") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/opt/somewhere/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("CARGO_PKG_NAME");
        assert_eq!(typed(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        command.current_dir("docs");
        assert_eq!(typed(&command), "cd docs && RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn a_program_that_is_not_there_fails_with_its_name() {
        let error = run(&mut Command::new("a-program-that-nobody-has")).expect_err("it does not exist");
        assert!(error.contains("`a-program-that-nobody-has` cannot be started"), "{error}");
    }

    #[test]
    fn the_root_is_the_folder_with_the_workspace() {
        let manifest = std::fs::read_to_string(workspace_root().join("Cargo.toml")).expect("the root has a manifest");
        assert!(manifest.contains("[workspace]"));
    }
}
