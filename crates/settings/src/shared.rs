//! Settings that the server and the Lambda function have in common.

use crate::{Role, Setting};

/// Where the store is.
pub const STORE_URL: Setting = Setting::new(
    "STORE_URL",
    "embedded, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    "the game's database; PostgreSQL is set up with `migrate`",
)
.default("embedded");

/// Where ranks are kept.
pub const BOARD_URL: Setting = Setting::new(
    "BOARD_URL",
    "in process, redis://HOST/NUMBER or rediss://HOST (with TLS)",
    "where ranks are kept; several processes share them in Redis",
)
.default("in process")
.roles(&[Role::Handler, Role::Fetch]);

/// What is logged.
pub const LOG: Setting =
    Setting::new("LOG", "level or filter", "what is logged, as in tracing's EnvFilter").default("info");
