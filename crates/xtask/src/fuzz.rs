//! The fuzz targets of `crates/*/fuzz`, each run for a bounded time.

use std::path::{Path, PathBuf};

use crate::cargo_tools::{self, CargoTool};
use crate::plan::{Outcome, Step};
use crate::process::run;

const CARGO_FUZZ: CargoTool =
    CargoTool { name: "cargo-fuzz", version: "0.13.2", why: "it builds the fuzz targets and keeps what they find" };

/// One step for each target, or for the one that is named.
///
/// # Errors
/// There is no such target; the answer lists those there are.
pub(crate) fn steps(only: Option<&str>, seconds: u32) -> Result<Vec<Step>, String> {
    let mut targets = targets_below(Path::new("crates"))?;
    let known = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
    targets.retain(|target| only.is_none_or(|name| name == target.name));
    if targets.is_empty() {
        return Err(match only {
            Some(name) => format!("there is no fuzz target `{name}`; there is: {known}"),
            None => "there is no fuzz target in crates/*/fuzz/fuzz_targets".to_owned(),
        });
    }
    Ok(targets
        .into_iter()
        .map(|target| Step::new(format!("fuzz {}", target.name), move || fuzz(&target, seconds)))
        .collect())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    /// The folder with the targets' own `Cargo.toml`.
    folder: PathBuf,
    name: String,
}

fn fuzz(target: &Target, seconds: u32) -> Outcome {
    let mut cargo_fuzz = cargo_tools::installed(&CARGO_FUZZ)?;
    cargo_fuzz
        // The sanitizers need a nightly toolchain; without them coverage guides the search on stable too, and a panic
        // or an endless loop is what there is to find in code that forbids `unsafe`.
        .args(["fuzz", "run", "-s", "none", "--fuzz-dir"])
        .arg(&target.folder)
        // One folder for all crates with targets, so that what they share is built once.
        .arg("--target-dir")
        .arg(cargo_tools::target_folder().join("fuzz"))
        .arg(&target.name)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        // libFuzzer looks at the clock between inputs: without this, one that hangs would hold up the end by 20 minutes.
        .arg("-timeout=10");
    run(&mut cargo_fuzz)
}

fn targets_below(crates: &Path) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for package in entries(crates)? {
        let folder = package.join("fuzz");
        let sources = folder.join("fuzz_targets");
        if !sources.is_dir() {
            continue;
        }
        for source in entries(&sources)? {
            if source.extension().is_some_and(|ending| ending == "rs")
                && let Some(name) = source.file_stem().and_then(|name| name.to_str())
            {
                targets.push(Target { folder: folder.clone(), name: name.to_owned() });
            }
        }
    }
    targets.sort();
    Ok(targets)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(unreadable))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_in_every_crate_that_has_some() {
        let crates = std::env::temp_dir().join(format!("xtask-fuzz-{}", std::process::id()));
        for file in [
            "b/fuzz/fuzz_targets/frame.rs",
            "a/fuzz/fuzz_targets/notes.md",
            "a/fuzz/fuzz_targets/line.rs",
            "c/src/lib.rs",
        ] {
            let file = crates.join(file);
            std::fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("a temporary folder");
            std::fs::write(file, "").expect("a temporary file");
        }
        let found = targets_below(&crates).expect("the folder was just made");
        std::fs::remove_dir_all(&crates).expect("it was just made");
        assert_eq!(
            found,
            [
                Target { folder: crates.join("a/fuzz"), name: "line".to_owned() },
                Target { folder: crates.join("b/fuzz"), name: "frame".to_owned() },
            ]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = targets_below(Path::new("no/such/folder")).expect_err("it does not exist");
        assert!(error.contains("no/such/folder"), "{error}");
    }
}
