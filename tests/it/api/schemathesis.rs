//! schemathesis reads the API description and tests the running server: valid requests are accepted, invalid ones are
//! rejected, responses match the description, and the server never fails.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::place::Stack::Embedded;
use crate::support::{Game, beside_others, tool};

/// Timeout: ten times what two idle cores need.
const TIME_MAX: Duration = Duration::from_secs(180);
/// Random requests for each operation, in addition to those derived from bounds and types.
const EXAMPLES: &str = "25";

#[tokio::test]
async fn the_server_does_what_its_description_says() {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(Embedded).await;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(tool("schemathesis"));
    command
        .arg("run")
        .arg(here.join("../mobile-api-spec/openapi.json"))
        .args(["--url", &game.url, "--header", "Authorization: Bearer secret-of-operators"])
        // A stream that does not end; it has its own tests.
        .args(["--exclude-path", "/live"])
        // All checks, and these phases; the fourth phase follows links, of which there are none.
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES, "--seed", "1", "--generation-database", "none"])
        // One worker: with more, CPython 3.11 mixes up the recursion depths of their threads.
        .args(["--workers", "1", "--continue-on-failure", "--no-color"])
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", here.join("it/api"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(place.folder())
        .kill_on_drop(true);
    let output = timeout(TIME_MAX, command.output()).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // Checks the coverage: all operations, many requests of each kind, and the protected routes.
    assert!(said.contains("Tested: 10"), "{said}");
    let accepted = async |kind: &str| {
        game.metric(&format!("buttonparty_requests_accepted_total{{kind=\"{kind}\"}}")).await
    };
    let rejected = async |reason: &str| {
        game.metric(&format!("buttonparty_requests_rejected_total{{reason=\"{reason}\"}}")).await
    };
    for kind in ["add", "press", "powerup"] {
        let count = accepted(kind).await;
        assert!(count >= 15.0, "{kind}: {count}\n{said}");
    }
    for (reason, least) in [("invalid-request", 100.0), ("unauthorized", 2.0), ("method-not-allowed", 9.0)] {
        let count = rejected(reason).await;
        assert!(count >= least, "{reason}: {count}\n{said}");
    }
}
