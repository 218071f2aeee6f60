//! Requests an access token for the receiver of a webhook with the client credentials grant (RFC
//! 6749 section 4.4).
//!
//! The secret is sent in the header first, which every server must support (section 2.3.1), and
//! then in the body if the endpoint refuses the client. Of an error response, only the code is
//! repeated.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::actions::webhooks::auth_method_secret::open_client_secret;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::outgoing::{Bounds, Method, Outgoing, OutgoingError, Request};
use crate::rules::secret::Secret;
use crate::rules::token::answer;
use crate::rules::token::answer::{ReceivedToken, TokenResponseError};
use crate::rules::webhook::receiver_url;
use crate::sealing::{KeyRing, SealError};

#[derive(Clone, Debug)]
pub struct AccessToken {
    pub token: Secret,
    /// In seconds, from 0 to a day.
    pub lifetime: i64,
    pub scope: Option<String>,
    /// The HTTP status of the response.
    pub status: u16,
}

/// Why there is no token. The messages are for API callers of the organization, who must not learn
/// about the network of this server. So they contain no secret, and no text of the endpoint.
/// [`Self::log_message`] is for the operator of the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFetchError {
    #[error("no access token: {}", .0.public_message())]
    Outgoing(#[from] OutgoingError),
    #[error("no access token: {host} responded {cause}")]
    Answered { host: String, status: u16, cause: TokenResponseError },
    #[error("no access token: this server cannot decrypt the client secret")]
    Seal(#[from] SealError),
    /// Both members are origins.
    #[error(
        "no access token: the client_secret is for {given_for}, but access_token_url points to \
         {points_to}: send client_secret again, together with access_token_url"
    )]
    SecretForElsewhere { given_for: String, points_to: String },
    #[error("no access token: another request for the token is in progress and takes too long")]
    Busy,
}

/// The limit of a response, which contains a token and little else.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Where the request carries the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretIn {
    Header,
    Body,
}

/// Sends one request, and a second one if the secret must be in the body; both within the time
/// limit. Never call this within a transaction.
pub async fn fetch_access_token(
    outgoing: &Outgoing,
    ring: &KeyRing,
    method: &AuthMethod,
    within: Duration,
) -> Result<AccessToken, TokenFetchError> {
    let fetched = fetch(outgoing, ring, method, within).await;
    if let Err(error) = &fetched {
        tracing::info!(auth_method = %method.id.0, error = error.log_message(),
            "could not get an access token");
    }
    fetched
}

async fn fetch(
    outgoing: &Outgoing,
    ring: &KeyRing,
    method: &AuthMethod,
    within: Duration,
) -> Result<AccessToken, TokenFetchError> {
    check_origin(method)?;
    let secret = open_client_secret(ring, method)?;
    let deadline = Instant::now() + within;
    let request = TokenRequest { outgoing, method, secret: &secret, deadline };
    match request.send(SecretIn::Header).await {
        Err(first) if first.is_about_the_client() => match request.send(SecretIn::Body).await {
            // An endpoint that accepts the secret only in the header returns a misleading error
            // here.
            Err(second) if !second.is_about_something_else() => Err(first),
            outcome => outcome,
        },
        outcome => outcome,
    }
}

/// A user who may change the URL may not know the secret, and must not receive it.
fn check_origin(method: &AuthMethod) -> Result<(), TokenFetchError> {
    let points_to = receiver_url::origin(&method.access_token_url);
    if points_to == method.secret_origin {
        return Ok(());
    }
    Err(TokenFetchError::SecretForElsewhere { given_for: method.secret_origin.clone(), points_to })
}

struct TokenRequest<'a> {
    outgoing: &'a Outgoing,
    method: &'a AuthMethod,
    secret: &'a Secret,
    deadline: Instant,
}

impl TokenRequest<'_> {
    async fn send(&self, place: SecretIn) -> Result<AccessToken, TokenFetchError> {
        let (authorization, body) = (self.authorization(), self.body(place));
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
        ];
        if place == SecretIn::Header {
            headers.push(("authorization", authorization.expose()));
        }
        let url = &self.method.access_token_url;
        let request = Request { method: Method::Post, url, headers: &headers, body: body.expose() };
        let time = self.deadline.saturating_duration_since(Instant::now());
        let bounds = Bounds { bytes: MAX_RESPONSE_BYTES, time };
        let response = self.outgoing.send(request, bounds).await?;
        match answer::parse_token_response(response.status, &response.body) {
            Ok(given) => {
                let ReceivedToken { token, lifetime, scope } = given.redacted(self.secret);
                Ok(AccessToken { token, lifetime, scope, status: response.status })
            }
            Err(cause) => {
                let cause = cause.redacted(self.secret);
                Err(TokenFetchError::Answered {
                    host: response.host,
                    status: response.status,
                    cause,
                })
            }
        }
    }

    /// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
    fn authorization(&self) -> Secret {
        let encoded =
            |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
        let (id, secret) = (encoded(&self.method.client_id), encoded(self.secret.expose()));
        let joined = Zeroizing::new(format!("{}:{}", *id, *secret));
        Secret::new(format!("Basic {}", *Zeroizing::new(BASE64_STANDARD.encode(joined.as_bytes()))))
    }

    fn body(&self, place: SecretIn) -> Secret {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.method.scope), ("audience", &self.method.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        if place == SecretIn::Body {
            form.append_pair("client_id", &self.method.client_id);
            form.append_pair("client_secret", self.secret.expose());
        }
        Secret::new(form.finish())
    }
}

impl TokenFetchError {
    /// The HTTP status of the response, if one arrived.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Outgoing(_) | Self::Seal(_) | Self::SecretForElsewhere { .. } | Self::Busy => {
                None
            }
        }
    }

    /// The full message, for the log and the operator of the server.
    pub fn log_message(&self) -> String {
        match self {
            Self::Outgoing(cause) => format!("no access token: {cause}"),
            Self::Seal(cause) => {
                format!("no access token: the client secret cannot be decrypted: {cause}")
            }
            Self::Answered { .. } | Self::SecretForElsewhere { .. } | Self::Busy => {
                self.to_string()
            }
        }
    }

    fn is_about_the_client(&self) -> bool {
        matches!(self, Self::Answered { cause, .. } if cause.is_authentication_failure())
    }

    fn is_about_something_else(&self) -> bool {
        matches!(self, Self::Answered { cause, .. } if cause.is_after_authentication())
    }
}
