//! Who asks: finds the token of a request, and checks it.

use std::sync::Arc;

use poem::{
    Request,
    http::{HeaderMap, header},
};
use poem_openapi::{SecurityScheme, auth::Bearer};

use serde::Deserialize;

use super::{State, failure::Failure};
use crate::{
    auth::{Claims, TokenError},
    code::{Code, Refusal},
    directory::Profile,
};

/// The WebSocket subprotocol; next to it, a browser offers its token as `bearer.<JWT>`.
pub const SUBPROTOCOL: &str = "confab.v1";

/// The user whose token came with the request.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", bearer_format = "JWT", checker = "check")]
pub struct Asker(pub Arc<Profile>);

async fn check(request: &Request, bearer: Bearer) -> poem::Result<Arc<Profile>> {
    let state = request.data::<Arc<State>>().ok_or_else(super::failure::defect)?;
    let claims = verify(&bearer.token, state)?;
    Ok(state.admission.admit(claims.user, claims.epoch).await.map_err(Failure)?)
}

/// The claims of the token that came with a request for a WebSocket: as `Authorization: Bearer`,
/// as a subprotocol, or as the parameter `token`, in this order.
pub fn of_websocket(request: &Request, state: &State) -> Result<Claims, Failure> {
    let query = || request.params::<Parameters>().ok()?.token;
    let token = header_token(request.headers())
        .or_else(|| subprotocol_token(request.headers()))
        .or_else(query);
    match token {
        Some(token) => Ok(verify(&token, state)?),
        None => Err(Refusal::new(Code::BadToken, "A token is missing.").into()),
    }
}

/// The parameters of the WebSocket's path.
#[derive(Deserialize)]
struct Parameters {
    token: Option<String>,
}

fn verify(token: &str, state: &State) -> Result<Claims, Failure> {
    state.tokens.verify(token).map_err(|error| {
        metrics::counter!("confab_tokens_refused_total", "reason" => error.reason()).increment(1);
        match error {
            TokenError::Expired => {
                Refusal::new(Code::TokenExpired, "The token has expired: log in again.")
            }
            _ => Refusal::new(Code::BadToken, "The token is not good: log in again."),
        }
        .into()
    })
}

fn header_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn subprotocol_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|part| part.trim().strip_prefix("bearer.").map(str::to_owned))
}
