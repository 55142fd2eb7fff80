//! How HTTP is served, and who may call.

use std::net::SocketAddr;

use serve::Auth;
use settings::{Given, Role, Setting, settings};

settings! {
    /// How HTTP is served, and who may call.
    pub struct HttpSettings {
        pub listen: SocketAddr = listen, Setting::new(
            "LISTEN", "address:port",
            "where HTTP is served; port 0 picks a free one, which is printed on the first line of output",
        ).default("127.0.0.1:8080").roles(&Role::EVERY);
        /// How players sign in.
        pub auth: Auth = auth, Setting::new(
            "AUTH", "open",
            "how players sign in; must be chosen where players' commands are taken",
        ).dev("open").roles(&[Role::Ingest, Role::Fetch]);
        pub operator_token: Option<String> = operator_token, Setting::new(
            "OPERATOR_TOKEN", "text",
            "bearer token of operators; without one, /admin is off",
        ).dev("dev").secret().roles(&[Role::Ingest, Role::Scheduler]);
        pub cors_origins: Vec<String> = cors_origins, Setting::new(
            "CORS_ORIGINS", "origins, separated by commas",
            "origins of other pages that may call the API",
        ).default("").roles(&Role::EVERY);
    }
}

fn listen(given: Given<'_>) -> Result<SocketAddr, String> {
    let reason = |_| "must be an address and a port, such as 127.0.0.1:8080".to_owned();
    given.text()?.parse().map_err(reason)
}

/// Not required for a process that accepts no commands: reads need no sign-in.
fn auth(given: Given<'_>) -> Result<Auth, String> {
    let reason = match given.filled() {
        Some("open") => return Ok(Auth::Open),
        None if !given.role().has(Role::Ingest) => return Ok(Auth::Open),
        None => "must be chosen: `open` lets everybody play under any name",
        Some("firebase" | "google") => "must be `open`: sign-in is not supported yet",
        Some(_) => "must be `open`",
    };
    Err(reason.to_owned())
}

fn operator_token(given: Given<'_>) -> Result<Option<String>, String> {
    match given.filled() {
        Some(token) if token.len() > 256 || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("must be 1 to 256 visible ASCII characters".to_owned())
        }
        token => Ok(token.map(str::to_owned)),
    }
}

fn cors_origins(given: Given<'_>) -> Result<Vec<String>, String> {
    let is_origin = |origin: &str| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/'))
    };
    let reason = || "each must be an origin such as https://game.example, without a path".to_owned();
    let origins = given.text()?.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins.map(|origin| is_origin(origin).then(|| origin.to_owned()).ok_or_else(reason)).collect()
}
