//! The Node packages of the tests, exactly as their lock files say.

use std::path::Path;

use crate::plan::Outcome;
use crate::process::{program, run};

/// Installs the packages of each folder.
///
/// # Errors
/// A folder has no lock file, or npm fails.
pub(crate) fn install(folders: &[&str]) -> Outcome {
    for folder in folders {
        if !Path::new(folder).join("package-lock.json").is_file() {
            return Err(format!("{folder} has no package-lock.json"));
        }
        run(program("npm")
            .args(["ci", "--prefer-offline", "--no-audit", "--no-fund"])
            .current_dir(folder)
            // The browser comes from the system: the download of a build of its own fails behind many firewalls.
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))?;
    }
    Ok(())
}
