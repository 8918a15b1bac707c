//! The paths that Rust code names, such as `crate::hub::Hub`: in `use` declarations, whose groups
//! are spelt out, and in place. Comments and literals do not count.

use std::iter::Peekable;

/// A path, segment by segment.
pub type Path = Vec<String>;

/// The paths of a file.
pub struct Paths {
    /// Those of `use` declarations. A glob ends in `*`; a renaming keeps the old name.
    pub used: Vec<Path>,
    /// Those of two segments or more elsewhere in the code.
    pub in_place: Vec<Path>,
}

impl Paths {
    /// Reads Rust source text.
    pub fn of(source: &str) -> Self {
        let tokens = tokens(&code(source));
        let mut paths = Self { used: Vec::new(), in_place: Vec::new() };
        let mut rest = tokens.iter().map(String::as_str).peekable();
        let mut last = "";
        while let Some(token) = rest.next() {
            if token == "use" && rest.peek() != Some(&"<") {
                use_tree(&mut rest, &Vec::new(), &mut paths.used);
            } else if is_name(token) && last != "::" {
                let mut path = vec![token.to_owned()];
                while rest.next_if_eq(&"::").is_some() {
                    match rest.next_if(|next| is_name(next)) {
                        Some(name) => path.push(name.to_owned()),
                        None => break,
                    }
                }
                if path.len() > 1 {
                    paths.in_place.push(path);
                }
            }
            last = if token == "::" && !is_name(last) && last != ">" { "" } else { token };
        }
        paths
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        self.used.iter().chain(&self.in_place)
    }
}

fn use_tree<'a>(
    rest: &mut Peekable<impl Iterator<Item = &'a str>>,
    before: &Path,
    found: &mut Vec<Path>,
) {
    let mut path = before.clone();
    while let Some(token) = rest.peek().copied() {
        match token {
            ";" | "," | "}" => break,
            "{" => {
                rest.next();
                while rest.peek().is_some_and(|next| *next != "}") {
                    use_tree(rest, &path, found);
                    rest.next_if_eq(&",");
                }
                rest.next();
                return;
            }
            "as" => {
                rest.next();
            }
            "::" => {}
            name => path.push(name.to_owned()),
        }
        rest.next();
    }
    found.push(path);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        let mut token = c.to_string();
        if c.is_alphanumeric() || c == '_' {
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                token.push(c);
            }
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            token.push(':');
        } else if c.is_whitespace() {
            continue;
        }
        tokens.push(token);
    }
    tokens
}

/// The code without its comments, and with empty literals.
fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |n: usize| chars.get(n).copied().unwrap_or('\0');
    let mut out = String::new();
    let mut n = 0;
    while n < chars.len() {
        match (at(n), at(n + 1)) {
            ('/', '/') => {
                while n < chars.len() && at(n) != '\n' {
                    n += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(n), at(n + 1)) {
                        ('/', '*') => (depth, n) = (depth + 1, n + 2),
                        ('*', '/') => (depth, n) = (depth - 1, n + 2),
                        _ => n += 1,
                    }
                    if depth == 0 || n >= chars.len() {
                        break;
                    }
                }
            }
            ('"', _) => {
                n += 1;
                while n < chars.len() && at(n) != '"' {
                    n += if at(n) == '\\' { 2 } else { 1 };
                }
                n += 1;
                out.push_str("\"\"");
            }
            // A character, unless it is a lifetime.
            ('\'', next) if next == '\\' || at(n + 2) == '\'' => {
                n += if next == '\\' { 3 } else { 2 };
                while n < chars.len() && at(n) != '\'' {
                    n += 1;
                }
                n += 1;
                out.push_str("''");
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                let start = n;
                while at(n).is_alphanumeric() || at(n) == '_' {
                    n += 1;
                }
                let word: String = chars[start..n].iter().collect();
                let mut hashes = 0;
                while at(n + hashes) == '#' {
                    hashes += 1;
                }
                if matches!(&*word, "r" | "br" | "cr") && at(n + hashes) == '"' {
                    n += hashes + 1;
                    while n < chars.len()
                        && !(at(n) == '"' && (1..=hashes).all(|more| at(n + more) == '#'))
                    {
                        n += 1;
                    }
                    n += hashes + 1;
                    out.push_str("\"\"");
                } else {
                    out.push_str(&word);
                }
            }
            (c, _) => {
                out.push(c);
                n += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[Path]) -> Vec<String> {
        paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn groups_are_spelt_out() {
        let source = "pub(crate) use crate::{self, a::{B, c::*}, d::E as F};\nuse ::g::h; use i;";
        let expected = ["crate::self", "crate::a::B", "crate::a::c::*", "crate::d::E", "g::h", "i"];
        assert_eq!(written(&Paths::of(source).used), expected);
    }

    #[test]
    fn paths_in_place_are_found() {
        let source = "fn a<'b>(c: &'b crate::d::E) -> impl F + use<'b> { ::g::h::<i::J>('\\'', k) }
                      <L as m::N>::o(); p.q::<r::S>()";
        let expected = ["crate::d::E", "g::h", "i::J", "m::N", "r::S"];
        assert_eq!(written(&Paths::of(source).in_place), expected);
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let source = r####"
            // x::a
            /// x::b
            /* x::c /* x::d */ x::e */
            ("x::f", "\" x::g", r"x::h\", r#"x::i " x::j"#, b"x::k", br##"x::l"##, '"', b'"', '\'');
            y::z
        "####;
        assert_eq!(written(&Paths::of(source).in_place), ["y::z"]);
    }
}
