//! Allowed dependencies of each crate; and no two crates use one name for two things.
//!
//! A dependency is direct unless a row says otherwise. Dev-dependencies and small helpers (serde, thiserror, tracing,
//! rand) are free: a row names only our own crates and forbidden ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// How deep the dependencies of a crate are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The dependencies in its manifest.
    Direct,
    /// All crates that are linked with it.
    Transitive,
}
use Reach::{Direct, Transitive};

/// A crate, the crates of ours that it may use, and the crates that it must never use; a `*` at the end of a name
/// matches any rest.
type Row = (&'static str, Reach, &'static [&'static str], &'static [&'static str]);

/// Every crate of `crates/`.
const ROWS: [Row; 19] = [
    ("game", Transitive, &[], &["tokio", "serde", "sqlx", "axum"]),
    ("kind", Transitive, &[], &["tokio", "sqlx", "axum"]),
    ("rooms", Transitive, &["kind"], &["game", "tokio", "sqlx", "axum", "reqwest"]),
    ("accounts", Transitive, &["kind"], &["tokio", "sqlx", "axum", "reqwest"]),
    ("cheers", Transitive, &["kind"], &["tokio", "sqlx", "axum", "reqwest", "game"]),
    ("lunch", Transitive, &["kind"], &["game", "tokio", "sqlx", "axum", "reqwest"]),
    ("wire", Direct, &["game"], &["tokio", "sqlx", "axum"]),
    ("files", Direct, &[], &["tokio", "sqlx", "axum"]),
    ("queue", Direct, &["files"], &["axum"]),
    ("ledger", Direct, &["files"], &["axum"]),
    ("engine", Direct, &["queue", "ledger"], &["sqlx", "axum", "reqwest"]),
    ("store", Direct, &["game", "ledger", "files"], &["axum"]),
    ("ranks", Direct, &["game", "ledger", "store"], &["sqlx", "axum"]),
    ("settings", Direct, &[], &["tokio", "sqlx", "axum", "clap"]),
    ("serve", Direct, &["wire"], &["sqlx"]),
    ("fetch", Direct, &["game", "wire", "ledger", "store", "ranks", "serve", "settings"], &["sqlx"]),
    (
        "server",
        Direct,
        &[
            "files", "game", "wire", "queue", "ledger", "engine", "store", "ranks", "serve", "settings",
            "fetch",
        ],
        &["sqlx", "aws-sdk-*"],
    ),
    ("cost", Transitive, &["game"], &["axum", "sqlx", "metrics", "rustls"]),
    ("testbed", Direct, &["engine", "queue"], &["axum"]),
];

/// Names that are clear with the crate before them, and may recur.
const MAY_RECUR: [&str; 8] = ["Error", "Options", "Command", "Outcome", "Event", "Effect", "Reply", "Rules"];

/// The folder of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The packages of the workspace and all their dependencies on this platform.
struct Workspace {
    /// The names of our crates.
    ours: BTreeSet<String>,
    names: BTreeMap<String, String>,
    /// By package id: the ids of its dependencies, without dev-dependencies.
    uses: BTreeMap<String, Vec<String>>,
}

/// Output of `cargo metadata` with these options.
fn metadata(options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(options)
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Workspace {
    fn read() -> Self {
        // Dependencies of other platforms may not be downloaded.
        let metadata = metadata(&["--filter-platform", "host-tuple"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let packages = list(&metadata["packages"]);
        let ours = packages.iter().filter(|package| text(&package["manifest_path"]).contains("/crates/"));
        let ours = ours.filter(|package| package["source"].is_null()).map(|package| text(&package["name"]));
        let is_built =
            |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|it| it["kind"] != "dev");
        let uses = list(&metadata["resolve"]["nodes"]).into_iter().map(|node| {
            let built = list(&node["deps"]).into_iter().filter(is_built);
            (text(&node["id"]), built.map(|dependency| text(&dependency["pkg"])).collect())
        });
        let names = packages.iter().map(|package| (text(&package["id"]), text(&package["name"])));
        Self { ours: ours.collect(), names: names.collect(), uses: uses.collect() }
    }

    /// Names of a crate's dependencies.
    fn dependencies(&self, name: &str, reach: Reach) -> BTreeSet<&str> {
        let (crate_id, _) = self
            .names
            .iter()
            .find(|(_, it)| *it == name)
            .unwrap_or_else(|| panic!("there is no crate {name}"));
        let mut found = BTreeSet::new();
        let mut next = vec![crate_id];
        while let Some(id) = next.pop() {
            for dependency in &self.uses[id] {
                if found.insert(dependency) && reach == Transitive {
                    next.push(dependency);
                }
            }
        }
        found.into_iter().map(|id| self.names[id].as_str()).collect()
    }

    /// The violations of a row.
    fn breaks(&self, (name, reach, may, never): Row) -> Vec<String> {
        let is = |dependency: &str, rule: &str| match rule.strip_suffix('*') {
            Some(start) => dependency.starts_with(start),
            None => dependency == rule,
        };
        let wrong = |dependency: &&str| {
            let foreign = self.ours.contains(*dependency) && !may.contains(dependency);
            foreign || never.iter().any(|rule| is(dependency, rule))
        };
        let wrong = self.dependencies(name, reach).into_iter().filter(wrong);
        wrong.map(|dependency| format!("{name} uses {dependency}")).collect()
    }
}

#[test]
fn crates_use_only_what_they_may() {
    let workspace = Workspace::read();
    let known: BTreeSet<_> = ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(workspace.ours, known, "each crate has a row");
    let broken: Vec<_> = ROWS.into_iter().flat_map(|row| workspace.breaks(row)).collect();
    assert_eq!(broken, [""; 0]);

    // Each kind of violation is found: one of our crates, a name, a prefix of a name, an indirect dependency.
    assert_eq!(workspace.breaks(("wire", Direct, &[], &[])), ["wire uses game"]);
    assert_eq!(workspace.breaks(("game", Direct, &[], &["thiserror"])), ["game uses thiserror"]);
    assert_eq!(workspace.breaks(("queue", Direct, &["files"], &["aws-sdk-*"])), ["queue uses aws-sdk-sqs"]);
    assert_eq!(workspace.breaks(("game", Direct, &[], &["thiserror-impl"])), [""; 0]);
    assert_eq!(
        workspace.breaks(("game", Transitive, &[], &["thiserror-impl"])),
        ["game uses thiserror-impl"]
    );
}

/// The sources in a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.extend(folders.iter().flat_map(|folder| sources(folder)));
    files
}

/// Names of the public types and traits in a folder of sources, each with its files.
fn public_names(folder: &Path, names: &mut BTreeMap<String, Vec<String>>) {
    for path in sources(folder) {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("pub") && matches!(words.next(), Some("struct" | "enum" | "trait")) {
                let name = words.next().unwrap_or_default();
                let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                names.entry(name.to_owned()).or_default().push(path.display().to_string());
            }
        }
    }
}

#[test]
fn no_two_public_types_have_one_name() {
    let mut names = BTreeMap::new();
    for row in ROWS {
        public_names(&Path::new(ROOT).join("crates").join(row.0).join("src"), &mut names);
    }
    assert!(names.contains_key("Ranks") && names["Error"].len() > 1, "{names:?}");
    names.retain(|name, files| files.len() > 1 && !MAY_RECUR.contains(&name.as_str()));
    assert!(names.is_empty(), "{names:#?}");
}

/// A source and, where it declares modules in files of their own, those: they stand in this folder.
fn modules(file: &Path, folder: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let declared = text.lines().filter_map(|line| {
        let code = line.split("//").next()?.trim();
        let (visibility, name) = code.strip_suffix(';')?.split_once("mod ")?;
        (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
    });
    let mut files = vec![file.to_owned()];
    for name in declared {
        let folder = folder.join(name);
        let (beside, within) = (folder.with_extension("rs"), folder.join("mod.rs"));
        files.extend(modules(if beside.exists() { &beside } else { &within }, &folder));
    }
    files
}

/// Whether a line is an attribute of a test, such as `#[tokio::test(flavor = "…")]`, or of what is there for tests only.
fn is_of_tests(line: &str) -> bool {
    // What stands in quotes is text, such as a reason.
    let attribute = line.trim_start().split('"').next().unwrap_or_default();
    let mut words = attribute.split(|c: char| !c.is_alphanumeric() && c != '_');
    attribute.starts_with('#') && words.any(|word| word.ends_with("test"))
}

/// A target with `test = false` is not built for tests, which saves building it twice: a test in it would never run.
#[test]
fn no_test_stands_where_none_is_run() {
    let metadata = metadata(&["--no-deps"]);
    let targets = metadata["packages"].as_array().unwrap().iter();
    let targets = targets.flat_map(|package| package["targets"].as_array().unwrap());
    let untested = targets.filter(|target| target["test"] == false && target["kind"] != json!(["bench"]));
    let mut looked_at = 0;
    for target in untested {
        assert_ne!(target["kind"], json!(["test"]), "{} is never run", target["src_path"]);
        let root = Path::new(target["src_path"].as_str().unwrap());
        let folder = root.parent().unwrap();
        // The root of a program may stand in the folder of a library that is tested.
        let is_library = target["kind"] == json!(["lib"]);
        let files = if is_library { sources(folder) } else { modules(root, folder) };
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(text.lines().find(|line| is_of_tests(line)), None, "{}", file.display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "{looked_at}");

    // What must not be there is found: in every form, and in the module of a module.
    let here = Path::new(ROOT).join("tests/it");
    assert!(modules(&here.join("main.rs"), &here).contains(&here.join("chaos/fleet.rs")));
    for line in [
        "#[test]",
        "    #[tokio::test(flavor = \"\")]",
        "#[rstest]",
        "#[cfg(all(test, unix))]",
        "#![cfg(test)]",
    ] {
        assert!(is_of_tests(line), "{line}");
    }
    for line in ["#![expect(clippy::unwrap_used, reason = \"a test fails\")]", "fn test() {"] {
        assert!(!is_of_tests(line), "{line}");
    }
}
