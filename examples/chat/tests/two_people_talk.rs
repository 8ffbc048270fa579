//! Two people talk in a real browser each, and see every message once and in order, whatever breaks meanwhile.

#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

/// Runs `tests/browser/two_people.mjs`; its screenshots are in `target/pictures/chat`.
#[test]
fn two_people_see_every_message_once_and_in_order_though_the_line_breaks_and_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        browser.join("node_modules").is_dir(),
        "the packages of {} are not installed: `cargo xtask test` does it",
        browser.display()
    );
    let status = Command::new("node")
        .arg("two_people.mjs")
        .current_dir(browser)
        .env("CHAT", env!("CARGO_BIN_EXE_chat"))
        .env("FOLDER", folder.path())
        .env("PICTURES", Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pictures").join("chat"))
        .status()
        .expect("node runs; `cargo xtask test` installs it");
    assert!(status.success(), "{status}");
}
