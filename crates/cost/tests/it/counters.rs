//! The counters of a running game: reading them, and what the model makes of them.

use cost::counters::Counters;
use cost::inputs::Inputs;
use cost::packing::Packing;
use cost::prices::Prices;
use cost::report::Report;

use crate::model::assert_near;

const INGEST: &str = "# TYPE buttonparty_requests_accepted_total counter
buttonparty_requests_accepted_total{kind=\"press\"} 900
buttonparty_requests_accepted_total{kind=\"add\"} 100
buttonparty_envelope_commands_size_bucket{le=\"1\"} 3
buttonparty_envelope_commands_size_sum 1000
buttonparty_envelope_commands_size_count 40
buttonparty_send_envelopes_size_sum 44 1763722456123
buttonparty_send_envelopes_size_count 10
buttonparty_envelope_bytes_total 85800
something_else{path=\"/a b\"} NaN
";
const HANDLER: &str = "buttonparty_apply_commands_size_sum 1000\nbuttonparty_apply_commands_size_count 8\n";

#[test]
fn counters_of_several_processes_are_added() {
    let mut counters = Counters::default();
    for text in [INGEST, INGEST, HANDLER] {
        counters.add(text).unwrap();
    }
    let expected = Counters {
        presses: 1_800.0,
        commands: 2_000.0,
        envelopes: 80.0,
        envelope_bytes: 171_600.0,
        sends: 20.0,
        sent_envelopes: 88.0,
        batches: 8.0,
        batch_commands: 1_000.0,
    };
    assert_eq!(counters, expected);
    // 1 000 commands: 85 800 bytes without the heads of 40 envelopes.
    assert_near("bytes", counters.bytes_per_command().unwrap(), 80.0, 0.001);

    let inputs = Inputs { press_bytes: 80.0, ..Inputs::default() };
    let packing = Packing::measured(&counters, &inputs);
    assert_near("commands a send", packing.commands_per_send, 100.0, 1e-9);
    assert_near("envelopes a send, those sent again too", packing.envelopes_per_send, 4.4, 1e-9);
    assert_near("bytes", packing.envelope_bytes, 2_145.0, 1e-9);
    // 125 commands per batch, 25 per envelope.
    assert_near("envelopes a receive", packing.envelopes_per_receive, 5.0, 1e-9);
    let report = Report::new(&inputs, &Prices::embedded().unwrap(), Some(&counters));
    assert!(report.measured);
    insta::assert_snapshot!("measured", report.text());

    // Without the counters of a handler, its part is the expected one.
    let mut alone = Counters::default();
    alone.add(INGEST).unwrap();
    let expected = Packing::expected(&inputs).envelopes_per_receive;
    assert_near("expected", Packing::measured(&alone, &inputs).envelopes_per_receive, expected, 1e-9);
    assert_eq!(Counters { envelope_bytes: 0.0, ..alone }.bytes_per_command(), None);
}

#[test]
fn text_without_metrics_is_refused() {
    let told = |text: &str| Counters::default().add(text).unwrap_err().to_string();
    for (text, expected) in [
        ("", "buttonparty_envelope_commands_size"),
        ("# only a comment\n", "buttonparty_envelope_commands_size"),
        ("other_total 1\n", "buttonparty_envelope_commands_size"),
        ("other_total 1\nnot a metric\n", "line 2 is not a metric: not a metric"),
        ("<html>", "line 1 is not a metric: <html>"),
        ("buttonparty_envelope_commands_size_sum many", "line 1 is not a metric"),
    ] {
        assert!(told(text).contains(expected), "{text}: {}", told(text));
    }
}
