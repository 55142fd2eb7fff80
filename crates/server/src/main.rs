//! The binary `buttonparty`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = server::cli::command().get_matches();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(server::cli::run(matches)),
        Err(error) => Err(server::cli::CliError::Process(error.to_string())),
    };
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            server::telemetry::say(&format!("buttonparty: {}", serve::chain(&error)));
            ExitCode::FAILURE
        }
    };
    server::telemetry::flush();
    code
}
