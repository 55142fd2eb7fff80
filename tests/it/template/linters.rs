//! The linters find no errors in the template.

use std::path::Path;

use tokio::process::Command;

use super::document::{Template, path};
use crate::support::tool;

/// Runs a tool that must find nothing; returns its output.
async fn finds_nothing(name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool(name));
    let output = command.args(arguments).arg(path()).current_dir(Path::new("/")).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name} says:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn cfn_lint_finds_nothing_not_even_to_remark() {
    let said =
        finds_nothing("cfn-lint", &["--non-zero-exit-code", "informational", "--include-checks", "I", "-t"]);
    assert_eq!(said.await.trim(), "");
}

#[tokio::test]
async fn checkov_finds_only_what_the_template_explains() {
    let arguments = [
        "--framework",
        "cloudformation",
        "--skip-download",
        "--compact",
        "--quiet",
        "--output",
        "json",
        "-f",
    ];
    let said = finds_nothing("checkov", &arguments).await;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let summary = &report["summary"];
    assert_eq!((&summary["failed"], &summary["parsing_errors"]), (&0.into(), &0.into()), "{summary}");
    assert!(summary["passed"].as_u64() > Some(200), "{summary}");
    // Each suppressed check exists and has a reason.
    let template = Template::new();
    let all = template.document()["Resources"].as_object().unwrap().values();
    let left_out: Vec<_> =
        all.filter_map(|resource| resource["Metadata"]["checkov"]["skip"].as_array()).flatten().collect();
    for one in &left_out {
        assert!(one["comment"].as_str().is_some_and(|reason| reason.split(' ').count() > 5), "{one}");
    }
    assert_eq!(summary["skipped"], left_out.len(), "what is left out is no finding any more");
}
