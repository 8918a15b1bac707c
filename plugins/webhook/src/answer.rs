//! What the service decided: its answer, read strictly.

use confab_plugin::{Event, Verdict};
use hyper::StatusCode;
use serde::Deserialize;

use crate::http::{Answer, Failure};

const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 500;

#[derive(Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase", deny_unknown_fields)]
enum Decided {
    Pass { content: Option<String> },
    Deny { code: String, message: String },
    Drop {},
}

/// Applies an answer to the event that was asked about.
///
/// # Errors
/// When it is not an answer as the manual describes it. What was answered is not repeated: a
/// service may answer with the text of a message.
pub fn apply(answer: &Answer, event: &mut Event) -> Result<Verdict, Failure> {
    match answer.status {
        StatusCode::NO_CONTENT => return Ok(Verdict::Pass),
        StatusCode::OK => {}
        status => return Err(Failure::refused(status)),
    }
    // An array would be read too, as the values of the fields.
    if !answer.body.trim_ascii_start().starts_with(b"{") {
        return Err(Failure::new("the answer is not a JSON object"));
    }
    let decided = serde_json::from_slice(&answer.body).map_err(|error| {
        Failure::new(format!(
            "the answer is not one that the manual describes, at line {} column {}",
            error.line(),
            error.column()
        ))
    })?;
    match (decided, event) {
        (Decided::Pass { content: Some(content) }, Event::Message(message)) => {
            if message.content() != content {
                message.set_content(content);
            }
            Ok(Verdict::Pass)
        }
        (Decided::Pass { content: Some(_) }, _) => {
            Err(Failure::new("the answer has content for an event that has none"))
        }
        (Decided::Pass { content: None }, _) => Ok(Verdict::Pass),
        (Decided::Deny { code, message }, _) => {
            if !is_code(&code) {
                let wrong = format!("the answer's code is not 1 to {MAX_CODE} of a-z 0-9 _");
                return Err(Failure::new(wrong));
            }
            if !is_message(&message) {
                return Err(Failure::new(format!(
                    "the answer's message is not 1 to {MAX_MESSAGE} characters without control \
                     characters"
                )));
            }
            Ok(Verdict::deny(code, message))
        }
        (Decided::Drop {}, _) => Ok(Verdict::Drop),
    }
}

fn is_code(code: &str) -> bool {
    (1..=MAX_CODE).contains(&code.len())
        && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn is_message(message: &str) -> bool {
    (1..=MAX_MESSAGE).contains(&message.chars().count()) && !message.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use confab_plugin::testkit::{events, message};

    use super::*;

    fn read(status: u16, body: &str, event: &mut Event) -> Result<Verdict, String> {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, body: Bytes::copy_from_slice(body.as_bytes()) };
        apply(&answer, event).map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_verdict_is_read() {
        let mut event = message("hello");
        assert_eq!(read(200, r#"{"verdict":"pass"}"#, &mut event), Ok(Verdict::Pass));
        assert_eq!(read(204, "", &mut event), Ok(Verdict::Pass));
        assert_eq!(read(200, r#"{"verdict":"drop"}"#, &mut event), Ok(Verdict::Drop));
        let denied = read(200, r#"{"verdict":"deny","code":"no_2","message":"No."}"#, &mut event);
        assert_eq!(denied, Ok(Verdict::deny("no_2", "No.")));
        assert_eq!(event, message("hello"));
        let changed = read(200, r#"{"content":"h*llo","verdict":"pass"}"#, &mut event);
        assert_eq!((changed, event), (Ok(Verdict::Pass), message("h*llo")));
    }

    #[test]
    fn anything_else_is_an_error_that_does_not_repeat_the_answer() {
        let long = format!(r#"{{"verdict":"deny","code":"{}","message":"no"}}"#, "a".repeat(65));
        let wordy = format!(r#"{{"verdict":"deny","code":"no","message":"{}"}}"#, "a".repeat(501));
        for body in [
            "",
            "hunter2",
            "\"hunter2\"",
            "[]",
            r#"["drop"]"#,
            r#"["pass","hunter2"]"#,
            "{}",
            r#"{"verdict":"hunter2"}"#,
            r#"{"verdict":"Pass"}"#,
            r#"{"verdict":"pass","contents":"hunter2"}"#,
            r#"{"verdict":"pass","content":["hunter2"]}"#,
            r#"{"verdict":"pass","verdict":"drop"}"#,
            r#"{"verdict":"pass","code":"hunter2","message":"hunter2"}"#,
            r#"{"verdict":"drop","content":"hunter2"}"#,
            r#"{"verdict":"deny"}"#,
            r#"{"verdict":"deny","code":"hunter2"}"#,
            r#"{"verdict":"deny","code":"","message":"hunter2"}"#,
            r#"{"verdict":"deny","code":"Hunter2","message":"no"}"#,
            r#"{"verdict":"deny","code":"hunter2 no","message":"no"}"#,
            r#"{"verdict":"deny","code":"no","message":""}"#,
            r#"{"verdict":"deny","code":"no","message":"hunter2\n"}"#,
            r#"{"verdict":"pass"} hunter2"#,
            &long,
            &wordy,
        ] {
            let mut event = message("hello");
            let error = read(200, body, &mut event).unwrap_err();
            assert!(!error.contains("hunter2"), "{body}: {error}");
            assert_eq!(event, message("hello"), "{body}");
        }
        for status in [201, 202, 206, 301, 302, 307, 400, 404, 429, 500, 503] {
            let error = read(status, r#"{"verdict":"pass"}"#, &mut message("hello")).unwrap_err();
            assert!(error.contains(&status.to_string()), "{error}");
        }
    }

    #[test]
    fn only_messages_have_content() {
        for mut event in events() {
            let before = event.clone();
            let is_message = matches!(event, Event::Message(_));
            let answer = read(200, r#"{"verdict":"pass","content":"changed"}"#, &mut event);
            assert_eq!(answer.is_ok(), is_message, "{before:?}");
            assert_eq!(event != before, is_message, "{before:?}");
        }
    }
}
