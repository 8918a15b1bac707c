//! Which names stand for secrets, so that their values are not shown.

/// Parts of names whose values are secret.
const PARTS: [&str; 5] = ["secret", "passw", "passphrase", "token", "credential"];

/// Ends of names that only speak of a secret: where it is, how long it is good.
const HARMLESS: [&str; 6] = ["_file", "_files", "_path", "_lifetime", "_length", "_concurrency"];

/// Whether the value of a key with this name is not to be shown. Misspelt names count.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if HARMLESS.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    PARTS.iter().any(|part| name.contains(part))
        || ["key", "url", "uri"].iter().any(|end| name.ends_with(end))
        || strsim::damerau_levenshtein(&name, "secret_key") <= 3
}

/// Whether a text is a URI that may hold a password, whatever key it was given for.
pub(super) fn is_uri(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// Where the first word ends that looks like the name of a secret.
pub(super) fn name_ends(line: &str) -> Option<usize> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut rest = 0;
    while let Some(text) = line.get(rest..) {
        let start = rest + text.find(word)?;
        let text = line.get(start..)?;
        let end = start + text.find(|c| !word(c)).unwrap_or(text.len());
        if line.get(start..end).is_some_and(is_sensitive) {
            return Some(end);
        }
        rest = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_and_misspelt_ones() {
        for name in [
            "secret_key",
            "SECRET_KEY",
            "sceret_kye",
            "api-key",
            "password",
            "webhook_token",
            "REDIS_URL",
            "MONGO_URI",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in
            ["secret_key_file", "token_lifetime", "min_password_length", "listen", "keep_alive"]
        {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    #[test]
    fn the_end_of_the_name_in_a_line() {
        assert_eq!(name_ends("  secret_key: hunter2"), Some(12));
        assert_eq!(name_ends("auth = { issuer = 'é', \"secret_key\" = 1"), Some(35));
        assert_eq!(name_ends("listen = 'secret'"), Some(16));
        assert_eq!(name_ends("é listen == 4"), None);
        assert_eq!(name_ends(""), None);
    }
}
