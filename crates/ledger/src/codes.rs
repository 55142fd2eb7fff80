//! What the drivers' errors mean: the one place that knows the codes of both databases.

use sqlx::postgres::PgDatabaseError;

use crate::Error;

/// The kind of error that a code of the database stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A lock was not free in time: [`Error::Busy`].
    Busy,
    /// The values themselves are at fault: [`Error::Refused`]. A command is buried for this kind, so every code that is
    /// not certain counts as [`ErrorKind::Unavailable`].
    Refused,
    /// A right is missing: [`Error::Denied`].
    Denied,
    /// [`Error::Corrupt`].
    Corrupt,
    /// It may pass: [`Error::Unavailable`].
    Unavailable,
}

impl ErrorKind {
    /// The kind of an error of the driver.
    pub fn of(source: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        match source {
            E::Database(database) => {
                let code = database.code().unwrap_or_default();
                match database.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => of_sqlstate(&code),
                    None => of_result_code(&code),
                }
            }
            E::ColumnDecode { .. } | E::Decode(_) | E::RowNotFound => Self::Corrupt,
            _ => Self::Unavailable,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match ErrorKind::of(&source) {
            ErrorKind::Busy => Self::Busy { source },
            ErrorKind::Refused => Self::Refused { source },
            ErrorKind::Denied => Self::Denied { source },
            ErrorKind::Corrupt => Self::corrupt(source.to_string()),
            ErrorKind::Unavailable => Self::Unavailable { source },
        }
    }
}

/// The kind of a code of PostgreSQL. Source: its documentation, appendix A, "PostgreSQL Error Codes".
fn of_sqlstate(code: &str) -> ErrorKind {
    match code {
        // A serialization failure, a deadlock, a lock timeout.
        "40001" | "40P01" | "55P03" => ErrorKind::Busy,
        // A right is missing, the database does not exist.
        "42501" | "3D000" => ErrorKind::Denied,
        // A page of a table or of an index.
        "XX001" | "XX002" => ErrorKind::Corrupt,
        _ => match code.get(..2) {
            // The value is invalid, breaks a constraint, or does not fit into a row.
            Some("22" | "23" | "54") => ErrorKind::Refused,
            // The login is rejected.
            Some("28") => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        },
    }
}

/// The kind of a result code of SQLite, without the extension in its higher bits.
/// Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes".
fn of_result_code(code: &str) -> ErrorKind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => ErrorKind::Busy,      // BUSY, LOCKED
        Ok(11 | 26) => ErrorKind::Corrupt, // CORRUPT, NOTADB
        Ok(18..=20) => ErrorKind::Refused, // TOOBIG, CONSTRAINT, MISMATCH
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, of_sqlstate};

    #[test]
    fn codes_have_their_kinds() {
        let kinds: [(ErrorKind, &[&str]); 5] = [
            (ErrorKind::Busy, &["40001", "40P01", "55P03"]),
            (ErrorKind::Refused, &["22021", "22003", "23505", "23514", "54000"]),
            (ErrorKind::Denied, &["42501", "28000", "28P01", "3D000"]),
            (ErrorKind::Corrupt, &["XX001", "XX002"]),
            (
                ErrorKind::Unavailable,
                &[
                    "08006", "25006", "25P03", "53100", "53200", "53300", "57014", "57P01", "57P02", "57P03",
                    "57P05", "58030", "0A000", "42P01", "XX000", "", "unknown",
                ],
            ),
        ];
        for (expected, codes) in kinds {
            for code in codes {
                assert_eq!(of_sqlstate(code), expected, "{code}");
            }
        }
    }
}
