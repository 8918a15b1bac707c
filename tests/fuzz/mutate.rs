//! Makes new inputs of those of a corpus: small changes, and pieces of other inputs.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// No input grows beyond, in bytes.
const MAX_INPUT: usize = 16 * 1024;

/// What parsers stumble over.
const TOKENS: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    ".",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    "'",
    "#",
    "null",
    "true",
    "-1",
    "0",
    "18446744073709551616",
    "1e999",
    "NaN",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}",
    "\u{301}",
    "\u{fdfa}",
    "ﬃ",
    "İ",
    "ß",
    "а",
    "👩‍👩‍👧",
    "가",
    "\u{85}",
    "\u{2028}",
    "\u{10ffff}",
    "\"\"\"",
    "'''",
    "[[",
    "]]",
    "__",
    "$(",
    "*",
    "\\p{L}",
];

/// The input number `round` of the seed: always the same for the same corpus.
pub fn input(corpus: &[Vec<u8>], seed: u64, round: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round);
    let mut input = corpus.choose(&mut random).cloned().unwrap_or_default();
    for _ in 0..random.random_range(1..=6) {
        change(&mut input, corpus, &mut random);
    }
    input.truncate(MAX_INPUT);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut StdRng) {
    let place = random.random_range(0..=input.len());
    let until = (place + random.random_range(1..=16)).min(input.len());
    match random.random_range(0..8) {
        0 => {
            if let Some(byte) = input.get_mut(place) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(place) {
                *byte = *[0, 1, 0x7f, 0x80, 0xff, b'\n', random.random()].choose(random).unwrap();
            }
        }
        2 => drop(input.drain(place..until)),
        3 => {
            let piece = input[place..until].to_vec();
            let times = *[1, 2, 100].choose(random).unwrap();
            input.splice(place..place, piece.repeat(times));
        }
        4 | 5 => {
            let token = TOKENS.choose(random).unwrap();
            input.splice(place..place, token.bytes());
        }
        6 => {
            let other = corpus.choose(random).unwrap();
            let from = random.random_range(0..=other.len());
            let to = (from + random.random_range(1..=64)).min(other.len());
            input.splice(place..until, other[from..to].iter().copied());
        }
        _ => input.truncate(place),
    }
}

#[test]
fn an_input_depends_on_seed_and_round_alone() {
    let corpus = [b"hello, world".to_vec(), b"{\"a\":1}".to_vec()];
    let inputs = |seed| (0..200).map(|round| input(&corpus, seed, round)).collect::<Vec<_>>();
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
}
