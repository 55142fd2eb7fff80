//! The formulas compared with independent figures; and each input and price has an effect.

use cost::deployed::{self, HEAD_BYTES};
use cost::inputs::{FLAGS, Inputs};
use cost::packing::Packing;
use cost::presses::Line;
use cost::prices::Prices;
use cost::report::{Report, count, usd};
use game::{Action, Username};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use server::bounds::{GAUGES_MS, HANDLER_LOOPS_MAX, RECEIVE_WAIT_SQS_MS};

const PRICES: &str = include_str!("../../src/prices.json");

fn report(inputs: &Inputs) -> Report {
    Report::new(inputs, &Prices::embedded().unwrap(), None)
}

fn line<'a>(report: &'a Report, name: &str) -> &'a Line {
    report.per_million_presses.iter().find(|line| line.name == name).unwrap()
}

pub(crate) fn assert_near(what: &str, found: f64, told: f64, tolerance: f64) {
    assert!((found - told).abs() <= tolerance * told, "{what}: {found}, not {told} within {tolerance}");
}

/// One partition, as in the estimate that was made before the program.
fn one_partition() -> Inputs {
    Inputs { partitions: 1.0, handlers: 1.0, ..Inputs::default() }
}

/// The sizes that the estimate assumes: a response of 160 bytes and a press of 50. The sizes today are 229 and 65.
fn of_the_estimate() -> Inputs {
    Inputs { answer_bytes: 160.0, press_bytes: 50.0, ..one_partition() }
}

#[test]
fn the_price_of_a_million_presses_is_that_of_the_first_estimate() {
    let report = report(&of_the_estimate());
    // Item; packed cost and its tolerance; cost with one message per press and its tolerance.
    let table = [
        ("HTTP front", 0.005, 0.08, 1.00, 0.001),
        // The estimate has one significant digit.
        ("compute", 0.001, 0.25, 0.05, 0.01),
        // Packed: the WAL size of a press was measured after the estimate. One per press: two statements at the
        // measured rate.
        ("database", 0.011, 0.15, 0.25, 0.05),
        ("egress", 0.014, 0.05, 0.03, 0.03),
    ];
    for (name, packed, packed_within, each, each_within) in table {
        let line = line(&report, name);
        assert_near(name, line.packed_usd, packed, packed_within);
        assert_near(name, line.each_usd.unwrap(), each, each_within);
    }
    let sqs = line(&report, "SQS");
    assert_near("SQS", sqs.each_usd.unwrap(), 0.48, 0.001);
    assert_near("SQS, full envelopes", report.sqs_when_full, 0.0008, 0.01);
    assert!((0.0008..=0.02).contains(&sqs.packed_usd), "{sqs:?}");
    assert_near("together", report.per_million_presses_total.each_usd, 1.81, 0.01);
    // The estimate leaves out ranks and traffic between zones.
    let estimated = |line: &&Line| line.each_usd.is_some();
    let packed: f64 = report.per_million_presses.iter().filter(estimated).map(|line| line.packed_usd).sum();
    assert_near("together, packed", packed - sqs.packed_usd + report.sqs_when_full, 0.03, 0.1);
    // With today's sizes the load balancer costs what the estimate says; the other items grow with the bytes.
    let today = self::report(&one_partition());
    assert_near("HTTP front", line(&today, "HTTP front").packed_usd, 0.005, 0.03);
    assert_near("egress", line(&today, "egress").packed_usd, 0.014 * 229.0 / 160.0, 0.05);
    assert_near("SQS, full envelopes", today.sqs_when_full, 0.0008 * 65.0 / 50.0, 0.01);
    let note = report.notes.iter().find(|note| note.contains("Application Load Balancer")).unwrap();
    assert!(note.contains(" 0.09 ") || note.contains(" 0.089 "), "{note}");
}

#[test]
fn sixteen_partitions_make_more_requests_than_the_first_estimate_says() {
    // The difference comes only from envelopes: with sixteen partitions, 5 presses share an envelope instead of 75.
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
    wire::encode_action(&press, &mut payload).unwrap();
    while builder.push(None, 1_763_722_456_123, &payload).is_some() {}
    let entries = builder.entries() as f64;
    assert_near("a press", (builder.bytes() as f64 - head) / entries, Inputs::default().press_bytes, 0.01);
    let full = Packing::full(&Inputs::default());
    assert_near("a full envelope", full.commands_per_send / full.envelopes_per_send, entries, 0.01);
}

#[test]
fn the_model_has_the_constants_of_the_server() {
    assert_eq!(deployed::HANDLER_LOOPS_MAX, f64::from(HANDLER_LOOPS_MAX));
    assert_eq!(deployed::BILLED_BYTES, engine::ENVELOPE_BYTES_MAX as f64);
    assert_eq!(
        [deployed::GAUGES_MS, deployed::RECEIVE_WAIT_MS],
        [GAUGES_MS, RECEIVE_WAIT_SQS_MS].map(|ms| ms as f64)
    );
}

/// Simulates an ingest process with random arrivals: mean presses and envelopes per send.
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
    // A packing, and the requests that it needs to send, receive and delete 100 commands.
    let table = [
        (base, [1.0, 1.0, 1.0]),
        // Ten messages share a request, eleven do not.
        (Packing { envelopes_per_send: 10.0, envelopes_per_receive: 10.0, ..base }, [1.0, 1.0, 1.0]),
        (Packing { envelopes_per_send: 11.0, ..base }, [2.0, 11.0, 11.0]),
        // Each 64 KiB is billed as one request, except for a delete.
        (Packing { envelope_bytes: 65_536.0, ..base }, [1.0, 1.0, 1.0]),
        (Packing { envelope_bytes: 65_537.0, ..base }, [2.0, 2.0, 1.0]),
        // A send is limited to 256 KiB.
        (
            Packing { envelopes_per_send: 8.0, envelope_bytes: 65_536.0, envelopes_per_receive: 8.0, ..base },
            [8.0, 8.0, 1.0],
        ),
        // Each partition has its own delete requests.
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
    // With few presses nothing is shared: each press costs three requests.
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
    // One press at a time on a FIFO queue: packing brings only its own cost.
    let few = report(&Inputs { players: 100.0, tls: true, ..Inputs::default() });
    assert_eq!(few.break_even_presses_per_month, None);
    insta::assert_snapshot!("never_cheaper", few.text());
}

#[test]
fn a_game_in_which_nobody_presses_costs_its_fixed_costs() {
    let idle = report(&Inputs { share_that_presses: 0.0, ..Inputs::default() });
    assert_near("a month", idle.month.packed_usd, idle.standing_total.packed_usd, 1e-9);
    let sum: f64 = idle.standing.iter().map(|line| line.usd).sum();
    assert_near("its lines", sum, idle.standing_total.packed_usd, 1e-9);
    let of = |name: &str| idle.standing.iter().find(|line| line.name == name).unwrap().usd;
    // Checked by hand: 5 endpoints in 2 zones for 730 h at 1 cent; half a capacity unit at 12 cents.
    assert_near("endpoints", of("interface endpoints"), 73.0, 1e-9);
    assert_near("database", of("database, at its least"), 43.8, 1e-9);
    // Two vCPU in four processes; ingest has 2 GB each, handlers 1 GB each.
    let processes = (2.0 * 0.03238 + 6.0 * 0.00356) * 730.0;
    assert_near("processes", of("ingest and handlers"), processes, 1e-9);
    // Gauge requests: two ingest processes send one a second, four other processes two. Eight loops receive every 20 s.
    let requests = ((2.0 + 4.0 * 2.0) * 0.40 + 8.0 / 20.0 * 0.50) * 730.0 * 3600.0 / 1e6;
    assert_near("asking", of("SQS, asked while it is empty"), requests, 1e-9);
    let asleep = report(&Inputs { acu_min: 0.0, ..Inputs::default() });
    assert_eq!(asleep.standing_total.packed_usd, report(&Inputs::default()).standing_total.packed_usd);
}

/// A report without its inputs.
fn results(report: &Report) -> Value {
    let mut results = serde_json::to_value(report).unwrap();
    results.as_object_mut().unwrap().remove("inputs").unwrap();
    results
}

#[test]
fn every_input_has_an_effect() {
    let base = Inputs::default();
    for flag in FLAGS {
        let value = flag.default();
        let changes = |factor: f64| {
            let mut other = base.clone();
            *(flag.field)(&mut other) = value * factor;
            results(&report(&other)) != results(&report(&base))
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
        assert_ne!(results(&report(&other)), results(&report(&base)));
    }
}

#[test]
fn every_price_has_a_source_and_an_effect() {
    let prices: Value = serde_json::from_str(PRICES).unwrap();
    let base = results(&report(&Inputs::default()));
    for (name, price) in prices.as_object().unwrap() {
        if price.is_string() {
            continue;
        }
        assert!(price["source"].as_str().unwrap().starts_with("https://aws.amazon.com/"), "{name}");
        let mut other = prices.clone();
        other[name]["usd"] = (price["usd"].as_f64().unwrap() * 1.5).into();
        let other = Prices::parse(&other.to_string()).unwrap();
        assert_ne!(results(&Report::new(&Inputs::default(), &other, None)), base, "{name} changes nothing");
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
fn a_deployment_that_is_too_small_is_reported() {
    let small = report(&Inputs { players: 10_000_000.0, ..Inputs::default() });
    insta::assert_snapshot!("too_small", small.notes.join("\n"));
    assert!(report(&Inputs::default()).notes.iter().all(|note| !note.starts_with("too small")));
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
