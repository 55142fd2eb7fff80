//! The type checker of the page: TypeScript, which npm installs once below the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::folder;

/// Installs the packages of the lock file unless they are installed; returns the folder.
fn installed() -> PathBuf {
    let home = servers::target().join("tmp");
    fs::create_dir_all(&home).unwrap();
    // Several test processes may start at the same time.
    let lock = File::create(home.join("typescript.lock")).unwrap();
    lock.lock().unwrap();
    let tools = home.join("typescript");
    let wanted = fs::read(folder().join("package-lock.json")).unwrap();
    if fs::read(tools.join("made-of")).is_ok_and(|made_of| made_of == wanted) {
        return tools;
    }
    if tools.exists() {
        fs::remove_dir_all(&tools).unwrap();
    }
    fs::create_dir_all(&tools).unwrap();
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(folder().join(name), tools.join(name)).unwrap();
    }
    let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
    let output = Command::new("npm").args(install).arg(&tools).output();
    let output = output.expect("npm is missing: `.ci/test` installs it");
    assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(tools.join("made-of"), wanted).unwrap();
    tools
}

/// Checks a folder of scripts; returns the exit code and the output of the checker.
fn checked(tools: &Path, project: &Path) -> (Option<i32>, String) {
    let compiler = tools.join("node_modules/typescript/bin/tsc");
    let output = Command::new("node").arg(compiler).arg("--project").arg(project).output();
    let output = output.expect("node is missing: `.ci/test` installs it");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_types_of_the_page_fit() {
    let tools = installed();
    let (code, errors) = checked(&tools, &folder());
    assert_eq!(code, Some(0), "{errors}");

    // A type error is found.
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let clock = copy.path().join("clock.js");
    let text = fs::read_to_string(&clock).unwrap();
    fs::write(&clock, text + "\nhearTime(\"now\", 0);\n").unwrap();
    let (code, errors) = checked(&tools, copy.path());
    assert!(
        code != Some(0) && errors.contains("clock.js") && errors.contains("TS2345"),
        "{code:?}: {errors}"
    );
}

#[test]
fn the_lock_file_names_no_registry() {
    let text = fs::read_to_string(folder().join("package-lock.json")).unwrap();
    assert!(!text.contains("resolved") && !text.contains("http"), "{text}");
    let lock: Value = serde_json::from_str(&text).unwrap();
    let package: Value = serde_json::from_slice(&fs::read(folder().join("package.json")).unwrap()).unwrap();
    let locked = &lock["packages"]["node_modules/typescript"];
    assert_eq!(locked["version"], package["devDependencies"]["typescript"]);
    assert!(locked["integrity"].as_str().unwrap().starts_with("sha512-"));
}
