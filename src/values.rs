//! The rules for what clients write: texts, names, ids.

use crate::{
    code::{Code, Refusal},
    wire::MAX_CLIENT_ID,
};

/// The longest display name, in characters.
pub const MAX_DISPLAY_NAME: usize = 64;

/// The control characters (Unicode category Cc) that no text may hold: all but tab, line feed
/// and carriage return. They could forge lines in logs and drive terminals.
fn control_character(text: &str) -> Option<char> {
    // Most texts are plain ASCII, which is looked through many bytes at a time.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// Checks the text of a message against `limit`, in bytes.
///
/// # Errors
/// `invalid_content` or `content_too_long`.
pub fn check_content(content: &str, limit: usize) -> Result<(), Refusal> {
    if content.len() > limit {
        return Err(Refusal::new(
            Code::ContentTooLong,
            format!("The text has {} bytes, and at most {limit} are allowed.", content.len()),
        ));
    }
    if content.trim().is_empty() {
        return Err(Refusal::new(Code::InvalidContent, "The text is empty."));
    }
    if let Some(found) = control_character(content) {
        return Err(Refusal::new(
            Code::InvalidContent,
            format!("The text holds the control character U+{:04X}.", u32::from(found)),
        ));
    }
    Ok(())
}

/// Checks the id that a client gave a message or a `sync`.
///
/// # Errors
/// `invalid_id`.
pub fn check_client_id(id: &str) -> Result<(), Refusal> {
    let length = id.chars().take(MAX_CLIENT_ID + 1).count();
    if length == 0 || length > MAX_CLIENT_ID || id.chars().any(char::is_control) {
        return Err(Refusal::new(
            Code::InvalidId,
            format!("An id is 1 to {MAX_CLIENT_ID} characters, no control characters."),
        ));
    }
    Ok(())
}

/// Checks a display name.
///
/// # Errors
/// `invalid_display_name`.
pub fn check_display_name(name: &str) -> Result<(), Refusal> {
    let length = name.chars().take(MAX_DISPLAY_NAME + 1).count();
    if name.trim().is_empty() || length > MAX_DISPLAY_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::new(
            Code::InvalidDisplayName,
            format!("A display name is 1 to {MAX_DISPLAY_NAME} characters, no control characters."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_bounds() {
        for good in ["a", "a\tb\r\nc", "👩‍👩‍👧", "\u{202e}x"] {
            assert_eq!(check_content(good, 100), Ok(()), "{good:?}");
        }
        let code = |text: &str| check_content(text, 4).unwrap_err().code;
        for (text, expected) in [
            ("", "invalid_content"),
            (" \n", "invalid_content"),
            ("a\0", "invalid_content"),
            ("\u{1b}[m", "invalid_content"),
            ("\u{85}", "invalid_content"),
            ("12345", "content_too_long"),
            ("ééé", "content_too_long"),
        ] {
            assert_eq!(code(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ids_and_display_names_have_bounds() {
        assert!(check_client_id(&"é".repeat(64)).is_ok());
        assert!(check_display_name("Ann B. 🦀").is_ok());
        for bad in [String::new(), "é".repeat(65), "a\nb".into()] {
            assert!(check_client_id(&bad).is_err());
            assert!(check_display_name(&bad).is_err());
        }
    }
}
