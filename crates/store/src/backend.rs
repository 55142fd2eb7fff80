//! Dispatch on the backend.

/// The same part in PostgreSQL or in SQLite.
#[derive(Debug, Clone)]
pub(crate) enum Backend<P, S> {
    Postgres(P),
    Sqlite(S),
}

/// The same call on either backend: `each!(&self.0, reader => reader.check().await)`.
macro_rules! each {
    ($backend:expr, $side:ident => $call:expr) => {
        match $backend {
            $crate::backend::Backend::Postgres($side) => $call,
            $crate::backend::Backend::Sqlite($side) => $call,
        }
    };
}
pub(crate) use each;
