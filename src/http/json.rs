//! A JSON body, read strictly: an object with exactly the fields of its type.

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::{
    error::ParseRequestPayloadError,
    payload::{self, ParsePayload, Payload},
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde::de::DeserializeOwned;

/// A body that is read by serde. The framework's own JSON payload takes a number for a string,
/// and serde would take an array for an object.
pub struct StrictJson<T>(pub T);

impl<T: Type> Payload for StrictJson<T> {
    const CONTENT_TYPE: &'static str = <payload::Json<T> as Payload>::CONTENT_TYPE;

    fn check_content_type(content_type: &str) -> bool {
        payload::Json::<T>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: DeserializeOwned> ParsePayload for StrictJson<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = Vec::<u8>::from_request(request, body).await?;
        parse(&bytes).map(Self).map_err(|reason| ParseRequestPayloadError { reason }.into())
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("a JSON object is expected".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Name {
        name: String,
    }

    #[test]
    fn only_the_type_itself_is_read() {
        assert_eq!(parse(br#" {"name":"x"}"#), Ok(Name { name: "x".into() }));
        for bad in [
            &b""[..],
            b"null",
            b"[\"x\"]",
            br#"{"name":3}"#,
            br#"{"name":{"$ne":null}}"#,
            b"{}",
            br#"{"name":"x","more":1}"#,
            br#"{"name":"x","name":"y"}"#,
            b"{\"name\":\"\xff\"}",
        ] {
            assert!(parse::<Name>(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
