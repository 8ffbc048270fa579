//! What each chore does, in order: the place to add a step, a tool, or a folder of Node packages.

use std::process::Stdio;

use crate::cargo_tools::{self, CargoTool};
use crate::cargo_totals;
use crate::node_packages;
use crate::plan::{Outcome, Step};
use crate::process::{cargo, run};
use crate::system_tools::{self, Packages, Tool};

/// What the tests start besides cargo.
const TOOLS: &[Tool] = &[
    Tool {
        // The names that examples/chat/tests/browser/browser.mjs looks for, in its order.
        programs: &["chromium", "chromium-browser", "google-chrome"],
        variable: Some("CHROMIUM"),
        why: "the chat page is opened in a real browser",
        packages: Packages { apt: "chromium", dnf: "chromium", pacman: "chromium", brew: "chromium" },
    },
    Tool {
        programs: &["nc"],
        variable: None,
        why: "the line protocol is spoken by hand, as a user would",
        packages: Packages { apt: "netcat-openbsd", dnf: "netcat", pacman: "openbsd-netcat", brew: "netcat" },
    },
    Tool {
        programs: &["node"],
        variable: None,
        why: "JavaScript clients talk to the examples",
        packages: Packages { apt: "nodejs", dnf: "nodejs", pacman: "nodejs", brew: "node" },
    },
    Tool {
        programs: &["npm"],
        variable: None,
        why: "it installs the packages that drive the browser",
        packages: Packages { apt: "npm", dnf: "nodejs-npm", pacman: "npm", brew: "node" },
    },
];

/// Folders with a `package-lock.json` whose packages the tests use.
const NODE_FOLDERS: &[&str] =
    &["examples/rooms/tests/javascript", "examples/chat/tests/browser", "crates/fanfare-socketio/tests/oracle"];

/// Packages that `test --fast` leaves out, because their tests start a browser.
const LEFT_OUT_WHEN_FAST: &[&str] = &["chat"];

const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    why: "it checks the licences, versions and sources of every dependency",
};

/// The steps of `cargo xtask test`.
///
/// Browser and interoperability tests are `cargo test` targets too, so that they count in its closing lines; a step of
/// their own is needed only for what they need installed.
pub(crate) fn test(fast: bool) -> Vec<Step> {
    if fast {
        println!("--fast: installing nothing; leaving out the tests of {}", LEFT_OUT_WHEN_FAST.join(", "));
        return vec![Step::new("cargo test", || cargo_test(LEFT_OUT_WHEN_FAST))];
    }
    vec![
        Step::new("system tools", || system_tools::install_missing(TOOLS)),
        Step::new("node packages", || node_packages::install(NODE_FOLDERS)),
        Step::new("cargo test", || cargo_test(&[])),
    ]
}

/// The steps of `cargo xtask lint`, the cheap ones first.
pub(crate) fn lint(quick: bool) -> Vec<Step> {
    let mut steps = vec![
        Step::new("format", || run(cargo().args(["fmt", "--all", "--check"]))),
        Step::new("clippy", || run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ];
    if !quick {
        steps.push(Step::new("documentation", || {
            run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
        }));
        steps.push(Step::new("dependencies", dependencies));
    }
    steps
}

/// Runs the tests of the whole workspace but `left_out`; a broken one does not hide the next.
fn cargo_test(left_out: &[&str]) -> Outcome {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    for package in left_out {
        command.args(["--exclude", package]);
    }
    cargo_totals::run(command.stdin(Stdio::null()))
}

/// Licences, bans and sources; not advisories, because their database is not reachable from every build machine.
fn dependencies() -> Outcome {
    let mut deny = cargo_tools::installed(&CARGO_DENY)?;
    deny.args(["--config", ".deny.toml", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    run(&mut deny)
}
