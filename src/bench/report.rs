//! Numbers as people read them: thousands, times, bytes, rates.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: whole numbers with thousands, and a decimal below ten. What is no number is `0`.
pub fn rate(per_second: f64) -> String {
    if per_second.is_finite() && per_second > 0.0 && per_second < 9.95 {
        return format!("{per_second:.1}");
    }
    // Saturates, and makes 0 of what is no number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    count(per_second.round() as u64)
}

/// A time with three digits and its unit: `850 ns`, `12.3 µs`, `4.56 ms`, `7.89 s`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 0.999_5 => (s, "s"),
        s if s >= 0.000_999_5 => (s * 1e3, "ms"),
        s if s >= 0.000_000_999_5 => (s * 1e6, "µs"),
        s => return format!("{:.0} ns", s * 1e9),
    };
    format!("{} {unit}", three_digits(value))
}

/// A size with three digits and its unit, by powers of 1024: `512 B`, `7.21 KiB`, `1.50 MiB`.
pub fn bytes(bytes: f64) -> String {
    let sign = if bytes < 0.0 { "-" } else { "" };
    let mut value = bytes.abs();
    let mut units = ["B", "KiB", "MiB", "GiB"].iter();
    let mut unit = units.next().unwrap_or(&"B");
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let value = if *unit == "B" { format!("{value:.0}") } else { three_digits(value) };
    format!("{sign}{value} {unit}")
}

/// A count with the word for what is counted: `1 session`, `2 sessions`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in counts {
            assert_eq!(count(number), text);
        }
        for (per_second, text) in
            [(0.0, "0"), (f64::NAN, "0"), (2.34, "2.3"), (9.97, "10"), (12_345.6, "12,346")]
        {
            assert_eq!(rate(per_second), text);
        }
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(2000, "session"), "2,000 sessions");
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (850, "850 ns"),
            (999_900, "1.00 ms"),
            (12_345, "12.3 µs"),
            (4_560_000, "4.56 ms"),
            (999_600_000, "1.00 s"),
            (123_000_000_000, "123 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn sizes_have_a_unit_of_two() {
        for (size, text) in [
            (512.0, "512 B"),
            (7383.0, "7.21 KiB"),
            (1_572_864.0, "1.50 MiB"),
            (-2048.0, "-2.00 KiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }
}
