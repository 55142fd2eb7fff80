//! What a deployment costs: the formulas against figures that were worked out elsewhere, and every input and price has
//! its effect.

use game::{Action, Username};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use server::cost::inputs::{FLAGS, Inputs};
use server::cost::metrics::Counters;
use server::cost::packing::{HEAD_BYTES, Packing};
use server::cost::presses::Line;
use server::cost::prices::Prices;
use server::cost::report::{Report, count, usd};

const PRICES: &str = include_str!("../../src/cost/prices.json");

fn report(inputs: &Inputs) -> Report {
    Report::new(inputs, &Prices::embedded().unwrap(), None)
}

fn line<'a>(report: &'a Report, name: &str) -> &'a Line {
    report.per_million_presses.iter().find(|line| line.name == name).unwrap()
}

fn assert_near(what: &str, found: f64, told: f64, tolerance: f64) {
    assert!((found - told).abs() <= tolerance * told, "{what}: {found}, not {told} within {tolerance}");
}

/// One partition, as the table that was drawn up before there was a program counts envelopes.
fn one_partition() -> Inputs {
    Inputs { partitions: 1.0, handlers: 1.0, ..Inputs::default() }
}

#[test]
fn the_price_of_a_million_presses_is_that_of_the_first_estimate() {
    let report = report(&one_partition());
    // Line, packed and its tolerance, one message for each press and its tolerance.
    let table = [
        ("HTTP front", 0.005, 0.03, 1.00, 0.001),
        // The estimate rounds to one digit.
        ("compute", 0.001, 0.5, 0.05, 0.01),
        // Packed: the log that a press writes was measured since. Alone: two statements, from the rate that was measured.
        ("database", 0.011, 0.2, 0.25, 0.05),
        // The 202 has 229 bytes, 25 of them to keep caches from keeping it; the estimate says 160.
        ("egress", 0.014, 0.4, 0.03, 0.03),
    ];
    for (name, packed, packed_within, each, each_within) in table {
        let line = line(&report, name);
        assert_near(name, line.packed_usd, packed, packed_within);
        assert_near(name, line.each_usd.unwrap(), each, each_within);
    }
    let sqs = line(&report, "SQS");
    assert_near("SQS", sqs.each_usd.unwrap(), 0.48, 0.001);
    // A press has 65 bytes in an envelope; the estimate says 50.
    assert_near("SQS, full envelopes", report.sqs_when_full, 0.0008, 0.35);
    assert!((0.0008..=0.02).contains(&sqs.packed_usd), "{sqs:?}");
    assert_near("together", report.per_million_presses_total.each_usd, 1.81, 0.01);
    // What the estimate leaves out is the board, and what crosses zones.
    let estimated = |line: &&Line| line.each_usd.is_some();
    let packed: f64 = report.per_million_presses.iter().filter(estimated).map(|line| line.packed_usd).sum();
    assert_near("together, packed", packed - sqs.packed_usd + report.sqs_when_full, 0.03, 0.3); // the larger answer too
    let note = report.notes.iter().find(|note| note.contains("Application Load Balancer")).unwrap();
    assert!(note.contains(" 0.09 ") || note.contains(" 0.089 "), "{note}");
}

#[test]
fn sixteen_partitions_make_more_requests_than_the_first_estimate_says() {
    // Each partition has an envelope of its own, so that five presses share one and not 75: that is the whole difference.
    let (one, sixteen) = (report(&one_partition()), report(&Inputs::default()));
    let sqs = |report: &Report| line(report, "SQS").packed_usd;
    assert!(sqs(&one) <= 0.02 && (0.03..0.04).contains(&sqs(&sixteen)), "{} {}", sqs(&one), sqs(&sixteen));
    assert_near("sends", one.packing.presses_per_send, sixteen.packing.presses_per_send, 1e-9);
    assert_near("one envelope", one.packing.presses_per_envelope, 75.0, 0.001);
    assert_near("one of sixteen", sixteen.packing.presses_per_envelope, 75.0 / 16.0, 0.02);
}

#[test]
fn a_press_has_as_many_bytes_as_is_assumed() {
    let inbox = "arn:aws:sqs:us-east-1:123456789012:buttonparty.fifo@1763722456";
    let mut builder =
        engine::EnvelopeBuilder::new(inbox, 16, "cea6961c4f7eb952-1a2b", engine::ENVELOPE_BYTES_MAX);
    let head = builder.bytes() as f64;
    assert_near("an envelope without entries", head, HEAD_BYTES, 0.05);
    let mut payload = Vec::new();
    let press = Action::Press { username: Username::new("player-0000001").unwrap() };
    wire::encode_action(&press, false, &mut payload).unwrap();
    while builder.push(None, 1_763_722_456_123, &payload).is_some() {}
    let entries = builder.entries() as f64;
    assert_near("a press", (builder.bytes() as f64 - head) / entries, Inputs::default().press_bytes, 0.01);
    let full = Packing::full(&Inputs::default());
    assert_near("a full envelope", full.commands_per_send / full.envelopes_per_send, entries, 0.01);
}

/// What one ingest process does with presses that come at random: presses and envelopes of a send, on average.
fn simulated(rate_s: f64, linger_s: f64, partitions: usize, rng: &mut StdRng) -> (f64, f64) {
    let (mut next, mut free_at, mut presses, mut envelopes) = (0.0, 0.0, 0_u32, 0_u32);
    const SENDS: u32 = 20_000;
    for _ in 0..SENDS {
        let begins = f64::max(next, free_at);
        let mut has = vec![false; partitions];
        while next <= begins {
            has[rng.random_range(0..partitions)] = true;
            presses += 1;
            next -= (1.0 - rng.random::<f64>()).ln() / rate_s;
        }
        envelopes += u32::try_from(has.iter().filter(|has| **has).count()).unwrap();
        free_at = begins + linger_s;
    }
    (f64::from(presses) / f64::from(SENDS), f64::from(envelopes) / f64::from(SENDS))
}

#[test]
fn presses_gather_as_a_simulation_of_the_batcher_says() {
    let mut rng = StdRng::seed_from_u64(7);
    for (rate_s, linger_ms, partitions) in
        [(1.0, 15.0, 16), (50.0, 15.0, 16), (200.0, 10.0, 4), (5_000.0, 15.0, 16), (5_000.0, 20.0, 1)]
    {
        let inputs = Inputs {
            players: rate_s * 100.0,
            ingest_nodes: 1.0,
            linger_ms,
            partitions: partitions as f64,
            ..Inputs::default()
        };
        let expected = Packing::expected(&inputs);
        let (presses, envelopes) = simulated(rate_s, linger_ms / 1000.0, partitions, &mut rng);
        assert_near("presses a send", expected.commands_per_send, presses, 0.02);
        assert_near("envelopes a send", expected.envelopes_per_send, envelopes, 0.02);
    }
}

#[test]
fn requests_are_counted_as_sqs_bills_them() {
    let base = Packing {
        commands_per_send: 100.0,
        envelopes_per_send: 1.0,
        envelope_bytes: 6_000.0,
        envelopes_per_receive: 1.0,
        partitions_per_receive: 1.0,
    };
    // What is packed how; requests for 100 commands to send, receive, delete.
    let table = [
        (base, [1.0, 1.0, 1.0]),
        // Ten messages share a request, eleven do not.
        (Packing { envelopes_per_send: 10.0, envelopes_per_receive: 10.0, ..base }, [1.0, 1.0, 1.0]),
        (Packing { envelopes_per_send: 11.0, ..base }, [2.0, 11.0, 11.0]),
        // Each 64 KiB counts, but not for deleting.
        (Packing { envelope_bytes: 65_536.0, ..base }, [1.0, 1.0, 1.0]),
        (Packing { envelope_bytes: 65_537.0, ..base }, [2.0, 2.0, 1.0]),
        // 256 KiB are sent at a time.
        (
            Packing { envelopes_per_send: 8.0, envelope_bytes: 65_536.0, envelopes_per_receive: 8.0, ..base },
            [8.0, 8.0, 1.0],
        ),
        // Each partition is acked alone.
        (
            Packing {
                envelopes_per_send: 4.0,
                envelopes_per_receive: 4.0,
                partitions_per_receive: 4.0,
                ..base
            },
            [1.0, 1.0, 4.0],
        ),
    ];
    for (packing, expected) in table {
        let found = packing.requests_per_command();
        let found = [found.send, found.receive, found.delete].map(|requests| requests * 100.0);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{packing:?}: {found}, not {expected}");
        }
    }
    // Few presses share nothing: three requests each.
    let few = Packing::expected(&Inputs { players: 10.0, ..Inputs::default() });
    assert_near("alone", few.requests_per_command().total(), 3.0, 0.01);
}

#[test]
fn at_the_break_even_both_ways_cost_the_same() {
    for inputs in [Inputs::default(), Inputs { tls: true, ..Inputs::default() }] {
        let presses = report(&inputs).break_even_presses_per_month.unwrap();
        let rounds_per_day = inputs.rounds_per_day * presses / inputs.presses_per_month();
        let even = report(&Inputs { rounds_per_day, ..inputs.clone() });
        assert_near("that many presses", even.presses_per_month, presses, 1e-9);
        assert_near("a month", even.month.packed_usd, even.month.each_usd, 1e-9);
        let more = report(&Inputs { rounds_per_day: rounds_per_day * 1.1, ..inputs });
        assert!(more.month.packed_usd < more.month.each_usd);
    }
    // With one press at a time on a queue that keeps order, packing only costs.
    let few = report(&Inputs { players: 100.0, tls: true, ..Inputs::default() });
    assert_eq!(few.break_even_presses_per_month, None);
    assert!(few.text().contains("never cheaper"), "{}", few.text());
}

#[test]
fn a_game_in_which_nobody_presses_costs_what_stands_there() {
    let idle = report(&Inputs { share_that_presses: 0.0, ..Inputs::default() });
    assert_near("a month", idle.month.packed_usd, idle.standing_total.packed_usd, 1e-9);
    let sum: f64 = idle.standing.iter().map(|line| line.usd).sum();
    assert_near("its lines", sum, idle.standing_total.packed_usd, 1e-9);
    let of = |name: &str| idle.standing.iter().find(|line| line.name == name).unwrap().usd;
    // By hand: 5 endpoints in 2 zones for 730 h at a cent; half a capacity unit at 12 cents.
    assert_near("endpoints", of("interface endpoints"), 73.0, 1e-9);
    assert_near("database", of("database, at its least"), 43.8, 1e-9);
    // Two ingest once and four others twice a second; eight loops, every 20 s.
    let requests = ((2.0 + 4.0 * 2.0) * 0.40 + 8.0 / 20.0 * 0.50) * 730.0 * 3600.0 / 1e6;
    assert_near("asking", of("SQS, asked while it is empty"), requests, 1e-9);
    let asleep = report(&Inputs { acu_min: 0.0, ..Inputs::default() });
    assert_eq!(asleep.standing_total.packed_usd, report(&Inputs::default()).standing_total.packed_usd);
}

/// What a report says beside its inputs.
fn said(report: &Report) -> Value {
    let mut said = serde_json::to_value(report).unwrap();
    said.as_object_mut().unwrap().remove("inputs").unwrap();
    said
}

#[test]
fn every_input_has_an_effect() {
    let base = Inputs::default();
    for flag in FLAGS {
        let value = flag.default();
        let changes = |factor: f64| {
            let mut other = base.clone();
            *(flag.field)(&mut other) = value * factor;
            said(&report(&other)) != said(&report(&base))
        };
        assert!(changes(0.5) || changes(2.0), "{} changes nothing", flag.name);
        assert_eq!(flag.parse(&value.to_string()), Ok(value), "{}", flag.name);
        let wrong = [(flag.range.1 * 2.0).to_string(), "-1".to_owned(), "NaN".to_owned(), "inf".to_owned()];
        for wrong in wrong.iter().map(String::as_str).chain(["", "many", "1,5", "+1", "infinity"]) {
            let told = flag.parse(wrong).unwrap_err();
            assert!(told.contains("must be a number from") && told.contains(flag.unit), "{told}");
        }
    }
    for other in [Inputs { partitions: 4.0, ..base.clone() }, Inputs { tls: true, ..base.clone() }] {
        assert_ne!(said(&report(&other)), said(&report(&base)));
    }
}

#[test]
fn every_price_has_a_source_and_an_effect() {
    let prices: Value = serde_json::from_str(PRICES).unwrap();
    let base = said(&report(&Inputs::default()));
    for (name, price) in prices.as_object().unwrap() {
        if price.is_string() {
            continue;
        }
        assert!(price["source"].as_str().unwrap().starts_with("https://aws.amazon.com/"), "{name}");
        let mut other = prices.clone();
        other[name]["usd"] = (price["usd"].as_f64().unwrap() * 1.5).into();
        let other = Prices::parse(&other.to_string()).unwrap();
        assert_ne!(said(&Report::new(&Inputs::default(), &other, None)), base, "{name} changes nothing");
    }
}

#[test]
fn prices_that_are_wrong_are_refused_by_name() {
    let change = |change: &dyn Fn(&mut Value)| {
        let mut prices: Value = serde_json::from_str(PRICES).unwrap();
        change(&mut prices);
        Prices::parse(&prices.to_string()).unwrap_err().to_string()
    };
    let told = change(&|prices| drop(prices.as_object_mut().unwrap().remove("nlb_hour")));
    assert!(told.contains("missing field `nlb_hour`"), "{told}");
    let told = change(&|prices| prices["nlb_our"] = prices["nlb_hour"].clone());
    assert!(told.contains("unknown field `nlb_our`"), "{told}");
    let told = change(&|prices| prices["nlb_hour"]["usd"] = (-1).into());
    assert!(told.contains("hour of a Network Load Balancer") && told.contains("0 or more"), "{told}");
    let told = change(&|prices| prices["nlb_hour"]["usd"] = "0.02".into());
    assert!(told.contains("invalid type: string"), "{told}");
    assert!(Prices::parse("").is_err() && Prices::parse("[]").is_err());
}

#[test]
fn too_small_a_deployment_is_told() {
    let small = report(&Inputs { players: 10_000_000.0, ..Inputs::default() });
    let told =
        small.notes.iter().filter(|note| note.starts_with("too small: 100 000 presses a second")).count();
    assert_eq!(told, 2, "{:?}", small.notes);
    assert!(report(&Inputs::default()).notes.iter().all(|note| !note.starts_with("too small")));
}

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
    // 85 800 bytes less the heads of 40 envelopes, for 1 000 commands.
    assert_near("bytes", counters.bytes_per_command().unwrap(), 80.0, 0.001);

    let inputs = Inputs { press_bytes: 80.0, ..Inputs::default() };
    let packing = Packing::measured(&counters, &inputs);
    assert_near("commands a send", packing.commands_per_send, 100.0, 1e-9);
    assert_near("envelopes a send, those sent again too", packing.envelopes_per_send, 4.4, 1e-9);
    assert_near("bytes", packing.envelope_bytes, 2_145.0, 1e-9);
    // 125 commands a batch, 25 an envelope.
    assert_near("envelopes a receive", packing.envelopes_per_receive, 5.0, 1e-9);
    let report = Report::new(&inputs, &Prices::embedded().unwrap(), Some(&counters));
    assert!(report.measured && report.text().contains("measured: 100 presses a send"), "{}", report.text());

    // Without handlers among them, what they do is as expected.
    let mut alone = Counters::default();
    alone.add(INGEST).unwrap();
    let expected = Packing::expected(&inputs).envelopes_per_receive;
    assert_near("expected", Packing::measured(&alone, &inputs).envelopes_per_receive, expected, 1e-9);
    assert_eq!(Counters { envelope_bytes: 0.0, ..alone }.bytes_per_command(), None);
}

#[test]
fn what_are_no_metrics_is_told() {
    let told = |text: &str| Counters::default().add(text).unwrap_err().to_string();
    for (text, expected) in [
        ("", "buttonparty_envelope_commands_size"),
        ("# only a comment\n", "buttonparty_envelope_commands_size"),
        ("other_total 1\n", "buttonparty_envelope_commands_size"),
        ("other_total 1\nnot a metric\n", "line 2 is no metric: not a metric"),
        ("<html>", "line 1 is no metric: <html>"),
        ("buttonparty_envelope_commands_size_sum many", "line 1 is no metric"),
    ] {
        assert!(told(text).contains(expected), "{text}: {}", told(text));
    }
}

#[test]
fn money_and_counts_are_shown_with_the_digits_that_matter() {
    for (dollars, shown) in [
        (0.0, "0.00"),
        (0.000_01, "1.0e-5"),
        (0.000_73, "0.00073"),
        (0.004_88, "0.0049"),
        (0.0345, "0.035"),
        (0.0996, "0.10"),
        (1.0, "1.00"),
        (43.8, "43.80"),
        (269.4, "269"),
        (2_604.0, "2 600"),
        (1_234_567.0, "1 230 000"),
    ] {
        assert_eq!(usd(dollars), shown, "{dollars}");
    }
    for (number, shown) in [
        (0.0, "0"),
        (1.064, "1.06"),
        (15.85, "15.8"),
        (75.0, "75.0"),
        (99.97, "100"),
        (999.4, "999"),
        (10_000.0, "10 000"),
        (193_145_833.0, "193 000 000"),
    ] {
        assert_eq!(count(number), shown, "{number}");
    }
}
