//! The table `[server.tls.acme]`: certificates from an ACME server.
#![allow(rustdoc::bare_urls, reason = "the help of a key is plain text")]

use std::path::{Path, PathBuf};

use confab_plugin::Duration;
use hyper::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tls;

/// The most names that one certificate is for.
const MAX_DOMAINS: usize = 100;

/// `[server.tls.acme]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// The names of this server, for which it gets a certificate itself, instead of
    /// certificate_file and key_file. Port 443 of each name must lead here. At most 100.
    #[schemars(example = ["chat.example.org"])]
    pub domains: Vec<String>,
    /// Whether you accept the terms of service of the certificate authority (its directory names
    /// them). Without that there are no certificates.
    pub accept_terms: bool,
    /// Whom the certificate authority may write to: an e-mail address, told when the account there
    /// is made.
    #[schemars(example = "admin@example.org")]
    pub contact: Option<String>,
    /// The certificate authority: the https:// address of its ACME directory.
    pub directory: String,
    /// A PEM file with the root certificate of a private certificate authority, if directory is
    /// one: trusted there beside those of this machine.
    #[schemars(example = "/etc/confab/tls/root.pem")]
    pub root_file: Option<PathBuf>,
    /// Where the account and the certificate are kept, with their keys: a folder. Without it, the
    /// folder acme in store.path.
    #[schemars(example = "/var/lib/confab/acme")]
    pub folder: Option<PathBuf>,
    /// How long it may take to get a certificate; then it is tried again. From 1s to 1h.
    pub timeout: Duration,
    /// When so much of its lifetime is left, in percent, a certificate is renewed. From 5 to 90.
    pub renew_percent: u32,
    /// How long to wait after a failure, twice as long after each further one: certificate
    /// authorities bound failures by the hour. From 100ms to 24h.
    pub backoff: Duration,
    /// The longest wait after a failure, unless the server asks for more. From 100ms to 24h.
    pub max_backoff: Duration,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            accept_terms: false,
            contact: None,
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            root_file: None,
            folder: None,
            timeout: Duration::from_secs(120),
            renew_percent: 33,
            backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(3600),
        }
    }
}

impl Acme {
    /// Where certificates come from; `None` if not by ACME. `store` is `store.path`.
    pub(super) fn settings(&self, store: &Path) -> Option<tls::Acme> {
        if self.domains.is_empty() || !self.accept_terms {
            return None;
        }
        let mut domains: Vec<_> = self.domains.iter().map(|it| it.to_ascii_lowercase()).collect();
        domains.sort();
        domains.dedup();
        Some(tls::Acme {
            domains,
            contact: self.contact.clone(),
            directory: self.directory.clone(),
            folder: self.folder.clone().unwrap_or_else(|| store.join("acme")),
            root_file: self.root_file.clone(),
            timeout: self.timeout.0,
            renew_percent: self.renew_percent,
            backoff: self.backoff.0,
            max_backoff: self.max_backoff.0,
        })
    }
}

/// Checks one name.
///
/// # Errors
/// What is wrong: the end of a sentence that begins with it.
pub(super) fn check_domain(name: &str) -> Result<(), String> {
    if name.starts_with("*.") {
        return Err("stands for many names, which no challenge on this port can prove: list them"
            .to_owned());
    }
    let label = |label: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let good = name.len() <= 253 && name.split('.').all(label);
    if !good || name.rsplit('.').next().is_some_and(is_number) {
        return Err("is not a name such as \"chat.example.org\"".to_owned());
    }
    Ok(())
}

/// Checks the number of names.
///
/// # Errors
/// That there are too many.
pub(super) fn check_count(count: usize) -> Result<(), String> {
    if count > MAX_DOMAINS {
        return Err(format!("a certificate is for at most {MAX_DOMAINS} names, not {count}"));
    }
    Ok(())
}

/// Checks the address of a directory.
///
/// # Errors
/// What is wrong: the end of a sentence that begins with it.
pub(super) fn check_directory(text: &str) -> Result<(), String> {
    let uri = text.parse::<Uri>().ok();
    let good = uri.is_some_and(|uri| {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        uri.scheme_str() == Some("https") && !authority.is_empty() && !authority.contains('@')
    });
    if good {
        return Ok(());
    }
    Err("is not the https:// address of an ACME directory".to_owned())
}

/// Checks an e-mail address, as far as can be said.
///
/// # Errors
/// What is wrong: the end of a sentence that begins with it.
pub(super) fn check_contact(text: &str) -> Result<(), String> {
    // RFC 8555 section 7.3: one address, without header fields.
    let good = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '?' | ':' | '<' | '>');
    match text.split_once('@') {
        Some((user, host))
            if !user.is_empty()
                && text.len() <= 254
                && text.chars().all(good)
                && check_domain(host).is_ok() =>
        {
            Ok(())
        }
        _ => Err("is not an e-mail address such as \"admin@example.org\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        for good in
            ["chat.example.org", "localhost", "A-1.example", "1.example", "xn--bcher-kva.example"]
        {
            assert_eq!(check_domain(good), Ok(()), "{good}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "127.0.0.1",
            "::1",
            "bücher.example",
            "a b",
            &long,
        ] {
            assert!(check_domain(bad).unwrap_err().starts_with("is not a name"), "{bad}");
        }
        assert!(check_domain("*.example.org").unwrap_err().starts_with("stands for many"));
        assert!(check_count(100).is_ok() && check_count(101).is_err());
    }

    #[test]
    fn a_directory_is_asked_within_tls() {
        for good in
            ["https://localhost:14000/dir", "https://acme.example", &Acme::default().directory]
        {
            assert_eq!(check_directory(good), Ok(()), "{good}");
        }
        for bad in
            ["", "http://localhost/dir", "https://", "https://a@b/dir", "acme.example", "/dir"]
        {
            assert!(check_directory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_contact_is_one_address() {
        assert_eq!(check_contact("admin@example.org"), Ok(()));
        for bad in [
            "",
            "admin",
            "mailto:a@example.org",
            "a@example.org,b@example.org",
            "a@",
            "@a",
            "a b@c",
        ] {
            assert!(check_contact(bad).is_err(), "{bad}");
        }
    }
}
