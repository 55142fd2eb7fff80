//! What PostgreSQL's codes mean. Source: its documentation, appendix A, "PostgreSQL Error Codes".

use crate::error::Kind;

/// The kind of an SQLSTATE.
pub(crate) fn kind(code: &str) -> Kind {
    match code {
        // A serialization failure, a deadlock, a lock that was not to be had in time.
        "40001" | "40P01" | "55P03" => Kind::Busy,
        // No right to do so, no such database.
        "42501" | "3D000" => Kind::Denied,
        // A page of a table or of an index.
        "XX001" | "XX002" => Kind::Corrupt,
        _ => match code.get(..2) {
            // The value cannot be, breaks a constraint, or is larger than what there is room for in a row.
            Some("22" | "23" | "54") => Kind::Refused,
            // The login.
            Some("28") => Kind::Denied,
            _ => Kind::Unavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::kind;
    use crate::error::Kind;

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
                assert_eq!(kind(code), expected, "{code}");
            }
        }
    }
}
