//! What operators write in `[plugins.options]`, and what is wrong with it.

use confab_plugin::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{glyph::glyphs, mask::Mask};

/// The most domains of the list.
const MAX_DOMAINS: usize = 1000;
/// The most digits of a card that are shown: what PCI DSS lets a receipt show.
const MAX_KEEP: u8 = 4;

/// What is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Payment card numbers.
    Cards,
    /// Bank account numbers: IBAN.
    Ibans,
    /// E-mail addresses.
    Emails,
    /// Telephone numbers.
    Phones,
}

impl What {
    /// All that can be masked, in the order in which it is looked for.
    pub const ALL: [What; 4] = [What::Emails, What::Ibans, What::Cards, What::Phones];

    /// The name used in options and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            What::Cards => "cards",
            What::Ibans => "ibans",
            What::Emails => "emails",
            What::Phones => "phones",
        }
    }
}

/// The options of the masker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What is masked.
    #[schemars(length(min = 1))]
    pub what: Vec<What>,
    /// What stands in the place of what is masked: one character, written four times, or a text,
    /// written once. At most 32 characters, without digits and @.
    #[schemars(length(min = 1, max = Mask::MAX_CHARS))]
    pub mask_with: String,
    /// How many digits at the end of a card number stay. From 0 to 4.
    #[schemars(range(max = MAX_KEEP))]
    pub keep_last: u8,
    /// E-mail addresses at these domains, and at those below them, are not masked. At most 1000.
    #[schemars(length(max = MAX_DOMAINS))]
    pub allow_domains: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            what: vec![What::Cards, What::Ibans, What::Emails, What::Phones],
            mask_with: "•".into(),
            keep_last: 4,
            allow_domains: Vec::new(),
        }
    }
}

impl Options {
    /// The mask and the allowed domains, as they are compared.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(&self) -> Result<(Mask, Vec<String>), Vec<Problem>> {
        let mut problems = Vec::new();
        if self.what.is_empty() {
            problems.push(Problem::at("what", "name what to mask, or leave `what` away for all"));
        }
        if self.keep_last > MAX_KEEP {
            problems.push(Problem::at("keep_last", format!("give a number from 0 to {MAX_KEEP}")));
        }
        if self.allow_domains.len() > MAX_DOMAINS {
            let message =
                format!("{} domains: at most {MAX_DOMAINS} fit", self.allow_domains.len());
            problems.push(Problem::at("allow_domains", message));
        }
        for (n, domain) in self.allow_domains.iter().enumerate() {
            let label = |label: &str| {
                !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            };
            if domain.len() > 253 || !domain.contains('.') || !domain.split('.').all(label) {
                let message = "not a domain: write it as in \"example.com\"";
                problems.push(Problem::at_item("allow_domains", n, message));
            }
        }
        match Mask::new(&self.mask_with) {
            Ok(mask) if problems.is_empty() => {
                let plain = |domain: &String| {
                    glyphs(domain).iter().flat_map(|glyph| glyph.plain.to_lowercase()).collect()
                };
                Ok((mask, self.allow_domains.iter().map(plain).collect()))
            }
            Ok(_) => Err(problems),
            Err(message) => {
                problems.push(Problem::at("mask_with", message));
                Err(problems)
            }
        }
    }
}
