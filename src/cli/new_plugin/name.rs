//! The name of a new plugin, and the names that follow from it.

/// The longest name, in bytes.
const MAX_NAME: usize = 40;

/// Types that the written code names, or that every Rust file sees: a plugin's own type must not
/// hide them.
const TYPES: [&str; 37] = [
    "Box",
    "Clone",
    "Context",
    "Copy",
    "Debug",
    "Default",
    "Definition",
    "Deserialize",
    "Drop",
    "Err",
    "Event",
    "EventKind",
    "Fn",
    "From",
    "HookError",
    "Into",
    "Iterator",
    "JsonSchema",
    "Kit",
    "None",
    "Ok",
    "Option",
    "Options",
    "Ord",
    "Plugin",
    "Problem",
    "Result",
    "Self",
    "Send",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToString",
    "Unpin",
    "Vec",
    "Verdict",
];

/// A good name for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name: words of `a-z 0-9` joined by `-`, the first character a letter. `commands`
    /// are the words that the command line takes already.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(name: &str, commands: &[String]) -> Result<Self, String> {
        let words = || name.split('-');
        let good = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if name.len() > MAX_NAME
            || !words().all(good)
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
        {
            return Err(format!(
                "{name:?} is no name for a plugin: take words of a-z 0-9 joined by \"-\", first a \
                 letter, at most {MAX_NAME} characters, such as \"quiet-hours\""
            ));
        }
        let name = Self(name.to_owned());
        let text = &name.0;
        if matches!(&**text, "api" | "plugin") {
            return Err(format!("the name {text:?} is taken by the plugins' API"));
        }
        if commands.contains(text) {
            return Err(format!("the name {text:?} is taken by the command confab {text}"));
        }
        if TYPES.contains(&&*name.type_name()) {
            let hidden = name.type_name();
            return Err(format!(
                "the plugin's type would be called {hidden}, as another one is: take two words"
            ));
        }
        Ok(name)
    }

    /// As after `use =`: `quiet-hours`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The package: `confab-quiet-hours`.
    pub fn package(&self) -> String {
        format!("confab-{}", self.0)
    }

    /// The crate, as code names it: `confab_quiet_hours`.
    pub fn crate_name(&self) -> String {
        self.package().replace('-', "_")
    }

    /// The plugin's type: `QuietHours`.
    pub fn type_name(&self) -> String {
        let capital = |word: &str| {
            let (first, rest) = word.split_at(usize::from(!word.is_empty()));
            first.to_ascii_uppercase() + rest
        };
        self.0.split('-').map(capital).collect()
    }

    /// A template with this plugin's names.
    pub fn fill(&self, template: &str) -> String {
        template
            .replace("@name@", self.as_str())
            .replace("@crate@", &self.crate_name())
            .replace("@Type@", &self.type_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_each_other() {
        let name = Name::new("quiet-hours2", &[]).unwrap();
        assert_eq!(name.package(), "confab-quiet-hours2");
        assert_eq!(name.crate_name(), "confab_quiet_hours2");
        assert_eq!(name.type_name(), "QuietHours2");
    }

    #[test]
    fn bad_and_taken_names_are_refused() {
        let taken = ["check".to_owned()];
        let long = "x".repeat(MAX_NAME + 1);
        for bad in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "2fa",
            "Quiet",
            "a_b",
            "../x",
            "a b",
            "é",
            "api",
            "plugin",
            "check",
            "options",
            "self",
            "hook-error",
            &long,
        ] {
            assert!(Name::new(bad, &taken).is_err(), "{bad}");
        }
        assert!(TYPES.is_sorted());
    }
}
