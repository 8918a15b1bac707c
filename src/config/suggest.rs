//! The name that was probably meant.

/// The nearest of `known`, if one is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let near = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let length = name.chars().count().max(candidate.chars().count());
        (distance <= (length / 3).max(1)).then_some((distance, candidate))
    };
    // A name of a page's length is no slip, and comparing would take long.
    if name.len() > 100 {
        return None;
    }
    let best = known.into_iter().filter_map(near).min()?;
    Some(best.1)
}

/// `, did you mean "…"?`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |name| format!(", did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found_and_other_words_are_not() {
        let known = ["listen", "admin_listen", "web"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("LISTEN", known), Some("listen"));
        assert_eq!(nearest("wbe", known), Some("web"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"listen".repeat(1000), known), None);
    }
}
