//! Tells whether two texts are nearly the same from 128 bits of each: a MinHash (Broder, 1997)
//! of runs of four letters, with four bits of each minimum (Li and König, 2010).

/// The most letters of a text that are looked at.
const MAX_LETTERS: usize = 2048;
/// Letters of a shingle. Shorter ones are shared by all texts of a language.
const SHINGLE: usize = 4;
/// Minima of a sketch.
const MINIMA: usize = 32;
/// How many minima nearly the same texts share. Of texts that share half of their shingles it is
/// 17, give or take 3; of unrelated ones 3, give or take 2.
const NEAR: u32 = 16;

/// The sketch of a text. Equal texts have equal sketches, at any time on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch([u64; 2]);

impl Sketch {
    /// Fewer letters say too little: a changed word would be half of the text.
    pub const MIN_LETTERS: usize = 32;

    /// The sketch of these letters; `None` if they are too few.
    pub fn new(letters: &str) -> Option<Self> {
        letters.chars().nth(Self::MIN_LETTERS - 1)?;
        let mut minima = [u32::MAX; MINIMA];
        let mut shingle = 0u128;
        for (n, letter) in letters.chars().take(MAX_LETTERS).enumerate() {
            // A letter has 21 bits.
            shingle = (shingle << 21 | u128::from(u32::from(letter))) & ((1 << (21 * SHINGLE)) - 1);
            if n + 1 >= SHINGLE {
                let hash = mix(mix((shingle >> 42) as u64) ^ (shingle as u64 & ((1 << 42) - 1)));
                for (minimum, (factor, offset)) in minima.iter_mut().zip(FUNCTIONS) {
                    *minimum =
                        (hash as u32).wrapping_mul(factor).wrapping_add(offset).min(*minimum);
                }
            }
        }
        let (first, second) = minima.split_at(MINIMA / 2);
        Some(Self([first, second].map(|minima| {
            minima.iter().fold(0, |bits, minimum| bits << 4 | u64::from(mix32(*minimum) & 0xf))
        })))
    }

    /// Whether the texts are nearly the same.
    pub fn is_near(self, other: Self) -> bool {
        self.shared(other) >= NEAR
    }

    /// How many minima are the same, or look so in their four bits.
    fn shared(self, other: Self) -> u32 {
        let shared = self.0.into_iter().zip(other.0).map(|(one, other)| {
            let differ = one ^ other;
            let differ = differ | differ >> 2;
            let differ = (differ | differ >> 1) & 0x1111_1111_1111_1111;
            MINIMA as u32 / 2 - differ.count_ones()
        });
        shared.sum()
    }
}

/// The hash functions whose minima are taken: `hash * factor + offset`.
const FUNCTIONS: [(u32, u32); MINIMA] = {
    let mut functions = [(0, 0); MINIMA];
    let mut n = 0;
    while n < MINIMA {
        let random = mix(n as u64);
        functions[n] = (random as u32 | 1, (random >> 32) as u32);
        n += 1;
    }
    functions
};

/// Spreads the bits of `n`: the step of SplitMix64.
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

const fn mix32(n: u32) -> u32 {
    (mix(n as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(a: &str, b: &str) -> u32 {
        Sketch::new(a).unwrap().shared(Sketch::new(b).unwrap())
    }

    /// A text of letters that follow from `seed`.
    fn letters(seed: u64, length: usize) -> String {
        let letter = |n| char::from(b'a' + (mix(seed << 32 | n as u64) % 26) as u8);
        (0..length).map(letter).collect()
    }

    #[test]
    fn a_short_text_has_none() {
        assert_eq!(Sketch::new(&"é".repeat(31)), None);
        assert!(Sketch::new(&"é".repeat(32)).is_some());
    }

    #[test]
    fn shared_minima_tell_how_alike_texts_are() {
        for length in [40, 300] {
            let (mut far, mut near, mut found) = (0, 0, 0);
            for seed in 0..100 {
                let (text, other) = (letters(seed, length), letters(seed + 1000, length));
                // Three of four parts in common: about 3 in 5 of all shingles.
                let changed = format!("{}{}", &text[..length / 4 * 3], &other[length / 4 * 3..]);
                let [text, other, changed] =
                    [text, other, changed].map(|t| Sketch::new(&t).unwrap());
                assert_eq!(text.shared(text), MINIMA as u32);
                assert!(!text.is_near(other), "{length} {seed}");
                far += text.shared(other);
                near += text.shared(changed);
                found += u32::from(text.is_near(changed));
            }
            assert!((100..300).contains(&far), "{length}: {far}");
            assert!((1600..2200).contains(&near), "{length}: {near}");
            assert!(found > 75, "{length}: {found}");
        }
    }

    #[test]
    fn a_changed_name_is_near_and_another_text_is_far() {
        let to = |name: &str| {
            format!("hello{name}ihaveaspecialofferforyoutodaybuywatchesatourshopverycheapandgood")
        };
        for (a, b) in [("ann", "bob"), ("ann", "christopher"), ("", "ann")] {
            let shared = shared(&to(a), &to(b));
            assert!(shared >= NEAR, "{a} {b} {shared}");
        }
        let other = "iamgoingtobelatetodaybecausethetrainwasstuckbetweentwostationsagain";
        assert!(shared(&to("ann"), other) < NEAR / 2);
    }
}
