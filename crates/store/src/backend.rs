//! One front over the two databases: which it is, and the same call on either.

/// What there is of one kind in PostgreSQL and in SQLite.
#[derive(Debug, Clone)]
pub(crate) enum Backend<P, S> {
    Postgres(P),
    Sqlite(S),
}

/// The same call on whichever it is: `each!(&self.0, reader => reader.check().await)`.
macro_rules! each {
    ($backend:expr, $side:ident => $call:expr) => {
        match $backend {
            $crate::backend::Backend::Postgres($side) => $call,
            $crate::backend::Backend::Sqlite($side) => $call,
        }
    };
}
pub(crate) use each;
