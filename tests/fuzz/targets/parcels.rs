//! Parcels: what other nodes, or strangers, publish through Redis.

use confab::bus::redis::parcel::{Content, Parcel};

/// Bytes are a parcel that is written in the same bytes again, or are refused.
pub fn run(data: &[u8]) {
    match Parcel::decode(data.to_vec()) {
        Ok(parcel) => {
            let written = Parcel::encode(parcel.origin, parcel.number, &parcel.content);
            assert_eq!(written, data);
            if let Content::Frame(frame) = &parcel.content {
                assert!(frame.text.starts_with('{') && frame.text.ends_with('}'));
                assert!(frame.typing.is_none() || frame.place.is_none());
            }
        }
        Err(malformed) => assert!(!malformed.0.is_empty()),
    }
}
