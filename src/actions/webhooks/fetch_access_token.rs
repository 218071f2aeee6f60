//! An access token for the receiver of a webhook, by the client credentials grant (RFC 6749 section 4.4).
//!
//! The secret goes into the header first, as every server has to take it (section 2.3.1), and into the body where that
//! is refused for it. Nothing of what the endpoint says is repeated but the code of its error.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::actions::webhooks::auth_method_secret::open_client_secret;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::outgoing::{Bounds, Method, Outgoing, OutgoingError, Request};
use crate::rules::token::answer;
use crate::rules::token::answer::{GivenToken, NoToken};
use crate::rules::webhook::receiver_url;
use crate::sealing::{KeyRing, SealError};
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct AccessToken {
    pub token: Secret,
    /// Seconds, from 0 to a day.
    pub good_for: i64,
    pub scope: Option<String>,
    /// Of the answer that brought it.
    pub status: u16,
}

/// Its words are for operators of the organisation, who are strangers to this server's network: they hold no secret and
/// nothing that the other side worded. [`Self::in_full`] is for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFetchError {
    #[error("no access token: {}", .0.told_to_strangers())]
    Outgoing(#[from] OutgoingError),
    #[error("no access token: {host} answered {cause}")]
    Answered { host: String, status: u16, cause: NoToken },
    #[error("no access token: this server cannot open the client secret")]
    Seal(#[from] SealError),
    /// Two origins.
    #[error(
        "no access token: the client_secret was given for {given_for} and access_token_url leads to {leads_to}: send \
         client_secret again, together with access_token_url"
    )]
    SecretForElsewhere { given_for: String, leads_to: String },
    #[error("no access token: another request for it is under way and takes too long")]
    Busy,
}

/// Of an answer: it is a token and little else.
const MOST_BYTES: usize = 64 * 1024;

/// Where the secret stands in the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretIn {
    Header,
    Body,
}

/// Asks once, and once more where the secret has to stand elsewhere; both within the time. Never within a transaction.
pub async fn fetch_access_token(
    outgoing: &Outgoing,
    ring: &KeyRing,
    method: &AuthMethod,
    within: Duration,
) -> Result<AccessToken, TokenFetchError> {
    let fetched = fetch(outgoing, ring, method, within).await;
    if let Err(error) = &fetched {
        tracing::info!(auth_method = %method.id.0, error = error.in_full(), "no access token was given");
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
    let asking = Asking { outgoing, method, secret: &secret, deadline: Instant::now() + within };
    match asking.ask(SecretIn::Header).await {
        Err(first) if first.is_about_the_client() => match asking.ask(SecretIn::Body).await {
            // Whoever takes secrets in the header only says something about the body that would lead astray.
            Err(second) if !second.is_about_something_else() => Err(first),
            outcome => outcome,
        },
        outcome => outcome,
    }
}

/// Whoever may change the URL may not know the secret, and must not be sent it.
fn check_origin(method: &AuthMethod) -> Result<(), TokenFetchError> {
    let leads_to = receiver_url::origin(&method.access_token_url);
    if leads_to == method.secret_origin {
        return Ok(());
    }
    Err(TokenFetchError::SecretForElsewhere { given_for: method.secret_origin.clone(), leads_to })
}

struct Asking<'a> {
    outgoing: &'a Outgoing,
    method: &'a AuthMethod,
    secret: &'a Secret,
    deadline: Instant,
}

impl Asking<'_> {
    async fn ask(&self, place: SecretIn) -> Result<AccessToken, TokenFetchError> {
        let (authorization, body) = (self.authorization(), self.body(place));
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        if place == SecretIn::Header {
            headers.push(("authorization", authorization.expose()));
        }
        let url = &self.method.access_token_url;
        let request = Request { method: Method::Post, url, headers: &headers, body: body.expose() };
        let bounds = Bounds { bytes: MOST_BYTES, time: self.deadline.saturating_duration_since(Instant::now()) };
        let answer = self.outgoing.send(request, bounds).await?;
        match answer::read(answer.status, &answer.body) {
            Ok(given) => {
                let GivenToken { token, good_for, scope } = given.without(self.secret);
                Ok(AccessToken { token, good_for, scope, status: answer.status })
            }
            Err(cause) => {
                let cause = cause.without(self.secret);
                Err(TokenFetchError::Answered { host: answer.host, status: answer.status, cause })
            }
        }
    }

    /// RFC 6749 section 2.3.1: both parts are written as in a form before they are joined.
    fn authorization(&self) -> Secret {
        let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
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
    /// Of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Outgoing(_) | Self::Seal(_) | Self::SecretForElsewhere { .. } | Self::Busy => None,
        }
    }

    /// For whoever runs the server, and for its log.
    pub fn in_full(&self) -> String {
        match self {
            Self::Outgoing(cause) => format!("no access token: {cause}"),
            Self::Seal(cause) => format!("no access token: the client secret cannot be opened: {cause}"),
            Self::Answered { .. } | Self::SecretForElsewhere { .. } | Self::Busy => self.to_string(),
        }
    }

    fn is_about_the_client(&self) -> bool {
        matches!(self, Self::Answered { cause, .. } if cause.is_about_the_client())
    }

    fn is_about_something_else(&self) -> bool {
        matches!(self, Self::Answered { cause, .. } if cause.is_about_something_else())
    }
}
