//! Which Latin letter or digit a reader takes a character for.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// Gives the ASCII letters or digits that the non-ASCII `c` looks like to `sink`; `false`, and
/// nothing given, if it looks like none. The judgement is Unicode's (UTS 39), with a few styles
/// that people write with added.
pub fn latin(c: char, mut sink: impl FnMut(char)) -> bool {
    let known = usize::try_from(u32::from(c)).ok().and_then(|n| KNOWN.get(n));
    match (known, c) {
        (Some(Known::Nothing), _) => false,
        (Some(Known::Letter(letter)), _) => {
            sink(char::from(*letter));
            true
        }
        // Looks up to no purpose: no ideograph and no syllable looks Latin.
        (None, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}') => false,
        _ => judge(c, sink),
    }
}

/// The judgements on the alphabets, of which most texts are made; the rest are looked up.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let chars = (0..0x3000).map(char::from_u32);
    let judged = chars.map(|c| {
        let mut letters = String::new();
        let alike = c.is_some_and(|c| judge(c, |letter| letters.push(letter)));
        match letters.as_bytes() {
            [letter] if alike => Known::Letter(*letter),
            _ if alike => Known::Several,
            _ => Known::Nothing,
        }
    });
    judged.collect()
});

/// What a character looks like.
enum Known {
    Nothing,
    Letter(u8),
    Several,
}

fn judge(c: char, mut sink: impl FnMut(char)) -> bool {
    if let Some(letter) = styled(c) {
        sink(letter);
        return true;
    }
    let mut letters = ['\0'; 4];
    let mut count = 0;
    for part in skeleton(c.encode_utf8(&mut [0; 4])) {
        let part = styled(part).unwrap_or(part);
        if is_combining_mark(part) {
            continue;
        }
        match letters.get_mut(count) {
            Some(place) if part.is_ascii_alphanumeric() => *place = part,
            _ => return false,
        }
        count += 1;
    }
    match &letters[..count] {
        [] => return false,
        // UTS 39 takes the pair for the prototype of every letter that looks like m.
        ['r', 'n'] => sink('m'),
        found => found.iter().copied().for_each(sink),
    }
    true
}

/// Styles that UTS 39 does not call confusable, yet are read without effort: small capitals,
/// white-on-black letters, flag letters, and Greek and Cyrillic letters used as their shape.
fn styled(c: char) -> Option<char> {
    let letter = match c {
        'ᴀ' => 'a',
        'ʙ' | 'β' => 'b',
        'ᴄ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' | 'ɛ' | 'ꞓ' | 'ɘ' | 'ǝ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' => 'h',
        'ɪ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' | 'ĸ' => 'k',
        'ʟ' => 'l',
        'ᴍ' | 'ʍ' => 'm',
        'ɴ' => 'n',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ꞯ' => 'q',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴛ' => 't',
        'ᴜ' | 'μ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' | 'ω' => 'w',
        'χ' => 'x',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        'ƅ' => 'b',
        '\u{1f150}'..='\u{1f169}' => nth(c, '\u{1f150}')?,
        '\u{1f170}'..='\u{1f189}' => nth(c, '\u{1f170}')?,
        '\u{1f1e6}'..='\u{1f1ff}' => nth(c, '\u{1f1e6}')?,
        _ => return None,
    };
    Some(letter)
}

/// The letter as far from `a` as `c` is from `first`.
fn nth(c: char, first: char) -> Option<char> {
    let place = u8::try_from(u32::from(c).checked_sub(u32::from(first))?).ok()?;
    Some(char::from(b'a'.checked_add(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(c: char) -> String {
        let mut letters = String::new();
        latin(c, |l| letters.push(l));
        letters
    }

    #[test]
    fn lookalikes_become_latin() {
        for (from, to) in [
            ("аеорсухіјѕвкмнт", "aeopcyxijsbkmht"),
            ("ονρυαιτκ", "ovpuaitk"),
            ("øđłı", "odli"),
            ("ʙᴀᴅ", "bad"),
            ("🅱🅐🇩", "bad"),
            ("ꓐꓮꓓ", "BAD"),
            ("Ꭺ", "A"),
            ("æ", "ae"),
        ] {
            let got: String = from.chars().map(look).collect();
            assert_eq!(got, to, "{from}");
        }
    }

    #[test]
    fn other_letters_stay_themselves() {
        for c in "жщи漢かกאअ😀-–".chars() {
            assert_eq!(look(c), "", "{c}");
        }
    }
}
