//! What SQLite's codes mean.

use crate::error::Kind;

/// The kind of a result code. What its extension says in the higher bits is left out.
/// Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes".
pub(crate) fn kind(code: &str) -> Kind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Kind::Busy,      // BUSY, LOCKED
        Ok(11 | 26) => Kind::Corrupt, // CORRUPT, NOTADB
        Ok(18..=20) => Kind::Refused, // TOOBIG, CONSTRAINT, MISMATCH
        _ => Kind::Unavailable,
    }
}
