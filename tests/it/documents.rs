//! The documents refer to existing files, functions and sections, and stay within their size limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The folder of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Folders that a path in a document begins with.
const FOLDERS: [&str; 4] = ["crates/", "tests/", "benches/", "docs/"];
/// Folders without files of the project. Hidden ones are skipped too.
const SKIPPED: [&str; 3] = ["target", "node_modules", "buttonparty-data"];
/// Maximum number of lines of documents that must stay short.
const LINES_MAX: [(&str, usize); 2] = [("README.md", 120), ("ARCHITECTURE.md", 150)];
/// Maximum characters in a line of prose; tables and code may be wider.
const COLUMNS_MAX: usize = 120;
/// Generated, so its lines are not wrapped.
const GENERATED: &str = "docs/settings.md";
/// Prefix of a reference to a document in a comment. Split in two, so that this line does not match.
const SOURCE: &str = concat!("Source:", " docs/");

/// Common questions of newcomers: a link of the README, and text that the linked section must contain.
const ANSWERS: [(&str, &str); 7] = [
    ("docs/rules.md#freeze", "A round is forgiven if"),
    ("docs/settings.md#the-server", "| `BUTTONPARTY_WINDOW_MS` |"),
    ("docs/api.md#the-board", "GET /fetch/lb"),
    ("docs/api.md#bounds", "| body | 16 KiB"),
    ("CONTRIBUTING.md#a-crowd", "impl Crowd for"),
    ("docs/deploy.md#on-one-machine", "target/ship/buttonparty all"),
    ("docs/deploy-aws.md", "aws cloudformation deploy"),
];

/// Every file of the project with this extension: its path below the workspace, and its text.
fn files(extension: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == extension) {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.insert(path, text);
            }
        }
    }
    found
}

/// The lines of a document outside code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchor that GitHub makes from a heading.
fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document.
fn anchors(document: &str) -> BTreeSet<String> {
    prose(document).filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// A section: the text after the heading with this anchor, up to the next heading.
fn section(document: &str, wanted: &str) -> String {
    let is_heading = |line: &&str| line.starts_with("##"); // a comment in a shell script has one
    let from = document.lines().skip_while(|line| !is_heading(line) || anchor(line) != wanted).skip(1);
    from.take_while(|line| !is_heading(line)).collect::<Vec<_>>().join("\n")
}

/// The targets of a document's links.
fn links(document: &str) -> impl Iterator<Item = &str> {
    let after = prose(document).flat_map(|line| line.split("](").skip(1));
    after.filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The path with `..` resolved.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            assert!(plain.pop(), "{} leads out of the workspace", path.display());
        } else {
            plain.push(part);
        }
    }
    plain
}

/// The words of a document that are paths in this repository.
fn paths(document: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let words = document.split(move |c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '/']));
    // A path that lacks its first folder is one too: `server/src/…`.
    words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)) || word.contains("/src/"))
}

#[test]
fn documents_keep_their_size() {
    for (name, lines_max) in LINES_MAX {
        let lines = fs::read_to_string(Path::new(ROOT).join(name)).unwrap().lines().count();
        assert!(lines <= lines_max, "{name} has {lines} lines");
    }
    for (path, document) in files("md").into_iter().filter(|(path, _)| path != Path::new(GENERATED)) {
        let is_wide = |line: &&str| !line.starts_with('|') && line.chars().count() > COLUMNS_MAX;
        let wide: Vec<_> = prose(&document).filter(is_wide).collect();
        assert_eq!(wide, [""; 0], "{}", path.display());
    }
}

#[test]
fn paths_in_documents_lead_somewhere() {
    let documents = files("md");
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        assert!(paths(&documents[Path::new(name)]).next().is_some(), "{name}");
    }
    for (path, document) in documents {
        let missing: Vec<_> = paths(&document).filter(|path| !Path::new(ROOT).join(path).exists()).collect();
        assert_eq!(missing, [""; 0], "{}", path.display());
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = files("md");
    for (path, document) in &documents {
        let is_broken = |link: &&str| {
            let (file, anchor) = link.split_once('#').map_or((*link, None), |(file, it)| (file, Some(it)));
            let target = match file {
                "" => path.clone(),
                file => plain(&path.parent().unwrap().join(file)),
            };
            match (anchor, documents.get(&target)) {
                (None, _) => !Path::new(ROOT).join(&target).exists(),
                (Some(anchor), Some(document)) => !anchors(document).contains(anchor),
                (Some(_), None) => true, // only documents have anchors
            }
        };
        let inside = links(document).filter(|link| !link.contains("://"));
        let broken: Vec<_> = inside.filter(is_broken).collect();
        assert_eq!(broken, [""; 0], "{}", path.display());
    }
}

#[test]
fn the_readme_links_to_what_newcomers_look_for() {
    let documents = files("md");
    for (link, text) in ANSWERS {
        assert!(
            links(&documents[Path::new("README.md")]).any(|it| it == link),
            "README.md has no link to {link}"
        );
        let answer = match link.split_once('#') {
            Some((file, anchor)) => section(&documents[Path::new(file)], anchor),
            None => documents[Path::new(link)].clone(),
        };
        assert!(answer.contains(text), "{link} does not say {text:?}");
    }
}

#[test]
fn comments_name_sections_of_documents_that_exist() {
    let documents = files("md");
    let mut total = 0;
    for (path, code) in files("rs") {
        for (_, source) in code.lines().filter_map(|line| line.split_once(SOURCE)) {
            let (name, sections) = source.split_once(".md").unwrap();
            let document = &documents[&Path::new("docs").join(format!("{name}.md"))];
            for section in sections.split('"').skip(1).step_by(2) {
                assert!(anchors(document).contains(&anchor(section)), "{}: {section}", path.display());
                total += 1;
            }
        }
    }
    assert!(total >= 10, "only {total} were found");
}

#[test]
fn the_costs_of_the_deployment_are_those_of_the_program() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/deploy-aws.md")).unwrap();
    let snapshot = Path::new(ROOT).join("crates/cost/tests/it/snapshots/it__command__table.snap");
    let printed = fs::read_to_string(snapshot).unwrap();
    let (_, printed) = printed.split_once("dollars for a million presses").unwrap();
    let (presses, month) = printed.split_once("dollars a month, whatever happens").unwrap();
    // A row is its name, and what both ways cost; columns are apart by two spaces or more.
    let row = |line: &str, name: &str| {
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let own = columns.next()?;
        let (packed, each) = (columns.next()?, columns.next()?);
        Some(format!("| {} | {packed} | {each} |", if name.is_empty() { own } else { name }))
    };
    let mut rows: Vec<_> = presses.lines().skip(1).filter_map(|line| row(line, "")).collect();
    assert!(rows.len() > 5, "{rows:?}");
    let together = month.lines().find(|line| line.trim_start().starts_with("together")).unwrap();
    rows.extend(row(together, "a month in which nobody presses"));
    let missing: Vec<_> = rows.iter().filter(|row| !document.contains(*row)).collect();
    assert_eq!(missing, [""; 0], "docs/deploy-aws.md lacks rows that the cost program prints");
}

#[test]
fn the_way_of_a_press_goes_through_functions_that_exist() {
    let document = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let (_, section) = document.split_once("## The way of a press").unwrap();
    let drawing = section.split("```").nth(1).unwrap();
    // A step is `crates/…/file.rs function()` and a description.
    let steps: Vec<_> = drawing.lines().filter_map(|line| line.split_once(".rs ")).collect();
    assert!(steps.len() >= 10, "{drawing}");
    for (path, rest) in steps {
        let path = format!("{}.rs", path.split_whitespace().last().unwrap());
        let source = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap_or_default();
        let function = rest.split_whitespace().next().unwrap().strip_suffix("()").unwrap();
        let is_there =
            [format!("fn {function}("), format!("fn {function}<")].iter().any(|it| source.contains(it));
        assert!(is_there, "{path} has no {function}()");
    }
}
