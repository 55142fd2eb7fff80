//! The binary `cost`.

use std::error::Error;
use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let matches = cost::command().get_matches();
    let result = match cost::run(&matches).await {
        Ok(text) => print(&text),
        Err(error) => Err(Box::from(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed too, only the exit code is left.
            let _ = writeln!(stderr(), "cost: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Writes the result. A reader that has closed the pipe has read enough.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Box::from(error)),
        _ => Ok(()),
    }
}

/// An error and its sources on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
