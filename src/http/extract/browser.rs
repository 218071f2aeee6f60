//! The browser that requests a page: its cookies, its forms and the signed-in user.
//!
//! There are three cookies, all opaque and stored only as digests:
//!
//! * The binding is created for every browser. Pending requests and forms are bound to it, so that
//!   an attacker cannot make a user approve a request that the attacker started (RFC 9700 section
//!   4.7).
//! * The session is new for every sign-in.
//! * The known-browser cookie, also new for every sign-in, marks a browser in which an account has
//!   signed in before.
//!
//! With https, all have the `__Host-` prefix, so that a sibling host cannot overwrite them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::actions::audit::{Actor, AuditActor};
use crate::actions::sign_in::KNOWN_FOR;
use crate::app::App;
use crate::db::users::sessions::Session;
use crate::db::users::{User, sessions};
use crate::http::error::PageError;
use crate::http::headers::accept::preferred_language;
use crate::http::middleware::origin::Origin;
use crate::rules::authorization::language::Language;
use crate::rules::identity::session::{ABSOLUTE_TIMEOUT, is_expired};
use crate::rules::secret::{Digest, Secret};
use crate::rules::syntax::parameters::Parameters;
use crate::sealing::constant_time_eq;

const SESSION: &str = "sid";
const BINDING: &str = "browser";
const KNOWN_BROWSER: &str = "known_browser";
/// The last use of a session is stored at most once in this many seconds.
const TOUCH_INTERVAL: i64 = 60;
/// Longer values are not cookies of this server.
const MAX_COOKIE_LEN: usize = 256;
const MAX_USER_AGENT_LEN: usize = 200;

pub struct Browser {
    pub language: Language,
    pub signed_in: Option<SignedIn>,
    /// A user who signed in with a generated password. They can only choose a new one.
    pub choosing_password: Option<SignedIn>,
    /// The cookie of a browser in which an account has signed in before, which has its own rate
    /// limit.
    pub known: Option<Secret>,
    pub user_agent: String,
    binding: Secret,
    binding_is_new: bool,
    is_secure: bool,
    origin: Option<Origin>,
}

pub struct SignedIn {
    pub session: Session,
    pub user: User,
}

impl FromRequestParts<Arc<App>> for Browser {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        Self::of(app, &parts.headers, Origin::of(parts)).await
    }
}

impl Browser {
    pub async fn of(
        app: &App,
        headers: &HeaderMap,
        origin: Option<Origin>,
    ) -> Result<Self, PageError> {
        let is_secure = app.config.http.public_url.starts_with("https://");
        let cookie = |name| cookie(headers, &cookie_name(name, is_secure));
        let (signed_in, choosing_password) = match cookie(SESSION) {
            Some(secret) => find_session(app, &secret).await?,
            None => (None, None),
        };
        let binding = cookie(BINDING);
        Ok(Self {
            language: preferred_language(headers),
            signed_in,
            choosing_password,
            known: cookie(KNOWN_BROWSER),
            user_agent: user_agent(headers),
            binding_is_new: binding.is_none(),
            binding: binding.unwrap_or_else(|| app.context.random.token("")),
            is_secure,
            origin,
        })
    }

    /// Whether the request carries the cookie to which pending requests are bound.
    pub fn has_binding(app: &App, headers: &HeaderMap) -> bool {
        let is_secure = app.config.http.public_url.starts_with("https://");
        cookie(headers, &cookie_name(BINDING, is_secure)).is_some()
    }

    /// The digest under which pending requests are stored.
    pub fn binding_digest(&self) -> Digest {
        self.binding.digest()
    }

    /// The CSRF token of all forms in this browser. It is derived from the binding, so it lasts as
    /// long.
    pub fn csrf(&self) -> String {
        BASE64_URL_SAFE_NO_PAD
            .encode(Digest::of(&format!("csrf v1 {}", self.binding.expose())).bytes())
    }

    /// Checks that a form was sent from a page of this server in this browser: it has the token,
    /// and its headers do not name another site.
    pub fn check_form(
        &self,
        app: &App,
        headers: &HeaderMap,
        form: &Parameters,
    ) -> Result<(), PageError> {
        let token = form.get("csrf").unwrap_or_default();
        let is_ours =
            !self.binding_is_new && constant_time_eq(token.as_bytes(), self.csrf().as_bytes());
        match is_ours && !is_cross_site(headers, &app.config.http.public_url) {
            true => Ok(()),
            false => Err(PageError::Forged),
        }
    }

    /// The session, also of a user who has to choose a new password first.
    pub fn session(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref().or(self.choosing_password.as_ref())
    }

    /// The digest under which known browsers are stored.
    pub fn known_digest(&self) -> Option<Digest> {
        self.known.as_ref().map(Secret::digest)
    }

    /// The actor for the audit log.
    pub fn by(&self) -> AuditActor {
        let actor =
            self.session().map_or(Actor::Anonymous, |signed_in| Actor::User(signed_in.user.id));
        AuditActor {
            actor,
            request_id: self.origin.as_ref().map(|origin| origin.request_id.to_string()),
            address: self.address(),
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.origin.as_ref().map(|origin| origin.address)
    }

    /// The request id, which the operator finds in the log.
    pub fn reference(&self) -> &str {
        self.origin.as_ref().map_or("unknown", |origin| origin.request_id.as_str())
    }

    /// Sets the binding cookie if the browser does not have it yet.
    pub fn bound(&self, mut response: Response) -> Response {
        if self.binding_is_new {
            self.set(&mut response, BINDING, &self.binding, None);
        }
        response
    }

    pub fn with_session(&self, mut response: Response, session: &Secret) -> Response {
        self.set(&mut response, SESSION, session, Some(ABSOLUTE_TIMEOUT));
        response
    }

    pub fn with_known_browser(&self, mut response: Response, secret: &Secret) -> Response {
        self.set(&mut response, KNOWN_BROWSER, secret, Some(KNOWN_FOR));
        response
    }

    pub fn without_session(&self, mut response: Response) -> Response {
        self.set(&mut response, SESSION, &Secret::default(), Some(0));
        response
    }

    fn set(
        &self,
        response: &mut Response,
        name: &'static str,
        value: &Secret,
        max_age: Option<i64>,
    ) {
        let name = cookie_name(name, self.is_secure);
        let secure = if self.is_secure { "; Secure" } else { "" };
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text =
            format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}", value.expose());
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
}

/// The signed-in user, or the user who has to choose a new password first.
async fn find_session(
    app: &App,
    secret: &Secret,
) -> Result<(Option<SignedIn>, Option<SignedIn>), PageError> {
    let now = app.context.clock.now();
    let found = sessions::find(&app.context.db, secret.digest()).await?;
    let Some((session, user, must_choose)) = found else { return Ok((None, None)) };
    if user.disabled_at.is_some() || is_expired(session.signed_in_at, session.last_seen_at, now) {
        return Ok((None, None));
    }
    if now.seconds_since(session.last_seen_at) >= TOUCH_INTERVAL {
        sessions::touch(&app.context.db, session.id, now).await?;
    }
    let signed_in = Some(SignedIn { session, user });
    Ok(if must_choose { (None, signed_in) } else { (signed_in, None) })
}

/// Browsers accept the prefix only over TLS. Plain http is for local trials.
fn cookie_name(name: &str, is_secure: bool) -> String {
    if is_secure { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie that occurs twice is ignored: one of the two was planted.
fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let is_plausible = !value.is_empty() && value.len() <= MAX_COOKIE_LEN;
    is_plausible.then(|| Secret::new(value.to_owned()))
}

/// Whether the headers name another site as the sender of a form. Browsers send at least one of the
/// headers; a client that sends neither is not a browser and still needs the token.
fn is_cross_site(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some("null") | None) => false,
        (None, Some(origin)) => !origin.eq_ignore_ascii_case(public_url),
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_LEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_ignored_if_it_occurs_twice() {
        let cases: [(&[&str], Option<&str>); 7] = [
            (&["sid=a"], Some("a")),
            (&["x=1; sid=a; y=2"], Some("a")),
            (&["x=1", "sid=a"], Some("a")),
            (&["sid=a; sid=b"], None),
            (&["sid=a", "sid=a"], None),
            (&["sid="], None),
            (&["xsid=a; sidx=b"], None),
        ];
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_str(line).expect("a value"));
            }
            assert_eq!(cookie(&headers, "sid").as_ref().map(Secret::expose), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_cross_site_form_is_recognized_by_its_headers() {
        let cases: [(&[(&str, &str)], bool); 8] = [
            (&[], false),
            (&[("origin", "https://auth.example")], false),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "https://auth.example.evil.example")], true),
            (&[("origin", "null")], false),
            (&[("origin", "null"), ("sec-fetch-site", "cross-site")], true),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://auth.example"), ("sec-fetch-site", "same-site")], true),
        ];
        for (pairs, expected) in cases {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (leak(name), leak(value))).collect();
            assert_eq!(
                is_cross_site(&headers(&pairs), "https://auth.example"),
                expected,
                "{pairs:?}"
            );
        }
    }

    fn leak(text: &str) -> &'static str {
        String::leak(text.to_owned())
    }
}
