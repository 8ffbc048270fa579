//! `cargo xtask`: the chores of this workspace, the same commands for a person and for the build server.

mod arguments;
mod cargo_tools;
mod cargo_totals;
mod fuzz;
mod node_packages;
mod plan;
mod process;
mod steps;
mod system_tools;

use std::process::ExitCode;

use arguments::Chore;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let chore = match arguments::parse(&words) {
        Ok(chore) => chore,
        Err(complaint) => {
            eprintln!("{complaint}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    if let Err(error) = std::env::set_current_dir(process::workspace_root()) {
        eprintln!("cannot enter {}: {error}", process::workspace_root().display());
        return ExitCode::FAILURE;
    }
    let steps = match chore {
        Chore::Help => {
            println!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Chore::Test { fast } => steps::test(fast),
        Chore::Lint { quick } => steps::lint(quick),
        Chore::Fuzz { target, seconds } => match fuzz::steps(target.as_deref(), seconds) {
            Ok(steps) => steps,
            Err(complaint) => {
                eprintln!("{complaint}");
                return ExitCode::FAILURE;
            }
        },
    };
    if plan::run_in_order(steps) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
