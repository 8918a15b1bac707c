//! Which texts are e-mail addresses.

use serde_json::json;

use super::{becomes, kit, only, stays};

#[test]
fn addresses_are_masked() {
    becomes(
        &only("emails"),
        &[
            ("ann@example.com", "••••"),
            ("Write to Ann.Lee+chat_1@mail.example.co.uk.", "Write to ••••."),
            ("<ann@example.com>,ben@example.org;", "<••••>,••••;"),
            ("mailto:ann@example.com?subject=x", "mailto:••••?subject=x"),
            ("…ann@example.com…", "…••••…"),
            ("'-ann@example.com'", "'-••••'"),
            ("ann@b-c.example", "••••"),
            ("jörg@bücher.de", "••••"),
            ("анна@почта.рф", "••••"),
            ("ann＠ｅｘａｍｐｌｅ．ｃｏｍ", "••••"),
            ("a\u{200b}nn@\u{2060}exam\u{ad}ple.com", "••••"),
            ("邮箱是ann@example.com谢谢", "邮箱是••••谢谢"),
            ("ann@example.com1234", "••••1234"),
            ("a@b.co@c.de", "••••"),
            ("@ann@example.social", "@••••"),
        ],
    );
}

#[test]
fn other_signs_stay() {
    stays(
        &only("emails"),
        &[
            "@ann",
            "ann@",
            "ann @example.com",
            "ann@ example.com",
            "ann@localhost",
            "ann@example.c",
            "ann@192.0.2.1",
            "react@18.2.0",
            "5 apples @ 1.50",
            "ann@@example.com",
            "ann@.com",
            "ann@-example.com",
            "ann@example..com",
            "@example.com",
            "...@example.com",
        ],
    );
}

#[test]
fn domains_can_be_allowed() {
    let kit = kit(json!({"allow_domains": ["Example.com", "bücher.de"]}));
    stays(
        &kit,
        &[
            "ann@example.com",
            "ann@EXAMPLE.COM",
            "ann@mail.example.com.",
            "ann@bücher.de",
            "ann@BU\u{308}CHER.de",
        ],
    );
    becomes(
        &kit,
        &[
            ("ann@badexample.com", "••••"),
            ("ann@example.com.evil.org", "••••"),
            ("ann@example.org", "••••"),
            ("ann@example.com@evil.org", "ann@••••"),
        ],
    );
}
