//! What holds for every text.

use confab_plugin::testkit::Kit;
use proptest::prelude::*;
use serde_json::json;

use super::{kit, masked, only};
use crate::{Redact, cards::ISSUERS};

/// The digits of a card of a random issuer, with a right check digit.
fn card() -> impl Strategy<Value = Vec<u8>> {
    (0..ISSUERS.len(), any::<usize>(), any::<u32>(), proptest::collection::vec(0u8..10, 19))
        .prop_map(|(issuer, len, first, mut digits)| {
            let (firsts, lengths) = &ISSUERS[issuer];
            let first = firsts.start() + first % (firsts.end() - firsts.start() + 1);
            let first = first.to_string().into_bytes();
            for (digit, byte) in digits.iter_mut().zip(first) {
                *digit = byte - b'0';
            }
            digits.truncate(lengths[len % lengths.len()]);
            let last = digits.len() - 1;
            digits[last] = (0..10)
                .find(|digit| {
                    digits[last] = *digit;
                    luhn(&digits)
                })
                .unwrap();
            digits
        })
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let sum: usize = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| if n % 2 == 1 { doubled[*digit as usize] } else { *digit as usize })
        .sum();
    sum.is_multiple_of(10)
}

/// What may stand between two digits of a card.
fn gap() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "",
        "",
        "",
        " ",
        "-",
        " - ",
        "\u{a0}",
        "–",
        "\u{200b}",
        "\u{2060} \u{ad}",
        "\u{336}",
        "--",
    ])
}

/// A digit in one of several scripts.
fn write(digit: u8, script: u32) -> char {
    let zeros = [0x30, 0x30, 0x30, 0x660, 0x966, 0xff10, 0x1d7ce];
    char::from_u32(zeros[script as usize % zeros.len()] + u32::from(digit)).unwrap()
}

fn spell(digits: &[u8], gaps: &[&str], scripts: &[u32]) -> String {
    let mut text = String::new();
    for (n, digit) in digits.iter().enumerate() {
        if n > 0 {
            text.push_str(gaps[n]);
        }
        text.push(write(*digit, scripts[n]));
    }
    text
}

/// Text of which many parts nearly match.
fn hard() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "0",
        "1",
        "2",
        "4",
        "9",
        "41",
        "0171",
        "1234567",
        "030",
        "555",
        "0123",
        "+49",
        "+1",
        "00",
        "4111111111111111",
        "4111 1111 1111 1111",
        "378282246310005",
        "+",
        "(",
        ")",
        " ",
        " ",
        "-",
        ".",
        "/",
        ",",
        ":",
        "\n",
        "@",
        "@",
        "a",
        "b.co",
        ".de",
        "x@y.zz",
        "ok.com",
        "DE",
        "DE89370400440532013000",
        "GB29",
        "\u{200b}",
        "\u{336}",
        "\u{20e3}",
        "٤",
        "①",
        "é",
        "谢",
        "•",
        "•••• 1111",
        "2024",
        "01.02.",
        "_",
        "#",
        "€",
    ]);
    prop_oneof![
        4 => proptest::collection::vec(part, 0..14).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
    ]
}

fn kits() -> Vec<Kit<Redact>> {
    let mut kits: Vec<_> = ["cards", "ibans", "emails", "phones"].into_iter().map(only).collect();
    kits.push(kit(json!({})));
    kits.push(kit(
        json!({"keep_last": 0, "mask_with": "[a b]", "allow_domains": ["ok.com", "b.co"]}),
    ));
    kits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_card_is_masked_in_any_grouping(
        digits in card(),
        gaps in proptest::collection::vec(gap(), 19),
        scripts in proptest::collection::vec(any::<u32>(), 19),
        before in "[a-z€ .]{0,5}",
        after in "[a-z€.]{0,5}",
    ) {
        let text = format!("{before}{}{after}", spell(&digits, &gaps, &scripts));
        let last: String = digits[digits.len() - 4..].iter().map(|d| char::from(b'0' + d)).collect();
        prop_assert_eq!(masked(&only("cards"), &text), format!("{before}•••• {last}{after}"), "{}", text);
    }

    /// Among other numbers too, no card is left whole.
    #[test]
    fn no_card_is_left_among_others(
        digits in card(),
        gaps in proptest::collection::vec(gap(), 19),
        before in proptest::collection::vec("[0-9]{1,6}", 0..4),
        after in proptest::collection::vec("[0-9]{1,6}", 0..4),
    ) {
        let card = spell(&digits, &gaps, &[0; 19]);
        let numbers = [before, vec![card], after].concat();
        let left = masked(&only("cards"), &numbers.join(" "));
        let left: String = left.chars().filter(char::is_ascii_digit).collect();
        let whole: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        prop_assert!(!left.contains(&whole), "{}", left);
    }

    #[test]
    fn a_wrong_check_digit_is_no_card(
        mut digits in card(),
        wrong in 1u8..10,
    ) {
        let last = digits.len() - 1;
        digits[last] = (digits[last] + wrong) % 10;
        // In one piece: parts of it could be cards otherwise.
        let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        prop_assert_eq!(masked(&only("cards"), &text), text);
    }

    #[test]
    fn masking_twice_changes_nothing(text in hard()) {
        for kit in kits() {
            let once = masked(&kit, &text);
            let twice = masked(&kit, &once);
            prop_assert_eq!(&twice, &once, "{:?}", text);
        }
    }

    /// What is not masked is the same bytes, in the same order.
    #[test]
    fn the_rest_stays_byte_for_byte(text in hard()) {
        let kit = kit(json!({"keep_last": 0, "mask_with": "⟦m⟧"}));
        let left = masked(&kit, &text);
        let mut rest = text.as_str();
        for (n, part) in left.split("⟦m⟧").enumerate() {
            let at = if n == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
            prop_assert!(at.is_some(), "{:?} in {:?} of {:?}", part, left, text);
            rest = &rest[at.unwrap() + part.len()..];
        }
    }

    #[test]
    fn letters_alone_stay(text in "[\\PN]*") {
        let plain: String = text.chars().filter(|c| *c != '@' && *c != '＠' && *c != '﹫').collect();
        let plain: String = plain.chars().filter(|c| !c.is_numeric()).collect();
        prop_assert_eq!(masked(&kit(json!({})), &plain), plain);
    }
}

/// Twice as long takes about twice as long: no text costs more than linear time.
#[test]
fn time_is_linear() {
    use std::time::{Duration, Instant};
    let kit = kit(json!({}));
    for part in [
        "1 ",
        "4",
        "4111 ",
        "a@",
        "a@b.c",
        "a.",
        "@",
        "DE89 3",
        "+4",
        "0171 1234567",
        "(",
        "01.02.",
    ] {
        let time = |len: usize| {
            let text = part.repeat(len / part.len());
            let best = (0..3).map(|_| {
                let start = Instant::now();
                masked(&kit, &text);
                start.elapsed()
            });
            best.min().unwrap()
        };
        let (short, long) = (time(20_000), time(200_000));
        let most = short * 40 + Duration::from_millis(50);
        assert!(long < most, "{part:?}: {short:?}, and ten times as much in {long:?}");
    }
}
