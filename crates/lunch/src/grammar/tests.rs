use proptest::prelude::*;

use super::*;

fn created(times: &[&str], group_size: usize, closes: Option<&str>) -> Order {
    let time = |time: &str| MealTime(time.to_owned());
    Order::Create(PollOptions {
        times: times.iter().map(|it| time(it)).collect(),
        group_size,
        closes: closes.map(time),
    })
}

#[test]
fn options_stand_in_any_case_and_order() {
    let rows: [(&str, &[&str], usize, Option<&str>); 13] = [
        ("", &["1200"], 6, None),
        (" , ", &["1200"], 6, None),
        ("1145, 1230 size=4", &["1145", "1230"], 4, None),
        ("1145,1230", &["1145", "1230"], 6, None),
        ("1145 1230", &["1145", "1230"], 6, None),
        ("905", &["905"], 6, None),
        ("0905, 000, 2359", &["0905", "000", "2359"], 6, None),
        ("size=2", &["1200"], 2, None),
        ("SIZE=6, 1145.", &["1145"], 6, None),
        ("Close=1130 1145 size=5", &["1145"], 5, Some("1130")),
        ("1145 close=915", &["1145"], 6, Some("915")),
        ("1145 size=3 1230 close=1130 1300", &["1145", "1230", "1300"], 3, Some("1130")),
        ("1100, 1115, 1130, 1145", &["1100", "1115", "1130", "1145"], 6, None),
    ];
    for (text, times, size, closes) in rows {
        assert_eq!(order_to_create(text), created(times, size, closes), "{text}");
    }
    assert_eq!(order_to_create(" HELP. "), Order::Help);
}

#[test]
fn a_part_that_cannot_be_read_is_quoted_as_it_was_typed() {
    use WhyUnreadable::{NoCloseTime, NoSize, NoTime, SaidTwice, SameTimeTwice, TooManyTimes};
    let rows = [
        ("5", "5", NoTime),
        ("1145, Noonish size=4", "Noonish", NoTime),
        ("2400", "2400", NoTime),
        ("1160", "1160", NoTime),
        ("11450", "11450", NoTime),
        ("+905", "+905", NoTime),
        ("１２００", "１２００", NoTime),
        ("11:45", "11:45", NoTime),
        ("905, 0905", "0905", SameTimeTwice),
        ("1100, 1115, 1130, 1145, 1200", "1200", TooManyTimes),
        ("Size=7", "Size=7", NoSize),
        ("size=1", "size=1", NoSize),
        ("size=", "size=", NoSize),
        ("size=four", "size=four", NoSize),
        ("size = 4", "size", NoTime),
        ("size=4 size=4", "size=4", SaidTwice),
        ("close=25", "close=25", NoCloseTime),
        ("close=2500", "close=2500", NoCloseTime),
        ("close=1130 close=1145", "close=1145", SaidTwice),
        ("colour=red", "colour=red", NoTime),
    ];
    for (text, part, why) in rows {
        let part = part.to_owned();
        assert_eq!(order_to_create(text), Order::Unreadable(Unreadable { part, why }), "{text}");
    }
    let Order::Unreadable(long) = order_to_create(&"x".repeat(9_000)) else { panic!() };
    assert_eq!(long.part.len(), PART_CHARS_MAX);
}

#[test]
fn the_bot_reads_what_stands_after_the_last_mention_on_the_line() {
    let rows = [
        ("<@U0BOT> create 1145", Some(created(&["1145"], 6, None))),
        ("<@U0BOT|bot> CREATE", Some(created(&["1200"], 6, None))),
        ("Reminder: <@U0BOT> create 1145, 1230 size=4.", Some(created(&["1145", "1230"], 4, None))),
        ("<@U1> please <@U0BOT> close.", Some(Order::Close)),
        ("<@U0BOT>\u{a0}summary", Some(Order::Summary { days: 7 })),
        ("<@U0BOT> summary 30.", Some(Order::Summary { days: 30 })),
        ("<@U0BOT> Help me", Some(Order::Help)),
        ("<@U0BOT> create help", Some(Order::Help)),
        ("<@U0BOT> help\ncreate", Some(Order::Help)),
        ("<@U0BOT> close\ncc <@U1>", Some(Order::Close)),
        ("<@U1> look:\n<@U0BOT> close", Some(Order::Close)),
        ("<@U0BOT> hello", None),
        ("<@U0BOT> create1145", None),
        ("<@U0BOT>", None),
        ("<@U0BOT> ", None),
        ("<@U0BOT> close <@U1>", None),
        ("<@U0BOT>\ncreate", None),
        ("create", None),
        ("<@U0BOT create", None),
        ("", None),
    ];
    for (text, order) in rows {
        assert_eq!(order_of_mention(text), order, "{text}");
    }
    assert_eq!(order_of_message("  close"), Some(Order::Close));
    assert_eq!(order_of_message("\nclose"), Some(Order::Close));
    assert_eq!(order_of_message("hey <@U0BOT> close"), Some(Order::Close));
    assert_eq!(order_of_message("so close"), None);
    assert_eq!(order_of_message(""), None);
}

#[test]
fn a_summary_of_no_days_is_unreadable() {
    for days in ["0", "-1", "seven", "367"] {
        let part = Unreadable { part: days.to_owned(), why: WhyUnreadable::NoDays };
        assert_eq!(order_of_message(&format!("summary {days}")), Some(Order::Unreadable(part)));
    }
}

#[test]
fn times_are_shown_as_people_read_them() {
    let shown = ["1145", "905", "0905", "000"].map(|time| MealTime(time.to_owned()).text());
    assert_eq!(shown, ["11:45", "9:05", "9:05", "0:00"]);
}

proptest! {
    #[test]
    fn any_text_is_read_or_ignored(text: String) {
        let order = order_of_mention(&format!("<@U0BOT> create {text}"));
        prop_assert!(order.is_some() || text.contains("<@"));
        let _ = order_of_message(&text);
        if let Order::Create(options) = order_to_create(&text) {
            prop_assert!((1..=TIMES_MAX).contains(&options.times.len()));
            prop_assert!(GROUP_SIZES.contains(&options.group_size));
        }
    }
}
