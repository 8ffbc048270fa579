//! Inside the core imports run one way: error config observe event < transport protocol broker < node session < room < handler < engine < hub.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers, the lowest first. Modules of one layer may know each other.
const LAYERS: [&[&str]; 7] = [
    &["error", "config", "observe", "event"],
    &["transport", "protocol", "broker"],
    &["node", "session"],
    &["room"],
    &["handler"],
    &["engine"],
    &["hub"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Everything that stands behind a `crate::` in code, as whole paths: `use crate::{a::{B, C}, d}` gives `a::B`, `a::C`, `d`.
fn paths(source: &str) -> Vec<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        expand(&code[at + "crate::".len()..], "", &mut paths);
    }
    paths
}

/// Reads one path, which may branch, and returns what is behind it.
fn expand<'a>(text: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, prefix, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(more) => rest = more.trim_start(),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
            if let Some(rest) = rest.strip_prefix('}') {
                return rest;
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let path = if prefix.is_empty() { text[..end].to_owned() } else { format!("{prefix}::{}", &text[..end]) };
    match text[end..].strip_prefix("::") {
        Some(rest) => expand(rest, &path, paths),
        None => {
            paths.push(path);
            &text[end..]
        }
    }
}

/// The public names of the crate's root and the module that each comes from, of our own modules.
fn reexports(root: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for module in LAYERS.iter().flat_map(|layer| layer.iter()) {
        for (at, found) in root.match_indices(&format!("pub use {module}::")) {
            let mut paths = Vec::new();
            expand(&root[at + found.len()..], "", &mut paths);
            names.extend(paths.into_iter().map(|name| (name, (*module).to_owned())));
        }
    }
    names
}

#[test]
fn no_module_imports_from_a_higher_layer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let reexports = reexports(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    assert!(reexports.len() > 30, "{reexports:?}");
    let (mut upward, mut looked_at) = (Vec::new(), 0);
    for file in sources(&folder) {
        let name = file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let module = name.split(['/', '.']).next().unwrap().to_owned();
        let Some(own) = layer(&module) else {
            assert_eq!(name, "lib.rs", "{name} is in no layer");
            continue;
        };
        for path in paths(&fs::read_to_string(&file).unwrap()) {
            let first = path.split("::").next().unwrap();
            // A name of the root is its module's, but the root also has names of the wire crate, which is below all.
            let from = reexports.iter().find(|(there, _)| there == first).map_or(first, |(_, module)| module);
            let Some(other) = layer(from) else { continue };
            looked_at += 1;
            if other > own {
                upward.push(format!("{name}: {path} of {from}"));
            }
        }
    }
    assert!(looked_at > 150, "only {looked_at} imports found");
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn branching_imports_are_read() {
    let source = "use crate::{a::{B, c::D}, E, f::{self, G},}; // crate::comment\nfn x() { crate::h::i(crate::J); }";
    assert_eq!(paths(source), ["a::B", "a::c::D", "E", "f::self", "f::G", "h::i", "J"]);
}
