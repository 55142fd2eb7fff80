//! The Python function that runs `migrate` before the services start: it always answers CloudFormation, and reports
//! success only if the task succeeded.

use std::process::Stdio;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::document::Template;
use crate::support::tool;

/// Runs the function; returns its calls.
async fn run(request: &str, stack: &str, runs: &[&str], statuses: Value) -> Value {
    let code = Template::new().properties("MigrateFunction")["Code"]["ZipFile"].clone();
    let event = json!({
        "RequestType": request, "StackId": "stack/1", "RequestId": "request-1", "LogicalResourceId": "Migrate",
        "ResponseURL": "https://answers.example/1", "ResourceProperties": { "TaskDefinition": "migrate:7" },
    });
    let case = json!({ "code": code, "event": event, "stack": stack, "runs": runs, "statuses": statuses });
    let mut command = Command::new(tool("python"));
    command.arg("-c").arg(include_str!("one_shot.py")).kill_on_drop(true);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(case.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[rstest]
#[case::at_once("Create", &["runs"], json!(["PENDING", "RUNNING", 0]), "SUCCESS", "has migrated the store")]
#[case::at_an_update("Update", &["runs"], json!([0]), "SUCCESS", "has migrated the store")]
#[case::soon_allowed("Create", &["refused", "full", "runs"], json!([0]), "SUCCESS", "has migrated the store")]
#[case::never_allowed("Create", &["refused"], json!([0]), "FAILED", "the task does not start: AccessDenied")]
#[case::no_room("Update", &["full"], json!([0]), "FAILED", "the task does not start: ['no room']")]
#[case::refused_by_the_store("Update", &["runs"], json!(["RUNNING", 1]), "FAILED", "ended with [1]: it ended (log group migrate)")]
#[case::never_started("Create", &["runs"], json!(["PENDING", null]), "FAILED", "ended with [None]")]
#[case::without_end("Create", &["runs"], json!(["RUNNING"]), "FAILED", "task/1 does not end")]
#[tokio::test]
async fn cloudformation_is_told_how_the_task_ended(
    #[case] request: &str,
    #[case] runs: &[&str],
    #[case] statuses: Value,
    #[case] status: &str,
    #[case] reason: &str,
) {
    let done = run(request, "UPDATE_IN_PROGRESS", runs, statuses).await;
    let answer = &done["answer"];
    assert!(answer["Reason"].as_str().unwrap().contains(reason), "{done}");
    let told = json!({
        "url": "https://answers.example/1", "method": "PUT", "Status": status, "PhysicalResourceId": "migrate",
        "StackId": "stack/1", "RequestId": "request-1", "LogicalResourceId": "Migrate", "Reason": answer["Reason"],
    });
    assert_eq!(*answer, told);
    for run in done["runs"].as_array().unwrap() {
        let network =
            json!({ "subnets": ["a", "b"], "securityGroups": ["sg"], "assignPublicIp": "DISABLED" });
        let expected = json!({
            "cluster": "game", "launchType": "FARGATE", "taskDefinition": "migrate:7",
            // Equal for each repetition of a request, so that only one task starts.
            "clientToken": "request-1", "networkConfiguration": { "awsvpcConfiguration": network },
        });
        assert_eq!(*run, expected);
    }
}

/// Migrations are never undone: an older version has nothing to run.
#[rstest]
#[case::deleted("Delete", "DELETE_IN_PROGRESS")]
#[case::rolled_back("Update", "UPDATE_ROLLBACK_IN_PROGRESS")]
#[tokio::test]
async fn nothing_is_run_when_a_stack_goes(#[case] request: &str, #[case] stack: &str) {
    let done = run(request, stack, &["runs"], json!([0])).await;
    assert_eq!((&done["answer"]["Status"], &done["runs"]), (&json!("SUCCESS"), &json!([])), "{done}");
}
