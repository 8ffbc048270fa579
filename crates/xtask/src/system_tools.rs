//! Programs that the tests start, installed through the package manager of the system when they are missing.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::plan::Outcome;
use crate::process::{find_on_path, program, run};

/// A program that some test starts.
pub(crate) struct Tool {
    /// Any of these will do; the first is the one to install.
    pub(crate) programs: &'static [&'static str],
    /// A variable with which the user may name the program's file instead.
    pub(crate) variable: Option<&'static str>,
    /// What it is needed for, as the end of the sentence "installing NAME: …".
    pub(crate) why: &'static str,
    /// What it is called where it comes from.
    pub(crate) packages: Packages,
}

/// The name of one tool's package for each package manager.
pub(crate) struct Packages {
    pub(crate) apt: &'static str,
    pub(crate) dnf: &'static str,
    pub(crate) pacman: &'static str,
    pub(crate) brew: &'static str,
}

/// Installs what is not there, and says what and why; asks nothing of a machine that has everything.
///
/// # Errors
/// Something is missing and there is no known package manager, no right to use it, or it did not bring the program.
pub(crate) fn install_missing(tools: &[Tool]) -> Outcome {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !is_there(tool)).collect();
    for tool in tools.iter().filter(|tool| is_there(tool)) {
        println!("{} is there", tool.programs[0]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let Some(manager) = PackageManager::ALL.into_iter().find(|manager| find_on_path(manager.program()).is_some())
    else {
        return Err(format!("no known package manager; please install by hand {}", named(&missing)));
    };
    for tool in &missing {
        println!("installing {}: {}", tool.programs[0], tool.why);
    }
    let sudo = manager.needs_root() && !is_root();
    if sudo && !may_sudo() {
        return Err(format!("not root, and `sudo -n` refuses; please install by hand {}", named(&missing)));
    }
    for words in manager.commands(&missing) {
        run(&mut privileged(&words, sudo))?;
    }
    let still_missing: Vec<&Tool> = missing.into_iter().filter(|tool| !is_there(tool)).collect();
    if still_missing.is_empty() {
        Ok(())
    } else {
        Err(format!("{} did not bring {}", manager.program(), named(&still_missing)))
    }
}

#[derive(Clone, Copy)]
enum PackageManager {
    Apt,
    Dnf,
    Pacman,
    Brew,
}

impl PackageManager {
    /// The system's own before brew, which people also have beside another.
    const ALL: [Self; 4] = [Self::Apt, Self::Dnf, Self::Pacman, Self::Brew];

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Brew => "brew",
        }
    }

    fn needs_root(self) -> bool {
        !matches!(self, Self::Brew)
    }

    fn package(self, tool: &Tool) -> &'static str {
        match self {
            Self::Apt => tool.packages.apt,
            Self::Dnf => tool.packages.dnf,
            Self::Pacman => tool.packages.pacman,
            Self::Brew => tool.packages.brew,
        }
    }

    /// The command lines that install the tools, each package once.
    fn commands(self, tools: &[&Tool]) -> Vec<Vec<&'static str>> {
        let (refresh, mut install) = match self {
            Self::Apt => (Some(vec!["apt-get", "update"]), vec!["apt-get", "install", "-y", "--no-install-recommends"]),
            Self::Dnf => (None, vec!["dnf", "install", "-y"]),
            Self::Pacman => (None, vec!["pacman", "-S", "--noconfirm", "--needed"]),
            Self::Brew => (None, vec!["brew", "install"]),
        };
        for tool in tools {
            let package = self.package(tool);
            if !install.contains(&package) {
                install.push(package);
            }
        }
        refresh.into_iter().chain([install]).collect()
    }
}

fn is_there(tool: &Tool) -> bool {
    let named_by_user = tool.variable.and_then(std::env::var_os).is_some_and(|file| Path::new(&file).is_file());
    named_by_user || tool.programs.iter().any(|name| find_on_path(name).is_some())
}

fn named(tools: &[&Tool]) -> String {
    tools.iter().map(|tool| format!("{} ({})", tool.programs[0], tool.why)).collect::<Vec<_>>().join(", ")
}

fn privileged(words: &[&str], sudo: bool) -> Command {
    // `env` carries the variable through sudo, which drops it; without it a package may stop to ask a question.
    let start: &[&str] = if sudo { &["sudo", "-n"] } else { &[] };
    let line: Vec<&str> =
        start.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive"]).chain(words.iter().copied()).collect();
    let mut command = program(line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    program("id").arg("-u").output().is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

fn may_sudo() -> bool {
    program("sudo").args(["-n", "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Tool = Tool {
        programs: &["node"],
        variable: None,
        why: "it runs scripts",
        packages: Packages { apt: "nodejs", dnf: "nodejs", pacman: "nodejs", brew: "node" },
    };
    const NPM: Tool = Tool {
        programs: &["npm"],
        variable: None,
        why: "it fetches scripts",
        packages: Packages { apt: "npm", dnf: "nodejs-npm", pacman: "npm", brew: "node" },
    };

    #[test]
    fn each_manager_installs_each_package_once() {
        let lines = |manager: PackageManager| -> Vec<String> {
            manager.commands(&[&NODE, &NPM]).iter().map(|words| words.join(" ")).collect()
        };
        assert_eq!(
            lines(PackageManager::Apt),
            ["apt-get update", "apt-get install -y --no-install-recommends nodejs npm"]
        );
        assert_eq!(lines(PackageManager::Dnf), ["dnf install -y nodejs nodejs-npm"]);
        assert_eq!(lines(PackageManager::Pacman), ["pacman -S --noconfirm --needed nodejs npm"]);
        assert_eq!(lines(PackageManager::Brew), ["brew install node"]);
    }

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        assert_eq!(named(&[&NODE, &NPM]), "node (it runs scripts), npm (it fetches scripts)");
    }

    #[test]
    fn a_machine_with_everything_is_asked_for_nothing() {
        let shell = Tool { programs: &["no-such-program", "sh"], ..NODE };
        assert_eq!(install_missing(&[shell]), Ok(()));
    }
}
