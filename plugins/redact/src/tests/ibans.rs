//! Which numbers are bank accounts.

use super::{becomes, masked, only, stays};

/// Examples that SWIFT's register and banks publish.
const PUBLISHED: [&str; 12] = [
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "CH9300762011623852957",
    "ES9121000418450200051332",
    "IT60X0542811101000000123456",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "AT611904300234573201",
    "PL61109010140000071219812874",
    "SA0380000000608010167519",
];

#[test]
fn the_published_numbers_are_masked() {
    let kit = only("ibans");
    for number in PUBLISHED {
        let chunks: Vec<_> = number.as_bytes().chunks(4).collect();
        let grouped: Vec<_> = chunks.iter().map(|c| std::str::from_utf8(c).unwrap()).collect();
        for text in [
            number.to_owned(),
            number.to_lowercase(),
            grouped.join(" "),
            grouped.join("-"),
            grouped.join("\u{200b}"),
        ] {
            assert_eq!(masked(&kit, &format!("to {text}, please")), "to ••••, please", "{text}");
            assert_eq!(masked(&kit, &text), "••••", "{text}");
        }
    }
}

#[test]
fn others_stay() {
    becomes(
        &only("ibans"),
        &[
            ("DE89370400440532013000 DE89370400440532013000", "•••• ••••"),
            ("DE89370400440532013000DE89370400440532013000", "••••••••"),
            ("MT84MALT011000012345MTLCAST001SDE89370400440532013000x", "••••••••x"),
            ("4111DE89370400440532013000", "4111••••"),
            ("账号DE89370400440532013000。", "账号••••。"),
            ("ＤＥ８９ ３７０４００４４０５３２０１３０００", "••••"),
        ],
    );
    stays(
        &only("ibans"),
        &[
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "XDE89370400440532013000",
            "DE89  370400440532013000",
            "DE 89370400440532013000",
            "XX89370400440532013000",
            "DE",
        ],
    );
}
