//! Origins of web pages, as a browser's `Origin` header writes them (RFC 6454, section 6.2).

/// Checks one entry of `server.allowed_origins`: an origin, or `*` for all.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the origin.
pub(super) fn check(origin: &str) -> Result<(), String> {
    if origin == "*" {
        return Ok(());
    }
    let not_one = || "is not an origin: write one such as \"https://chat.example.org\"".to_owned();
    let (scheme, authority) = origin.split_once("://").ok_or_else(not_one)?;
    let mut letters = scheme.chars();
    let good_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !good_scheme || authority.is_empty() {
        return Err(not_one());
    }
    if let Some((before, _)) = authority.split_once(['/', '?', '#']) {
        return Err(format!("is more than an origin: write \"{scheme}://{before}\""));
    }
    let (host, port) = split_port(authority);
    let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !good_host || !good_port {
        return Err(not_one());
    }
    let scheme = scheme.to_ascii_lowercase();
    let usual = matches!((scheme.as_str(), port), ("http", Some("80")) | ("https", Some("443")));
    let port = port.filter(|_| !usual).map_or_else(String::new, |port| format!(":{port}"));
    let written = format!("{scheme}://{}{port}", host.to_ascii_lowercase());
    if written != origin {
        return Err(format!("is not what browsers send: write \"{written}\""));
    }
    Ok(())
}

/// The host and the port; colons within brackets are the host's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn origins_are_what_browsers_send() {
        for good in [
            "*",
            "https://chat.example.org",
            "http://localhost:3000",
            "http://[::1]:8080",
            "tauri://localhost",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, hint) in [
            ("", "is not an origin"),
            ("chat.example.org", "is not an origin"),
            ("null", "is not an origin"),
            ("https://", "is not an origin"),
            ("://x", "is not an origin"),
            ("https://*.example.org", "is not an origin"),
            ("https://a b", "is not an origin"),
            ("https://user@example.org", "is not an origin"),
            ("https://x:99999", "is not an origin"),
            ("https://x:", "is not an origin"),
            ("https://[::1", "is not an origin"),
            ("https://x/", "write \"https://x\""),
            ("https://x/chat?a", "write \"https://x\""),
            ("HTTPS://Example.org", "write \"https://example.org\""),
            ("https://x:443", "write \"https://x\""),
            ("http://x:80", "write \"http://x\""),
        ] {
            let said = check(bad).unwrap_err();
            assert!(said.contains(hint), "{bad}: {said}");
        }
    }
}
