//! Days and months in UTC. Times are Unix milliseconds.

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Year, month (1 to 12) and day (1 to 31).
pub(crate) type Date = (i64, i64, i64);

/// The date of a day since 1970, in the Gregorian calendar. After Howard Hinnant, "chrono-compatible low-level date
/// algorithms": years begin in March there, so that the leap day is the last.
fn date_of_day(day: i64) -> Date {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_month)
}

/// The day since 1970 of the first of a month.
fn day_of_month(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date at a time, where clocks are so many minutes ahead of UTC.
pub(crate) fn date(at_ms: i64, utc_offset_minutes: i32) -> Date {
    date_of_day((at_ms + i64::from(utc_offset_minutes) * MINUTE_MS).div_euclid(DAY_MS))
}

/// The time of so many minutes after midnight on the day of `at_ms`, where clocks are so many minutes ahead of UTC.
pub(crate) fn on_day_of(at_ms: i64, utc_offset_minutes: i32, minutes: u32) -> i64 {
    let ahead_ms = i64::from(utc_offset_minutes) * MINUTE_MS;
    let day = (at_ms + ahead_ms).div_euclid(DAY_MS);
    day * DAY_MS + i64::from(minutes) * MINUTE_MS - ahead_ms
}

/// The first moment of the month of `at_ms`, moved by so many months.
pub(crate) fn month_start(at_ms: i64, months: i64) -> i64 {
    let (year, month, _) = date(at_ms, 0);
    let month = year * 12 + month - 1 + months;
    day_of_month(month.div_euclid(12), month.rem_euclid(12) + 1) * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `date -u -d ... +%s`.
    const NOVEMBER_28_2026: i64 = 1_795_824_000_000;

    #[test]
    fn dates_follow_one_another_without_a_gap() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for n in 0..60_000 {
            assert_eq!(date_of_day(n), (year, month, day), "day {n}");
            if day == 1 {
                assert_eq!(day_of_month(year, month), n);
            }
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = match month {
                2 => 28 + i64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > days {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn a_day_is_that_of_the_zone() {
        assert_eq!(date(NOVEMBER_28_2026, 0), (2026, 11, 28));
        assert_eq!(date(NOVEMBER_28_2026, -1), (2026, 11, 27));
        assert_eq!(date(NOVEMBER_28_2026 - 1, 345), (2026, 11, 28));
        let late_in_kathmandu = NOVEMBER_28_2026 + 18 * HOUR_MS + 15 * MINUTE_MS;
        assert_eq!(
            on_day_of(late_in_kathmandu - 1, 345, 30),
            NOVEMBER_28_2026 - 345 * MINUTE_MS + 30 * MINUTE_MS
        );
        assert_eq!(on_day_of(late_in_kathmandu, 345, 0), late_in_kathmandu);
    }

    #[test]
    fn months_are_counted_over_years() {
        let starts = [-12, -10, 0, 1, 2].map(|months| date(month_start(NOVEMBER_28_2026, months), 0));
        assert_eq!(starts, [(2025, 11, 1), (2026, 1, 1), (2026, 11, 1), (2026, 12, 1), (2027, 1, 1)]);
        assert_eq!(month_start(NOVEMBER_28_2026, 0) % DAY_MS, 0);
    }
}
