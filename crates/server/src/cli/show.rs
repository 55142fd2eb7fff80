//! How results of the operator tools are printed.

use std::fmt::Write as _;

use queue::DeadLetter;
use serde_json::json;
use store::Difference;

use crate::verify::VerifyReport;

/// A dead letter as a line of JSON.
pub(super) fn dead_letter(letter: &DeadLetter) -> String {
    let DeadLetter { id, partition, body, reason, buried_at_ms } = letter;
    let line = json!({
        "id": id, "partition": partition, "buried_at": buried_at_ms, "reason": reason, "body": body,
    });
    format!("{line}\n")
}

/// The result of `verify`: a line for each table, for each difference, and for the total.
pub(super) fn report(report: &VerifyReport) -> String {
    let verdict = |is_equal| if is_equal { "equal" } else { "DIFFERENT" };
    let mut text = String::new();
    // Writing to a String cannot fail.
    for table in &report.tables {
        let (stored, verdict) = (table.stored, verdict(table.is_equal));
        _ = writeln!(text, "{}: {} rows, hash {:016x}, {verdict}", stored.table, stored.rows, stored.digest);
    }
    for Difference { table, key, this, other } in &report.differences {
        let show = |row: &Option<String>| row.clone().unwrap_or_else(|| "nothing".to_owned());
        _ = writeln!(text, "{table} {key}: stored {}, replayed {}", show(this), show(other));
    }
    _ = writeln!(text, "{} messages replayed: {}", report.messages, verdict(report.is_equal()));
    text
}
