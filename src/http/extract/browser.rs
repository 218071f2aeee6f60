//! The browser that a page is for: what ties its forms to it, and who is signed in there.
//!
//! Three cookies, all opaque and known here by digest only. One is drawn for every browser: pending requests and forms are
//! bound to it, so that nobody can be made to answer a request that somebody else began (RFC 9700 section 4.7). The other
//! is the session, drawn anew at every sign-in, and so is the third, which says that an account has signed in here before. On
//! https all carry the `__Host-` prefix, which a sibling host cannot
//! overwrite.

use std::net::IpAddr;

use axum::http::header::{COOKIE, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::actions::audit::{Actor, By};
use crate::actions::sign_in::KNOWN_FOR;
use crate::app::App;
use crate::db::users::sessions::Session;
use crate::db::users::{User, sessions};
use crate::http::error::PageError;
use crate::http::middleware::edge::Origin;
use crate::http::views::Language;
use crate::rules::identity::session::{ABSOLUTE, is_over};
use crate::rules::syntax::parameters::Parameters;
use crate::sealing::same;
use crate::secret::{Digest, Secret};

const SESSION: &str = "sid";
const BINDING: &str = "browser";
const KNOWN_BROWSER: &str = "known_browser";
/// A session that was seen this recently is not written again.
const SEEN_AGAIN_AFTER: i64 = 60;
/// Longer values are none of ours.
const LONGEST_COOKIE: usize = 256;
const LONGEST_USER_AGENT: usize = 200;

pub struct Browser {
    pub language: Language,
    pub signed_in: Option<SignedIn>,
    /// Signed in with a password that this server made: nothing is open to them but choosing another.
    pub choosing_password: Option<SignedIn>,
    /// Tells a browser in which an account has signed in before from one in which somebody guesses.
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

impl Browser {
    pub async fn of(app: &App, headers: &HeaderMap, origin: Option<Origin>) -> Result<Self, PageError> {
        let is_secure = app.config.http.public_url.starts_with("https://");
        let cookie = |name| cookie(headers, &cookie_name(name, is_secure));
        let (signed_in, choosing_password) = match cookie(SESSION) {
            Some(secret) => find_session(app, &secret).await?,
            None => (None, None),
        };
        let binding = cookie(BINDING);
        Ok(Self {
            language: Language::of(headers),
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

    /// What pending requests are stored under.
    pub fn binding_digest(&self) -> Digest {
        self.binding.digest()
    }

    /// What every form carries: known to this browser's pages and to nobody else, for as long as the browser lives.
    pub fn csrf(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&format!("csrf v1 {}", self.binding.expose())).bytes())
    }

    /// A form comes from a page of ours in this browser: it carries the token, and nothing says that it was sent from
    /// elsewhere.
    pub fn check_form(&self, app: &App, headers: &HeaderMap, form: &Parameters) -> Result<(), PageError> {
        let carried = form.get("csrf").unwrap_or_default();
        let is_ours = !self.binding_is_new && same(carried.as_bytes(), self.csrf().as_bytes());
        match is_ours && !comes_from_elsewhere(headers, &app.config.http.public_url) {
            true => Ok(()),
            false => Err(PageError::Forged),
        }
    }

    /// Also of somebody who has to choose a password first.
    pub fn session(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref().or(self.choosing_password.as_ref())
    }

    /// What known browsers are stored under.
    pub fn known_digest(&self) -> Option<Digest> {
        self.known.as_ref().map(Secret::digest)
    }

    /// On whose behalf what follows happens.
    pub fn by(&self) -> By {
        let actor = self.session().map_or(Actor::Anonymous, |signed_in| Actor::User(signed_in.user.id));
        By {
            actor,
            request_id: self.origin.as_ref().map(|origin| origin.request_id.to_string()),
            address: self.address(),
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.origin.as_ref().map(|origin| origin.address)
    }

    /// What an operator finds in the log.
    pub fn reference(&self) -> &str {
        self.origin.as_ref().map_or("unknown", |origin| &origin.request_id)
    }

    /// Gives the browser its binding, where it has none yet.
    pub fn bound(&self, mut answer: Response) -> Response {
        if self.binding_is_new {
            self.set(&mut answer, BINDING, &self.binding, None);
        }
        answer
    }

    pub fn with_session(&self, mut answer: Response, session: &Secret) -> Response {
        self.set(&mut answer, SESSION, session, Some(ABSOLUTE));
        answer
    }

    pub fn with_known_browser(&self, mut answer: Response, secret: &Secret) -> Response {
        self.set(&mut answer, KNOWN_BROWSER, secret, Some(KNOWN_FOR));
        answer
    }

    pub fn without_session(&self, mut answer: Response) -> Response {
        self.set(&mut answer, SESSION, &Secret::default(), Some(0));
        answer
    }

    fn set(&self, answer: &mut Response, name: &'static str, value: &Secret, max_age: Option<i64>) {
        let name = cookie_name(name, self.is_secure);
        let secure = if self.is_secure { "; Secure" } else { "" };
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}", value.expose());
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            answer.headers_mut().append(SET_COOKIE, value);
        }
    }
}

/// Who is signed in, or has to choose a password first.
async fn find_session(app: &App, secret: &Secret) -> Result<(Option<SignedIn>, Option<SignedIn>), PageError> {
    let now = app.context.clock.now();
    let found = sessions::find(&app.context.db, secret.digest()).await?;
    let Some((session, user, must_choose)) = found else { return Ok((None, None)) };
    if user.disabled_at.is_some() || is_over(session.signed_in_at, session.last_seen_at, now) {
        return Ok((None, None));
    }
    if now.seconds_since(session.last_seen_at) >= SEEN_AGAIN_AFTER {
        sessions::touch(&app.context.db, session.id, now).await?;
    }
    let signed_in = Some(SignedIn { session, user });
    Ok(if must_choose { (None, signed_in) } else { (signed_in, None) })
}

/// Browsers take the prefix only over TLS; plain http is for trials on loopback.
fn cookie_name(name: &str, is_secure: bool) -> String {
    if is_secure { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie that is there twice is none: one of the two was planted.
fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let is_plausible = !value.is_empty() && value.len() <= LONGEST_COOKIE;
    is_plausible.then(|| Secret::new(value.to_owned()))
}

/// Browsers say where a form was sent from, each in its own way; what says nothing is no browser, and has the token.
fn comes_from_elsewhere(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some("null") | None) => false,
        (None, Some(origin)) => !origin.eq_ignore_ascii_case(public_url),
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect()
}

/// Whether a person looks at the answer: RFC 9110 section 12.5.1, as far as it matters here.
pub fn wants_a_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all("accept").iter().filter_map(|value| value.to_str().ok());
    let mut accepts = accepts.flat_map(|line| line.split(','));
    *method == Method::POST && !headers.contains_key("accept")
        || accepts.any(|kind| kind.trim().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_one_that_is_there_twice_is_none() {
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
    fn a_form_from_elsewhere_is_told_by_what_its_browser_says() {
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
        for (pairs, elsewhere) in cases {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (leak(name), leak(value))).collect();
            assert_eq!(comes_from_elsewhere(&headers(&pairs), "https://auth.example"), elsewhere, "{pairs:?}");
        }
    }

    fn leak(text: &str) -> &'static str {
        String::leak(text.to_owned())
    }
}
