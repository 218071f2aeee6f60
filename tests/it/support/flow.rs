//! The two sides of the authorization endpoint: a user with a browser, and the client that sends them.
//!
//! ```text
//! let person = operator.person("eve@mail.example", Role::Standard).await;
//! let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
//! let back = client.redirect_params(&person.approves(&client.url(&[])).await);
//! let tokens = client.exchange(back.get("code").expect("a code"), &[]).await;
//! ```

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::db::users;
use grantor::rules::id::{OrgId, UserId};
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;
use serde_json::{Value, json};

use super::{Answer, TestApp, TestOperator, request};

pub const PASSWORD: &str = "correct horse battery staple";
pub const AUTHORIZE: &str = "/oauth2/v1/authorize";

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Contains characters that have to be encoded.
pub const STATE: &str = "a b+c&d=e";

/// A user with a password and a browser that keeps cookies.
#[derive(Clone)]
pub struct Person<'a> {
    pub app: &'a TestApp,
    pub email: String,
    pub cookies: BTreeMap<String, String>,
    /// Headers that the browser sends with every request.
    pub headers: Vec<(&'static str, String)>,
}

impl<'a> TestOperator<'a> {
    /// Creates a colleague with a password.
    pub async fn person(&self, email: &str, role: Role) -> Person<'a> {
        let password = Some(Secret::new(PASSWORD.to_owned()));
        let by = AuditActor::COMMAND_LINE;
        create_user::create_user(
            self.app.context(),
            self.org_id,
            NewMember { email, name: None, role, password },
            &by,
        )
        .await
        .expect("joins");
        Person::new(self.app, email)
    }

    /// Adds an existing user to this organization.
    pub async fn adds_member(&self, person: &Person<'_>, role: Role) {
        let by = AuditActor::COMMAND_LINE;
        create_user::create_user(
            self.app.context(),
            self.org_id,
            NewMember::new(&person.email, role),
            &by,
        )
        .await
        .expect("joins");
    }
}

impl<'a> Person<'a> {
    pub fn new(app: &'a TestApp, email: &str) -> Self {
        let headers = vec![("accept", "text/html".to_owned())];
        Self { app, email: email.to_owned(), cookies: BTreeMap::new(), headers }
    }

    /// The same browser on another replica.
    pub fn on<'b>(&self, app: &'b TestApp) -> Person<'b> {
        Person {
            app,
            email: self.email.clone(),
            cookies: self.cookies.clone(),
            headers: self.headers.clone(),
        }
    }

    /// The same user in a new browser.
    pub fn in_new_browser(&self) -> Self {
        Self { cookies: BTreeMap::new(), ..self.clone() }
    }

    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut person = self.clone();
        person.headers.retain(|(other, _)| *other != name);
        person.headers.push((name, value.to_owned()));
        person
    }

    pub async fn user_id(&self) -> UserId {
        users::find_by_email(self.app.db(), &self.email)
            .await
            .expect("is readable")
            .expect("is there")
            .id
    }

    /// Sends a GET request without following its redirect.
    pub async fn open(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, Body::empty()).await
    }

    /// Opens a page and follows the redirects on this server.
    pub async fn visit(&mut self, url: &str) -> Answer {
        let answer = self.open(url).await;
        self.follow(answer).await
    }

    /// Follows redirects until a page or a redirect to another server.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match answer.header("location").filter(|location| self.is_here(location)) {
                Some(location) => answer = self.open(location).await,
                None => return answer,
            }
        }
        panic!("redirects without an end: {answer:?}")
    }

    /// Submits a form without following its redirect.
    pub async fn submit(&mut self, form: &Form) -> Answer {
        let body = encoded(form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.send(Method::POST, &form.action, Body::from(body)).await
    }

    /// Submits the form of a login page and follows the redirects.
    pub async fn signs_in_on(&mut self, page: &Answer) -> Answer {
        let answer = self.submit(&self.login(page)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.follow(answer).await
    }

    /// The login form, filled in by this user.
    pub fn login(&self, page: &Answer) -> Form {
        Form::on(page, "/login").with("email", &self.email).with("password", PASSWORD)
    }

    /// Signs in without an authorization request.
    pub async fn signs_in(&mut self) -> Answer {
        let page = self.open("/login").await;
        self.signs_in_on(&page).await
    }

    /// Opens the URL and signs in if necessary. Returns the consent page, or the redirect to the
    /// client.
    pub async fn opens_consent(&mut self, url: &str) -> Answer {
        let page = self.visit(url).await;
        if page.text.contains("action=\"/login\"") { self.signs_in_on(&page).await } else { page }
    }

    /// Opens the URL, signs in if necessary, and approves everything. Returns the redirect to the
    /// client.
    pub async fn approves(&mut self, url: &str) -> Answer {
        let page = self.opens_consent(url).await;
        if page.status == 303 { page } else { self.submit(&Form::approving(&page)).await }
    }

    async fn send(&mut self, method: Method, url: &str, body: Body) -> Answer {
        let path = url.strip_prefix(self.app.app.config.http.public_url.as_str()).unwrap_or(url);
        let mut request = request(method.clone(), path);
        if method == Method::POST {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = self.app.send(request.body(body).expect("a request")).await;
        self.keep_cookies(&answer);
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in set_cookies(answer) {
            let (pair, attributes) = line.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            match attributes.contains("Max-Age=0") {
                true => _ = self.cookies.remove(name),
                false => _ = self.cookies.insert(name.to_owned(), value.to_owned()),
            }
        }
    }

    fn is_here(&self, location: &str) -> bool {
        let public_url = self.app.app.config.http.public_url.as_str();
        location.starts_with('/') && !location.starts_with("//")
            || location.starts_with(&format!("{public_url}/"))
    }
}

pub fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text")).collect()
}

/// A form of a page with the fields that a browser would send: hidden, filled-in and checked ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first form with this action.
    pub fn on(page: &Answer, action: &str) -> Self {
        let forms = Self::all(page, action);
        forms
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no form leads to {action}: {} {}", page.status, page.text))
    }

    pub fn all(page: &Answer, action: &str) -> Vec<Self> {
        let forms = page
            .text
            .split("<form ")
            .skip(1)
            .map(|tail| tail.split("</form>").next().expect("an end"));
        let leads_there = |form: &&str| form.contains(&format!("action=\"{action}\""));
        forms
            .filter(leads_there)
            .map(|form| Self { action: action.to_owned(), fields: fields(form) })
            .collect()
    }

    /// The form of a consent page with the boxes that are checked on the page.
    pub fn approving(page: &Answer) -> Self {
        Self::on(page, AUTHORIZE).with("decision", "approve")
    }

    pub fn approving_only(page: &Answer, scopes: &[&str]) -> Self {
        scopes
            .iter()
            .fold(Self::approving(page).without("scope"), |form, scope| form.and("scope", scope))
    }

    pub fn refusing(page: &Answer) -> Self {
        Self::on(page, AUTHORIZE).with("decision", "deny")
    }

    /// Replaces the values of a field.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self
    }

    pub fn all_of(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

fn fields(form: &str) -> Vec<(String, String)> {
    let inputs = form.split("<input ").skip(1).map(|tail| tail.split('>').next().expect("an end"));
    let is_sent = |input: &str| {
        let is_ticked = input.ends_with(" checked");
        is_ticked || !(input.contains("type=\"checkbox\"") || input.contains("type=\"radio\""))
    };
    let sent = inputs.filter(|input| is_sent(input));
    sent.filter_map(|input| {
        Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
    })
    .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = format!(" {tag}");
    let (_, tail) = tag.split_once(&format!(" {name}=\""))?;
    tail.split('"').next().map(unescaped)
}

pub fn unescaped(text: &str) -> String {
    let characters =
        [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    characters.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// An MCP client that registered itself.
pub struct McpClient<'a> {
    pub app: &'a TestApp,
    pub id: String,
    pub redirect_uri: String,
}

impl<'a> McpClient<'a> {
    /// Requests use the first redirect URI.
    pub async fn registered(app: &'a TestApp, redirect_uris: &[&str]) -> Self {
        Self::registered_with(app, redirect_uris, json!({})).await
    }

    pub async fn registered_with(app: &'a TestApp, redirect_uris: &[&str], members: Value) -> Self {
        let mut body = json!({"client_name": "Editor", "redirect_uris": redirect_uris});
        for (name, value) in members.as_object().expect("members") {
            body[name] = value.clone();
        }
        let answer = app.post("/api/v2/oauth2/register", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.json()["client_id"].as_str().expect("a client_id").to_owned();
        Self { app, id, redirect_uri: redirect_uris[0].to_owned() }
    }

    /// The authorization URL. A change with an empty value removes the parameter; a name may occur
    /// twice.
    pub fn url(&self, changes: &[(&str, &str)]) -> String {
        format!("{AUTHORIZE}?{}", self.query(changes))
    }

    pub fn query(&self, changes: &[(&str, &str)]) -> String {
        let usual = [
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("state", STATE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual
            .into_iter()
            .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        encoded(kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }

    /// The parameters of the redirect to the client.
    pub fn redirect_params(&self, answer: &Answer) -> RedirectParams {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let location = answer.header("location").expect("a location");
        let rest =
            location.strip_prefix(&self.redirect_uri).and_then(|rest| rest.strip_prefix('?'));
        let query = rest.unwrap_or_else(|| panic!("{location} is not at {}", self.redirect_uri));
        RedirectParams(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Asserts a complete error: with the state, the issuer, and the reference for the log.
    pub fn is_refused(&self, answer: &Answer, error: &str, description: &str) {
        let reference = answer.header("x-request-id").expect("a request id");
        let description = format!("{description} (reference {reference})");
        let iss = self.app.app.config.http.public_url.as_str();
        let expected =
            [("error", error), ("error_description", &description), ("state", STATE), ("iss", iss)];
        assert_eq!(self.redirect_params(answer), RedirectParams::of(&expected));
    }

    /// The code in the redirect.
    pub fn code(&self, answer: &Answer) -> String {
        let params = self.redirect_params(answer);
        params.get("code").unwrap_or_else(|| panic!("no code: {params:?}")).to_owned()
    }

    pub async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", self.id.as_str()),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", VERIFIER),
        ];
        let kept = usual
            .into_iter()
            .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        self.request_tokens(encoded(
            kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()),
        ))
        .await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.id),
            ("refresh_token", refresh_token),
        ];
        self.request_tokens(encoded(form.into_iter())).await
    }

    /// The scopes of the token for the code in the redirect.
    pub async fn scopes(&self, answer: &Answer) -> String {
        let tokens = self.exchange(&self.code(answer), &[]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        tokens.json()["scope"].as_str().expect("a scope").to_owned()
    }

    async fn request_tokens(&self, body: String) -> Answer {
        let post = request(Method::POST, "/oauth2/v1/token");
        let post = post.header("content-type", "application/x-www-form-urlencoded");
        self.app.send(post.body(Body::from(body)).expect("a request")).await
    }
}

/// The parameters of a redirect to the client, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectParams(pub Vec<(String, String)>);

impl RedirectParams {
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

pub fn encoded<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The form that chooses an organization.
pub fn choosing(page: &Answer, org_id: OrgId) -> Form {
    Form::on(page, "/organization").with("org", &org_id.to_string())
}
