//! What the drivers' errors mean: the one place that knows the codes of both databases.

use sqlx::postgres::PgDatabaseError;

use crate::Error;

/// The kind of error that a code of the database stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A lock was not free in time: [`Error::Busy`].
    Busy,
    /// The values themselves are at fault: [`Error::Refused`]. A command is buried for this kind, so every code that is
    /// not certain counts as [`Kind::Unavailable`].
    Refused,
    /// A right is missing: [`Error::Denied`].
    Denied,
    /// [`Error::Corrupt`].
    Corrupt,
    /// It may pass: [`Error::Unavailable`].
    Unavailable,
}

impl Kind {
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
        match Kind::of(&source) {
            Kind::Busy => Self::Busy { source },
            Kind::Refused => Self::Refused { source },
            Kind::Denied => Self::Denied { source },
            Kind::Corrupt => Self::corrupt(source.to_string()),
            Kind::Unavailable => Self::Unavailable { source },
        }
    }
}

/// The kind of a code of PostgreSQL. Source: its documentation, appendix A, "PostgreSQL Error Codes".
fn of_sqlstate(code: &str) -> Kind {
    match code {
        // A serialization failure, a deadlock, a lock timeout.
        "40001" | "40P01" | "55P03" => Kind::Busy,
        // A right is missing, the database does not exist.
        "42501" | "3D000" => Kind::Denied,
        // A page of a table or of an index.
        "XX001" | "XX002" => Kind::Corrupt,
        _ => match code.get(..2) {
            // The value is invalid, breaks a constraint, or does not fit into a row.
            Some("22" | "23" | "54") => Kind::Refused,
            // The login is rejected.
            Some("28") => Kind::Denied,
            _ => Kind::Unavailable,
        },
    }
}

/// The kind of a result code of SQLite, without the extension in its higher bits.
/// Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes".
fn of_result_code(code: &str) -> Kind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Kind::Busy,      // BUSY, LOCKED
        Ok(11 | 26) => Kind::Corrupt, // CORRUPT, NOTADB
        Ok(18..=20) => Kind::Refused, // TOOBIG, CONSTRAINT, MISMATCH
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, of_sqlstate};

    #[test]
    fn codes_have_their_kinds() {
        let kinds: [(Kind, &[&str]); 5] = [
            (Kind::Busy, &["40001", "40P01", "55P03"]),
            (Kind::Refused, &["22021", "22003", "23505", "23514", "54000"]),
            (Kind::Denied, &["42501", "28000", "28P01", "3D000"]),
            (Kind::Corrupt, &["XX001", "XX002"]),
            (
                Kind::Unavailable,
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
