//! Which numbers are cards, and what is left of them.

use serde_json::json;

use super::{becomes, kit, masked, only, stays};

/// The numbers that payment networks publish for tests.
const PUBLISHED: [&str; 14] = [
    "4111111111111111",
    "4012888888881881",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "30569309025904",
    "38520000023237",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
    "6759649826438453",
];

#[test]
fn the_published_numbers_are_masked_in_any_grouping() {
    let kit = only("cards");
    for number in PUBLISHED {
        let last = &number[number.len() - 4..];
        let expected = format!("pay •••• {last}!");
        for size in 1..=number.len() {
            for sign in ["", " ", "-", " - ", "\u{a0}", "–", "\u{200b}", "\t"] {
                let groups: Vec<_> = number.as_bytes().chunks(size).collect();
                let groups = groups.iter().map(|group| std::str::from_utf8(group).unwrap());
                let text = format!("pay {}!", groups.collect::<Vec<_>>().join(sign));
                assert_eq!(masked(&kit, &text), expected, "{text}");
            }
        }
    }
}

#[test]
fn disguises_hide_nothing() {
    becomes(
        &only("cards"),
        &[
            ("４１１１ １１１１ １１１１ １１１１", "•••• 1111"),
            ("٤١١١١١١١١١١١١١١١", "•••• 1111"),
            ("4१११ 𝟏𝟏𝟏𝟏 ①①①① ¹¹¹¹", "•••• 1111"),
            ("4\u{200b}1\u{200d}1\u{2060}1\u{ad}1\u{feff}1\u{202e}11 1111 1111", "•••• 1111"),
            ("4\u{336}111111111111111\u{336}x", "•••• 1111x"),
            ("4\u{fe0f}\u{20e3}111 1111 1111 111\u{31}\u{fe0f}\u{20e3}", "•••• 1111"),
            // Invisible characters part groups as well as they join them.
            ("4111111111111111\u{200b}12", "•••• 1111\u{200b}12"),
            ("99\u{200b}4111111111111111", "99\u{200b}•••• 1111"),
        ],
    );
}

#[test]
fn numbers_among_others_are_found() {
    becomes(
        &only("cards"),
        &[
            ("4111 1111 1111 1111 12/27", "•••• 1111 12/27"),
            ("1 4111111111111111 123", "1 •••• 1111 123"),
            ("card4111111111111111.", "card•••• 1111."),
            ("4111111111111111 5555555555554444", "•••• 1111 •••• 4444"),
            (
                "4111 1111 1111 1111 4012 8888 8888 1881 3782 822463 10005",
                "•••• 1111 •••• 1881 •••• 0005",
            ),
            ("4111111111111111\n5555555555554444", "•••• 1111\n•••• 4444"),
            ("+4111111111111111", "+•••• 1111"),
            // Not so many digits stay that with those that follow they could be another number.
            ("4111111111111111 123456789", "•••• 111 123456789"),
            ("4111111111111111 123456789012", "•••• 123456789012"),
            ("4111111111111111 12345678", "•••• 1111 12345678"),
        ],
    );
}

#[test]
fn other_numbers_stay() {
    stays(
        &only("cards"),
        &[
            "4111111111111112",
            "411111111111",
            "41111111111111111111",
            "1234567890123452",
            "0000000000000000",
            "9999999999999995",
            // Right check digit, wrong length for its issuer.
            "41111111111116",
            "4111 1111    1111 1111",
            "4111.1111.1111.1111",
            "4111\n1111\n1111\n1111",
            "4111x1111 1111 1111",
            "+378282246310005",
            "order 20240115-000123, 2024-01-15 10:30, 192.168.100.200",
            "1700000000000 1700000000001",
            "9780306406157",
        ],
    );
}

#[test]
fn fewer_digits_may_stay() {
    let text = "4111 1111 1111 1111";
    becomes(&kit(json!({"keep_last": 0})), &[(text, "••••")]);
    becomes(&kit(json!({"keep_last": 2})), &[(text, "•••• 11")]);
    becomes(&kit(json!({"mask_with": "[card]"})), &[(text, "[card] 1111")]);
    becomes(&kit(json!({"mask_with": "*", "keep_last": 0})), &[(text, "****")]);
}
