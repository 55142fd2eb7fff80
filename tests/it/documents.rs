//! What the documents say of files and functions is there.

use std::fs;
use std::path::Path;

/// The folder of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Folders that a path in a document begins with.
const FOLDERS: [&str; 4] = ["crates/", "tests/", "benches/", "docs/"];
/// What the architecture may have at most, in lines.
const ARCHITECTURE_LINES_MAX: usize = 150;

/// The words of a document that are paths of this project.
fn paths(document: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let words = document.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '/']));
    words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))).collect()
}

#[test]
fn paths_in_documents_lead_somewhere() {
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        let document = fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
        let paths = paths(&document);
        assert!(!paths.is_empty(), "{name}");
        let missing: Vec<_> = paths.into_iter().filter(|path| !Path::new(ROOT).join(path).exists()).collect();
        assert_eq!(missing, [""; 0], "{name}");
    }
}

#[test]
fn the_way_of_a_press_goes_through_functions_that_exist() {
    let document = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let lines = document.lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "it has {lines} lines");
    let (_, section) = document.split_once("## The way of a press").unwrap();
    let drawing = section.split("```").nth(1).unwrap();
    // A step is `crates/…/file.rs function()`, and what it does.
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
