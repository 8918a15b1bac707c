//! Finds the links in a word.

/// The links of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links<'a> {
    /// How many.
    pub count: u32,
    /// The word up to the end of the first link's host: what varies from copy to copy comes
    /// after it. The whole word if it has no link.
    pub kept: &'a str,
}

/// The links in `word`, a text without spaces: `scheme://…`, `www.…`, and `host.tld/…`.
pub fn find(word: &str) -> Links<'_> {
    let mut count = 0u32;
    let mut first = None;
    for (at, mark) in word.match_indices("://") {
        let host = at + mark.len();
        let before = word[..at].chars().next_back();
        let after = word[host..].chars().next();
        if before.is_some_and(|c| c.is_ascii_alphanumeric())
            && after.is_some_and(|c| c.is_alphanumeric() || c == '[')
        {
            count = count.saturating_add(1);
            first.get_or_insert(host);
        }
    }
    if let Some(host) = first.or_else(|| without_scheme(word)) {
        let rest = &word[host..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        return Links { count: count.max(1), kept: &word[..host + end] };
    }
    Links { count: 0, kept: word }
}

/// Where the host of a link that has no scheme begins.
fn without_scheme(word: &str) -> Option<usize> {
    let begins = |before: &str| {
        before
            .rfind(|c| !is_of_host(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8))
    };
    let before_path = word.find('/').map_or(word, |slash| &word[..slash]);
    let start = begins(before_path);
    let host = &before_path[start..];
    let mailed = before_path[..start].ends_with('@');
    let www = host.get(..4).is_some_and(|www| www.eq_ignore_ascii_case("www.")) && host.len() > 4;
    let has_path = before_path.len() < word.len();
    ((www || has_path && is_domain(host)) && !mailed).then_some(start)
}

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

/// Whether `host` is labels with dots between them, and the last looks like a top-level domain.
fn is_domain(host: &str) -> bool {
    let Some((labels, top)) = host.rsplit_once('.') else { return false };
    top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic)
        && labels.split('.').all(|label| !label.is_empty() && !label.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_counted_and_cut_after_the_host() {
        for (word, count, kept) in [
            ("https://a.example/x?y", 1, "https://a.example"),
            ("(http://a.example)", 1, "(http://a.example)"),
            ("hxxp://a.example#x", 1, "hxxp://a.example"),
            ("http://a.example/http://b.example/", 2, "http://a.example"),
            ("http://a,http://b,http://c", 3, "http://a,http:"),
            ("[x](https://a.example/y)", 1, "[x](https://a.example"),
            ("http://[::1]/x", 1, "http://[::1]"),
            ("http://münchen.example/x", 1, "http://münchen.example"),
            ("www.a.example", 1, "www.a.example"),
            ("\"WWW.a.example/x\"", 1, "\"WWW.a.example"),
            ("t.me/joinus", 1, "t.me"),
            ("(bit.ly/a1B2)", 1, "(bit.ly"),
            ("пример.рф/x", 1, "пример.рф"),
        ] {
            assert_eq!(find(word), Links { count, kept }, "{word}");
        }
    }

    #[test]
    fn other_words_are_kept() {
        for word in [
            "",
            "hello",
            "and/or",
            "src/main.rs",
            "1.5/2",
            "end.Start",
            "ann@b.example/x",
            "://",
            "a://",
            "://x",
            "www.",
            "../x",
            "a..bc/x",
            "...",
        ] {
            assert_eq!(find(word), Links { count: 0, kept: word }, "{word}");
        }
    }
}
