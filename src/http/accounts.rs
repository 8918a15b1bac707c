//! `POST /register`, `POST /login`, `POST /password`, `POST /logout-all`, `GET /users/…`.

use std::sync::Arc;

use confab_plugin::{Context, Decision, Event, Login, Register, User, Username};
use poem::{Request, web::Data};
use poem_openapi::{
    ApiRequest, Object, OpenApi,
    param::Path,
    payload::{Form, Json},
};
use serde::Deserialize;

use super::{
    State, bearer::Asker, client, failure::Failure, json::StrictJson, profile::ProfileBody,
};
use crate::{
    auth::{AuthError, Token},
    chain::{Passage, Refused},
    code::{Code, Refusal},
    config::Secret,
    store::Account,
    values,
};

/// The calls about accounts.
pub struct AccountsApi;

/// A new account.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    /// 2 to 32 of `a-z 0-9 . _ -`, first a letter or digit. Capitals are folded.
    username: String,
    /// At least `auth.min_password_length` characters, at most 1024 bytes.
    password: String,
    /// The name to show: 1 to 64 characters.
    #[oai(skip_serializing_if_is_none)]
    display_name: Option<String>,
}

/// The body of a registration.
#[derive(ApiRequest)]
enum RegisterRequest {
    /// JSON.
    Json(StrictJson<NewAccount>),
}

/// A name and its password.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

/// The OAuth2 password form (RFC 6749 section 4.3.2); only the name and the password count.
#[derive(Object, Deserialize)]
struct PasswordForm {
    username: String,
    password: String,
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// The body of a login.
#[derive(ApiRequest)]
enum LoginRequest {
    /// JSON.
    Json(StrictJson<Credentials>),
    /// A form.
    Form(Form<PasswordForm>),
}

/// A user's password, and another one in its place.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password that is in force.
    current: String,
    /// At least `auth.min_password_length` characters, at most 1024 bytes.
    new: String,
}

/// The body of a change of password.
#[derive(ApiRequest)]
enum PasswordRequest {
    /// JSON.
    Json(StrictJson<NewPassword>),
}

/// A token, and whose it is.
#[derive(Object)]
pub(super) struct Granted {
    /// The permanent id.
    user_id: String,
    /// The folded name.
    username: String,
    /// A JWT: send it as `Authorization: Bearer`.
    access_token: String,
    /// Always `bearer`.
    token_type: String,
    /// How long the token is good, in seconds.
    expires_in: u64,
    /// What `POST /refresh` gives the next token for: keep it as safe as a password.
    #[oai(skip_serializing_if_is_none)]
    refresh_token: Option<String>,
    /// How long the refresh token is good, in seconds.
    #[oai(skip_serializing_if_is_none)]
    refresh_expires_in: Option<u64>,
}

impl Granted {
    pub fn new(account: &Account, token: &Token) -> Json<Self> {
        let refresh = token.refresh.as_ref();
        Json(Self {
            user_id: account.id.to_string(),
            username: account.username.to_string(),
            access_token: token.text.expose().to_owned(),
            token_type: "bearer".to_owned(),
            expires_in: token.expires_in,
            refresh_token: refresh.map(|refresh| refresh.text.expose().to_owned()),
            refresh_expires_in: refresh.map(|refresh| refresh.expires_in),
        })
    }
}

/// An answer with status 201.
#[derive(poem_openapi::ApiResponse)]
enum Created {
    /// The account is made.
    #[oai(status = 201)]
    Account(Json<Granted>),
}

/// An answer with status 204.
#[derive(poem_openapi::ApiResponse)]
enum Done {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

#[OpenApi]
impl AccountsApi {
    /// Make an account
    #[oai(path = "/register", method = "post")]
    async fn register(
        &self,
        request: &Request,
        state: Data<&Arc<State>>,
        body: RegisterRequest,
    ) -> Result<Created, Failure> {
        state.allow_attempt(request)?;
        let RegisterRequest::Json(StrictJson(body)) = body;
        let NewAccount { username, password, display_name } = body;
        let password = Secret::from(password);
        let username: Username = username.parse().map_err(invalid_username)?;
        if let Some(name) = &display_name {
            values::check_display_name(name)?;
        }
        let event = Register::new(username, display_name.map(Into::into));
        let passage =
            enter(&state, client::context(request, &state.access.proxies), Event::Register(event))
                .await?;
        let Event::Register(wanted) = passage.event() else {
            return Err(Refusal::new(Code::Internal, "The server failed.").into());
        };
        let (username, name) = (wanted.username().clone(), wanted.display_name().map(Arc::from));
        if let Some(Err(refusal)) = wanted.display_name().map(values::check_display_name) {
            passage.finish(Decision::Failed { code: Code::InvalidDisplayName.as_str() });
            return Err(refusal.into());
        }
        let result = state.accounts.register(username, password, name).await;
        let (account, token) = conclude(passage, result)?;
        Ok(Created::Account(Granted::new(&account, &token)))
    }

    /// Log in
    ///
    /// Unknown users and wrong passwords are answered alike.
    #[oai(path = "/login", method = "post")]
    async fn login(
        &self,
        request: &Request,
        state: Data<&Arc<State>>,
        body: LoginRequest,
    ) -> Result<Json<Granted>, Failure> {
        state.allow_attempt(request)?;
        let (username, password) = match body {
            LoginRequest::Json(StrictJson(body)) => (body.username, body.password),
            LoginRequest::Form(Form(body)) => (body.username, body.password),
        };
        let password = Secret::from(password);
        // A text that is no name at all costs as much as an unknown one.
        let Ok(username) = username.parse::<Username>() else {
            let result = state.accounts.login(None, password).await;
            return result
                .map_err(|error| refusal(&error))
                .map(|(a, t)| Granted::new(&a, &t))
                .map_err(Into::into);
        };
        let event = Event::Login(Login::new(username.clone()));
        let passage = enter(&state, client::context(request, &state.access.proxies), event).await?;
        let result = state.accounts.login(Some(username), password).await;
        let (account, token) = conclude(passage, result)?;
        Ok(Granted::new(&account, &token))
    }

    /// Change the password
    ///
    /// Ends all sessions of the user, and has all older tokens refused, that of this call too: the
    /// answer has a new one.
    #[oai(path = "/password", method = "post")]
    async fn password(
        &self,
        request: &Request,
        state: Data<&Arc<State>>,
        asker: Asker,
        body: PasswordRequest,
    ) -> Result<Json<Granted>, Failure> {
        state.allow_attempt(request)?;
        let user = asker.0.user.id;
        state.allow_guess(user)?;
        let PasswordRequest::Json(StrictJson(body)) = body;
        let (current, new) = (Secret::from(body.current), Secret::from(body.new));
        let changed = state.accounts.change_password(user, current, new).await;
        let (account, token) = changed.map_err(|error| refusal(&error))?;
        state.admission.learn(&account);
        Ok(Granted::new(&account, &token))
    }

    /// Log out everywhere
    ///
    /// Ends all sessions of the user, and has all older tokens refused, that of this call too.
    #[oai(path = "/logout-all", method = "post")]
    async fn logout_all(&self, state: Data<&Arc<State>>, asker: Asker) -> Result<Done, Failure> {
        let ended = state.accounts.end_sessions(asker.0.user.id).await;
        let account = ended.map_err(|error| refusal(&error))?;
        state.admission.learn(&account);
        Ok(Done::Done)
    }

    /// Who am I?
    #[oai(path = "/users/me", method = "get")]
    async fn me(&self, asker: Asker) -> Result<Json<ProfileBody>, Failure> {
        Ok(Json(ProfileBody::from(&*asker.0)))
    }

    /// Who is this?
    ///
    /// `user` is `@username` or a user id.
    #[oai(path = "/users/:user", method = "get")]
    async fn user(
        &self,
        state: Data<&Arc<State>>,
        _asker: Asker,
        user: Path<String>,
    ) -> Result<Json<ProfileBody>, Failure> {
        Ok(Json(ProfileBody::from(&*state.dispatch.find(&user).await?)))
    }
}

fn invalid_username(error: confab_plugin::InvalidUsername) -> Refusal {
    Refusal::new(Code::InvalidUsername, error.to_string())
}

async fn enter(state: &State, cx: Context, event: Event) -> Result<Passage, Failure> {
    Ok(state.dispatch.enter(cx, event).await.map_err(Refused::into_refusal)?)
}

/// Tells the `after` hooks, and the client.
fn conclude(
    mut passage: Passage,
    result: Result<(Account, Token), AuthError>,
) -> Result<(Account, Token), Failure> {
    match result {
        Ok((account, token)) => {
            let user = User { id: account.id, name: account.username.clone() };
            passage.context_mut().user = Some(Arc::new(user));
            passage.finish(Decision::Accepted { seq: None, duplicate: false });
            Ok((account, token))
        }
        Err(error) => {
            passage.finish(Decision::Failed { code: code(&error).as_str() });
            Err(refusal(&error).into())
        }
    }
}

fn code(error: &AuthError) -> Code {
    match error {
        AuthError::UsernameTaken => Code::UsernameTaken,
        AuthError::BadCredentials => Code::BadCredentials,
        AuthError::BadRefreshToken => Code::BadRefreshToken,
        AuthError::Disabled => Code::AccountDisabled,
        AuthError::Password(_) => Code::InvalidPassword,
        AuthError::Overloaded => Code::Overloaded,
        AuthError::Unavailable(_) => Code::Unavailable,
    }
}

pub(super) fn refusal(error: &AuthError) -> Refusal {
    Refusal::new(code(error), error.to_string())
}
