//! Attempts to get a word or a pattern past the filter.

use serde_json::json;

use super::{all_denied, kit, masked, none_denied};

#[test]
fn a_word_is_found_in_every_disguise() {
    let kit =
        kit(json!({"deny_words": ["idiot", "ass", "boobs", "kill yourself", "straße", "1488"]}));
    let tags: String = "idi\u{e0069}\u{e007f}ot".into();
    let zalgo: String =
        "idiot".chars().flat_map(|c| [c, '\u{300}', '\u{489}', '\u{20dd}']).collect();
    all_denied(
        &kit,
        &[
            // As it is, in any case, at any edge.
            "idiot",
            "IDIOT!",
            "(idiot)",
            "you,idiot.",
            "an \"Idiot\"",
            "idiot\n",
            "_idiot_",
            "#idiot",
            "@ass",
            "ass!!!",
            "$$$ass$$$",
            "STRASSE",
            "straße",
            // Accents and marks.
            "ïdïöt",
            "i\u{308}diot",
            "id\u{336}i\u{336}o\u{336}t",
            &zalgo,
            "İdiot",
            "ıdıot",
            "idi\u{e49}ot",
            // What a reader does not see.
            "id\u{200b}iot",
            "\u{feff}idiot\u{200d}",
            "idi\u{ad}ot",
            "\u{202e}id\u{2066}iot",
            "idi\u{fe0f}ot",
            "idio\u{e0101}t",
            &tags,
            "id\u{34f}iot",
            "id\u{180e}iot",
            "id\u{115f}iot",
            "id\u{3164}iot",
            "id\0iot",
            "id\u{1b}iot",
            "id\u{9b}iot",
            "id\u{2064}iot",
            // Compatibility forms.
            "ｉｄｉｏｔ",
            "𝓲𝓭𝓲𝓸𝓽",
            "𝔦𝔡𝔦𝔬𝔱",
            "ⓘⓓⓘⓞⓣ",
            "🄸🄳🄸🄾🅃",
            "ⁱdⁱᵒᵗ",
            "ℹdiot",
            // Letters that look alike.
            "іdіоt",
            "IDIОТ",
            "ιdιοτ",
            "ɪᴅɪᴏᴛ",
            "🅸🅳🅸🅾🆃",
            "🅘🅓🅘🅞🅣",
            "🇮🇩🇮🇴🇹",
            "аѕѕ",
            "ꓮꓢꓢ",
            "аss",
            // Leetspeak.
            "1d10t",
            "!d!0t",
            "1d|ot",
            "a$$",
            "@$$",
            "4ss",
            "b00bs",
            "80obs",
            "k1ll yourself",
            "ki11 y0ur5elf",
            "１d１0t",
            // Drawn out.
            "idiooooot",
            "iiiidiot",
            "idiotttt",
            "asssss",
            "aaaass",
            // In pieces.
            "i d i o t",
            "i.d.i.o.t",
            "i - d - i - o - t",
            "i\nd\ni\no\nt",
            "i😀d😀i😀o😀t",
            "id-iot",
            "i_diot",
            "id*iot",
            "id~~iot",
            "a s s",
            "a.s.s.",
            "what an a s s you are",
            // Phrases.
            "kill  yourself",
            "Kill-Yourself",
            "kill, yourself",
            "killyourself",
            "kill\u{a0}yourself",
            "k i l l y o u r s e l f",
            // Several at once.
            "1\u{200b}Ｄ-і𝟎\u{301}tttt",
            // Digits asked for.
            "1488",
            "(1488)",
            "１４８８",
        ],
    );
}

#[test]
fn capitals_that_look_latin_are_seen() {
    let kit = kit(json!({"deny_words": ["nancy", "злой"]}));
    all_denied(&kit, &["ΝΑΝCΥ", "NΑNCY", "злой", "ЗЛОЙ", "Злои\u{306}"]);
}

#[test]
fn scripts_other_than_latin_are_found() {
    let kit = kit(json!({"deny_words": ["дурак", "傻瓜", "ばか", "바보", "บ้า", "كلب", "βλάκας"]}));
    all_denied(
        &kit,
        &[
            "ДУРАК",
            "дypaк",
            "д-у-р-а-к",
            "你是傻瓜吗",
            "傻\u{200b}瓜",
            "ばかだ",
            "は\u{3099}か",
            "바보!",
            "ㅂㅏㅂㅗ",
            "คนบ้าๆ",
            "كَلْب",
            "كـلب",
            "ΒΛΑΚΑΣ",
        ],
    );
}

#[test]
fn a_pattern_is_tried_on_both_texts() {
    let kit = kit(
        json!({"deny": ["https?://", "buy now", "\\bпривет\\b", "바보", "が", "(?-i)SHOUT", "é", "\u{202e}"]}),
    );
    all_denied(
        &kit,
        &[
            "http://x",
            "HTTPS://x",
            "ht\u{200b}tp://x",
            "ｈｔｔｐ：／／x",
            "hттp://x",
            "h\u{301}ttp://x",
            "http\0s://x",
            "𝒃𝒖𝒚 𝒏𝒐𝒘",
            "buy\u{a0}now",
            "Bυy Νow",
            "ПРИВЕТ",
            "при\u{ad}вет",
            "바보",
            "ㅂㅏㅂㅗ",
            "か\u{3099}",
            "SHOUT",
            "ＳHOUT",
            "É",
            "left \u{202e}right",
        ],
    );
    none_denied(&kit, &["ftp://x", "shout", "ｓhout", "e", "buynow"]);
}

#[test]
fn masks_are_exact() {
    let kit = kit(
        json!({"mask_words": ["idiot", "ass", "kill yourself", "傻瓜"], "mask": ["[0-9]{4,}", "ab+c"]}),
    );
    for (text, expected) in [
        ("you idiot!", "you *****!"),
        ("Idiot, IDIOT", "*****, *****"),
        ("é idiot é", "é ***** é"),
        ("i\u{308}d\u{301}iot\u{301}\u{302} ok", "***** ok"),
        ("x\u{200b} id\u{200b}iot \u{200b}x", "x\u{200b} ***** \u{200b}x"),
        ("ｉｄｉｏｔ　ok", "*****　ok"),
        ("🇮🇩🇮🇴🇹", "***"), // five letters, drawn as two flags and a letter
        ("i d i o t.", "* * * * *."),
        ("i.d.i.o.t.", "*********."),
        ("!idiot!", "!*****!"),
        ("$ass$", "$***$"),
        ("idioooot", "********"),
        ("kill  yourself now", "****  ******** now"),
        ("你是傻瓜吗", "你是**吗"),
        ("call 12345 or １２３４", "call ***** or ****"),
        ("xAB\u{301}bCx", "x****x"),
        ("idiot\r\nidiot", "*****\r\n*****"),
        ("idiot👩‍👩‍👧", "*****👩‍👩‍👧"),
        ("", ""),
    ] {
        assert_eq!(masked(&kit, text), expected, "{text:?}");
    }
}

#[test]
fn a_mask_may_be_a_word() {
    let kit = kit(json!({"mask_words": ["kill yourself", "ass"], "mask_with": "[…]"}));
    assert_eq!(masked(&kit, "ass, kill yourself ass!"), "[…], […] […]!");
}
