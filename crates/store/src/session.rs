//! Dispatch on the backend of a connection of the ledger.

/// Calls the function of this path in the module of the connection's backend.
macro_rules! each {
    ($session:expr, $module:ident::$function:ident ($($argument:expr),*)) => {
        match $session {
            ::ledger::Session::Postgres(connection) => {
                $crate::postgres::$module::$function(connection $(, $argument)*).await
            }
            ::ledger::Session::Sqlite(connection) => {
                $crate::sqlite::$module::$function(connection $(, $argument)*).await
            }
        }
    };
}
pub(crate) use each;
