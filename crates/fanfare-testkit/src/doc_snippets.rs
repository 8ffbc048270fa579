//! Compiles and runs the Rust of README.md and docs/ as doc tests, and checks what the pages name: links, tests, words, knobs.

macro_rules! pages {
    ($($page:ident: $path:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../", $path))]
            mod $page {}
        )*
        /// The pages with Rust in them.
        #[cfg(test)]
        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    readme: "README.md",
    handlers: "docs/guide/handlers.md",
    rooms: "docs/guide/rooms.md",
    authentication: "docs/guide/authentication.md",
    presence_and_history: "docs/guide/presence-and-history.md",
    reconnecting: "docs/guide/reconnecting.md",
    operating: "docs/guide/operating.md",
    testing_your_app: "docs/guide/testing-your-app.md",
    write_a_transport: "docs/extend/write-a-transport.md",
    write_a_broker: "docs/extend/write-a-broker.md",
    write_a_protocol: "docs/extend/write-a-protocol.md",
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use fanfare::protocol::{InMessage, Native, Protocol};
    use serde_json::Value;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Every file below `folder` that ends so, without what others wrote and what was built.
    fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                found.extend(files(&path, end));
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
        found
    }

    fn pages() -> impl Iterator<Item = (PathBuf, String)> {
        let mut paths = files(&root().join("docs"), ".md");
        paths.push(root().join("README.md"));
        paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
    }

    fn page(path: &str) -> String {
        fs::read_to_string(root().join(path)).unwrap()
    }

    /// A heading as the anchor that a link names.
    fn anchor(heading: &str) -> String {
        let letters = heading.trim().to_lowercase().replace(' ', "-");
        letters.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect()
    }

    fn links(text: &str) -> impl Iterator<Item = &str> {
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        inline
            .chain(text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, target)| target)))
    }

    #[test]
    fn every_page_with_rust_in_it_is_compiled() {
        for (path, text) in pages().filter(|(_, text)| text.contains("```rust")) {
            assert!(
                super::PAGES.iter().any(|page| path.ends_with(page)),
                "{} is in no list: {text:.40}",
                path.display()
            );
        }
    }

    #[test]
    fn every_link_leads_somewhere() {
        for (path, text) in pages() {
            for link in links(&text).filter(|link| !link.contains("://")) {
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
                assert!(target.exists(), "{}: {link}", path.display());
                if !heading.is_empty() {
                    let there = fs::read_to_string(target).unwrap();
                    let mut headings = there.lines().filter(|line| line.starts_with('#'));
                    let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                    assert!(found, "{}: {link}", path.display());
                }
            }
        }
    }

    #[test]
    fn every_test_that_the_guarantees_name_is_there() {
        let sources: String = ["crates", "examples"]
            .iter()
            .flat_map(|folder| files(&root().join(folder), ".rs"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let guarantees = page("docs/guarantees.md");
        let contracts = guarantees.split("\n\n").filter(|part| part.contains("Contract:"));
        let contracts =
            contracts.flat_map(|part| part.split('`').skip(1).step_by(2)).filter(|word| !word.contains("::"));
        let listed = guarantees.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'));
        let tests: Vec<_> = contracts.chain(listed).collect();
        assert!(tests.len() > 40, "{tests:?}");
        let missing: Vec<_> = tests.into_iter().filter(|test| !sources.contains(&format!("fn {test}"))).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn each_promise_is_worded_as_its_tests_word_it() {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let guarantees = one_line(&page("docs/guarantees.md"));
        for path in files(&root().join("crates/fanfare/tests"), ".rs") {
            let source = fs::read_to_string(&path).unwrap();
            let Some((_, promise)) = source.lines().next().unwrap().split_once("//! C") else { continue };
            let (_, sentence) = promise.split_once(": ").unwrap();
            assert!(guarantees.contains(&one_line(sentence)), "{}: {sentence}", path.display());
        }
    }

    #[test]
    fn every_crate_is_in_the_readme_and_its_paths_are_there() {
        let readme = page("README.md");
        for entry in fs::read_dir(root().join("crates")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name == "xtask" || readme.contains(&format!("| [`{name}`](crates/{name}) |")), "{name}");
        }
        let paths: Vec<_> =
            readme.split("path = \"../fanfare/").skip(1).filter_map(|rest| rest.split_once('"')).collect();
        assert!(!paths.is_empty());
        for (path, _) in paths {
            assert!(root().join(path).join("Cargo.toml").exists(), "{path}");
        }
    }

    #[test]
    fn every_reserved_word_is_named_to_authors_of_handlers() {
        let source = fs::read_to_string(root().join("crates/fanfare/src/handler/reserved.rs")).unwrap();
        let (_, list) = source.split_once("&[&str] = &[").unwrap();
        let words: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert!(words.len() > 20, "{words:?}");
        let handlers = page("docs/guide/handlers.md");
        let (_, named) = handlers.split_once("## Names that are taken").unwrap();
        let (named, _) = named.split_once("\n## ").unwrap();
        let missing: Vec<_> = words.into_iter().filter(|word| !named.contains(&format!("`{word}`"))).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn every_file_of_the_core_that_the_architecture_names_is_there() {
        let architecture = page("docs/ARCHITECTURE.md");
        let core = root().join("crates/fanfare/src");
        let named =
            architecture.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && name.ends_with(".rs"));
        let named: Vec<_> = named.filter(|name| core.join(name).parent().is_some_and(Path::exists)).collect();
        assert!(named.len() > 20, "{named:?}");
        let missing: Vec<_> = named.into_iter().filter(|name| !core.join(name).exists()).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn every_knob_is_on_the_page_of_limits() {
        let config = fs::read_to_string(root().join("crates/fanfare/src/config.rs")).unwrap();
        let fields = config.split("pub struct Config {").nth(1).unwrap().split("\n}").next().unwrap();
        let names = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
        let guarantees = page("docs/guarantees.md");
        let missing: Vec<_> =
            names.map(|(name, _)| name).filter(|name| !guarantees.contains(&format!("`{name}`"))).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn every_example_of_the_protocol_is_read() {
        let protocol = page("docs/protocol.md");
        let (_, rest) = protocol.split_once("## What a client asks").unwrap();
        let (asked, rest) = rest.split_once("## What a server tells").unwrap();
        let (told, _) = rest.split_once("## Errors").unwrap();
        let examples = |part: &'static str, text: &str| {
            let lines = text.lines().filter(|line| line.starts_with('{')).map(str::to_owned);
            let lines: Vec<String> = lines.collect();
            assert!(lines.len() > 15, "{part} has {} examples", lines.len());
            lines
        };
        for line in examples("what a client asks", asked) {
            let mut commands = 0;
            let read = Native::V1.clone().receive(InMessage::Text(&line), &mut |_| commands += 1);
            assert!(read.is_ok() && commands == 1, "{line}: {read:?}");
        }
        for line in examples("what a server tells", told) {
            let word: Value = serde_json::from_str(&line).unwrap();
            assert!(word["type"].is_string(), "{line}");
        }
    }
}
