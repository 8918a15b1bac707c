//! Names, ids, times, sizes, and the rules for what clients write.

use confab::{
    store::{ChangedBy, Timestamp},
    values::{check_client_id, check_content, check_display_name},
};
use confab_plugin::{ByteSize, Duration, UserId, Username, text::is_deceptive};

use super::text;

/// What is read is written in one way, and read the same again; what the rules let pass is what
/// they promise.
pub fn run(data: &[u8]) {
    let text = &*text(data);
    if let Ok(id) = text.parse::<UserId>() {
        assert_eq!(id.to_string(), text);
        assert!(!text.contains('_'));
    }
    if let Ok(name) = text.parse::<Username>() {
        assert_eq!(name.as_str(), text.to_ascii_lowercase());
        assert_eq!(name.as_str().parse().as_ref(), Ok(&name));
        assert!((2..=32).contains(&name.as_str().len()) && !text.contains(is_deceptive));
        assert!(name.as_str().parse::<UserId>().is_err() || text.len() == UserId::TEXT_LEN);
    }
    if let Ok(size) = text.parse::<ByteSize>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    if let Ok(time) = text.parse::<Duration>() {
        assert_eq!(time.to_string().parse(), Ok(time), "{time}");
    }
    if let Ok(at) = serde_json::from_value::<Timestamp>(text.into()) {
        let written = serde_json::to_value(at).expect("a time is written");
        assert_eq!(serde_json::from_value::<Timestamp>(written).ok(), Some(at), "{text}");
    }
    rules(text);
    let labels = ChangedBy::read(Some(text.into()));
    assert_eq!(ChangedBy::read(labels.written().map(Into::into)), labels);
    assert!(labels.iter().count() <= ChangedBy::MOST);
    assert!(labels.iter().all(|label| label.len() <= 64 && !label.contains(is_deceptive)));
}

fn rules(text: &str) {
    let good = |c: char| !c.is_control() || "\t\n\r".contains(c);
    match check_content(text, 1000) {
        Ok(()) => assert!(text.len() <= 1000 && !text.trim().is_empty() && text.chars().all(good)),
        Err(refusal) => {
            assert!(refusal.message.len() < 200);
            assert!(["invalid_content", "content_too_long"].contains(&&*refusal.code));
        }
    }
    for (result, code) in
        [(check_client_id(text), "invalid_id"), (check_display_name(text), "invalid_display_name")]
    {
        match result {
            Ok(()) => assert!((1..=64).contains(&text.chars().count()) && !text.contains('\n')),
            Err(refusal) => assert!(refusal.code == code && refusal.message.len() < 200),
        }
    }
}
