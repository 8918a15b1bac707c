//! The text of a reply, with a place for the sender's name.

/// What an operator wrote as a reply, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    User,
}

impl Template {
    /// The most characters of a reply, as it is written.
    pub const MAX_CHARS: usize = 2000;
    /// The most places for a name, so that a reply stays about as long as it was written.
    pub const MAX_NAMES: usize = 10;

    /// Reads a reply: `{user}` stands for the sender's name, `{{` and `}}` for braces.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("longer than {} characters", Self::MAX_CHARS));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err("has a control character in it".into());
        }
        if text.trim().is_empty() {
            return Err("says nothing".into());
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            rest = if let Some(rest) = brace.strip_prefix("{{") {
                literal.push('{');
                rest
            } else if let Some(rest) = brace.strip_prefix("}}") {
                literal.push('}');
                rest
            } else if let Some(rest) = brace.strip_prefix("{user}") {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::User);
                rest
            } else {
                return Err("only {user} may stand in braces: write {{ or }} for a brace".into());
            };
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        if parts.iter().filter(|part| **part == Part::User).count() > Self::MAX_NAMES {
            return Err(format!("has {{user}} more than {} times", Self::MAX_NAMES));
        }
        Ok(Self(parts))
    }

    /// The reply to the user of this name.
    pub fn fill(&self, user: &str) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text,
            Part::User => user,
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_braces_are_filled_in() {
        for (text, filled) in [
            ("hello", "hello"),
            ("hello {user}!", "hello ann!"),
            ("{user}{user}", "annann"),
            ("{{user}} is {user}", "{user} is ann"),
            ("{{{user}}}", "{ann}"),
            ("}}{{", "}{"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(Template::new(text).unwrap().fill("ann"), filled, "{text}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let (long, many) = ("x".repeat(2001), "{user}".repeat(11));
        for bad in ["", " \n", "{", "}", "{name}", "{user", "{ user }", "a\0", &long, &many] {
            assert!(Template::new(bad).is_err(), "{bad}");
        }
        assert!(Template::new(&"é".repeat(2000)).is_ok());
    }

    proptest! {
        #[test]
        fn every_text_can_be_written(text in "[a{}user$\\\\é]{1,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::new(&escaped).unwrap().fill("ann"), text.clone());
            // As it is, it is read or refused.
            let _ = Template::new(&text).map(|template| template.fill("ann"));
        }
    }
}
