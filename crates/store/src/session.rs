//! Which backend a connection of the ledger is of.

/// Calls the function with this path of the backend whose connection it is.
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
