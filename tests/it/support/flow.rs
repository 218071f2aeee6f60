//! The two who meet at the authorization endpoint: a person at a browser, and the client that sends them there.
//!
//! ```text
//! let person = operator.person("eve@mail.example", Role::Standard).await;
//! let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
//! let back = client.told(&person.agrees(&client.url(&[])).await);
//! let tokens = client.exchange(back.get("code").expect("a code"), &[]).await;
//! ```

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::users::create_user;
use grantor::db::users;
use grantor::rules::id::{OrgId, UserId};
use grantor::rules::identity::permission::Role;
use grantor::secret::Secret;
use serde_json::{Value, json};

use super::{Answer, TestApp, TestOperator, request};

pub const PASSWORD: &str = "correct horse battery staple";
pub const AUTHORIZE: &str = "/oauth2/v1/authorize";

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// With what has to be encoded.
pub const STATE: &str = "a b+c&d=e";

/// Somebody with a password at a browser, which keeps cookies.
#[derive(Clone)]
pub struct Person<'a> {
    pub app: &'a TestApp,
    pub email: String,
    pub cookies: BTreeMap<String, String>,
    /// What the browser sends with every request.
    pub headers: Vec<(&'static str, String)>,
}

impl<'a> TestOperator<'a> {
    /// A colleague who logs in.
    pub async fn person(&self, email: &str, role: Role) -> Person<'a> {
        let password = Some(Secret::new(PASSWORD.to_owned()));
        let by = AuditActor::COMMAND_LINE;
        create_user::create_user(self.app.context(), self.org_id, email, None, role, password, &by)
            .await
            .expect("joins");
        Person::new(self.app, email)
    }

    /// Somebody who logs in already, as a member of another organization.
    pub async fn takes_in(&self, person: &Person<'_>, role: Role) {
        let by = AuditActor::COMMAND_LINE;
        create_user::create_user(self.app.context(), self.org_id, &person.email, None, role, None, &by)
            .await
            .expect("joins");
    }
}

impl<'a> Person<'a> {
    pub fn new(app: &'a TestApp, email: &str) -> Self {
        let headers = vec![("accept", "text/html".to_owned())];
        Self { app, email: email.to_owned(), cookies: BTreeMap::new(), headers }
    }

    /// The same browser, whose next requests go to another replica.
    pub fn on<'b>(&self, app: &'b TestApp) -> Person<'b> {
        Person { app, email: self.email.clone(), cookies: self.cookies.clone(), headers: self.headers.clone() }
    }

    /// The same person at a browser that was never here.
    pub fn elsewhere(&self) -> Self {
        Self { cookies: BTreeMap::new(), ..self.clone() }
    }

    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut person = self.clone();
        person.headers.retain(|(other, _)| *other != name);
        person.headers.push((name, value.to_owned()));
        person
    }

    pub async fn user_id(&self) -> UserId {
        users::find_by_email(self.app.db(), &self.email).await.expect("is readable").expect("is there").id
    }

    /// One request, whose answer is not followed.
    pub async fn open(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, Body::empty()).await
    }

    /// Opens a page and goes where it leads on this server.
    pub async fn visit(&mut self, url: &str) -> Answer {
        let answer = self.open(url).await;
        self.follow(answer).await
    }

    /// To the page that is shown at last, or the redirect that leads to somebody else.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match answer.header("location").filter(|location| self.is_here(location)) {
                Some(location) => answer = self.open(location).await,
                None => return answer,
            }
        }
        panic!("redirects without an end: {answer:?}")
    }

    /// Sends a form whose answer is not followed.
    pub async fn submit(&mut self, form: &Form) -> Answer {
        let body = encoded(form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.send(Method::POST, &form.action, Body::from(body)).await
    }

    /// By the form of a login page, and on from there.
    pub async fn logs_in(&mut self, page: &Answer) -> Answer {
        let answer = self.submit(&self.login(page)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.follow(answer).await
    }

    /// The form as this person fills it in.
    pub fn login(&self, page: &Answer) -> Form {
        Form::on(page, "/login").with("email", &self.email).with("password", PASSWORD)
    }

    /// Without a request that waits.
    pub async fn signs_in(&mut self) -> Answer {
        let page = self.open("/login").await;
        self.logs_in(&page).await
    }

    /// Whatever the way there asks: to the consent page, or to the client where nothing is left to ask.
    pub async fn reaches_consent(&mut self, url: &str) -> Answer {
        let page = self.visit(url).await;
        if page.text.contains("action=\"/login\"") { self.logs_in(&page).await } else { page }
    }

    /// Opens the client's link, logs in where that is asked, and approves everything; the answer is the client's.
    pub async fn agrees(&mut self, url: &str) -> Answer {
        let page = self.reaches_consent(url).await;
        if page.status == 303 { page } else { self.submit(&Form::approving(&page)).await }
    }

    async fn send(&mut self, method: Method, url: &str, body: Body) -> Answer {
        let path = url.strip_prefix(self.app.app.config.http.public_url.as_str()).unwrap_or(url);
        let mut request = request(method.clone(), path);
        if method == Method::POST {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
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
        location.starts_with('/') && !location.starts_with("//") || location.starts_with(&format!("{public_url}/"))
    }
}

pub fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text")).collect()
}

/// A form of a page, as a browser would send it: what is hidden, filled in or ticked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first that leads there.
    pub fn on(page: &Answer, action: &str) -> Self {
        let forms = Self::all(page, action);
        forms.into_iter().next().unwrap_or_else(|| panic!("no form leads to {action}: {} {}", page.status, page.text))
    }

    pub fn all(page: &Answer, action: &str) -> Vec<Self> {
        let forms = page.text.split("<form ").skip(1).map(|tail| tail.split("</form>").next().expect("an end"));
        let leads_there = |form: &&str| form.contains(&format!("action=\"{action}\""));
        forms.filter(leads_there).map(|form| Self { action: action.to_owned(), fields: fields(form) }).collect()
    }

    /// The form of a consent page with everything ticked that is shown so.
    pub fn approving(page: &Answer) -> Self {
        Self::on(page, AUTHORIZE).with("decision", "approve")
    }

    pub fn approving_only(page: &Answer, scopes: &[&str]) -> Self {
        scopes.iter().fold(Self::approving(page).without("scope"), |form, scope| form.and("scope", scope))
    }

    pub fn refusing(page: &Answer) -> Self {
        Self::on(page, AUTHORIZE).with("decision", "deny")
    }

    /// In the place of what was there.
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
        self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }
}

fn fields(form: &str) -> Vec<(String, String)> {
    let inputs = form.split("<input ").skip(1).map(|tail| tail.split('>').next().expect("an end"));
    let is_sent = |input: &str| {
        let is_ticked = input.ends_with(" checked");
        is_ticked || !(input.contains("type=\"checkbox\"") || input.contains("type=\"radio\""))
    };
    let sent = inputs.filter(|input| is_sent(input));
    sent.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = format!(" {tag}");
    let (_, tail) = tag.split_once(&format!(" {name}=\""))?;
    tail.split('"').next().map(unescaped)
}

pub fn unescaped(text: &str) -> String {
    let characters = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    characters.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A client that registered itself, as the MCP server of somebody's editor.
pub struct McpClient<'a> {
    pub app: &'a TestApp,
    pub id: String,
    pub redirect_uri: String,
}

impl<'a> McpClient<'a> {
    /// Its requests name the first of the redirects.
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

    /// Where it sends its user. A change with an empty value leaves the parameter out; a name may be there twice.
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
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        encoded(kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }

    /// What the redirect tells it.
    pub fn told(&self, answer: &Answer) -> Told {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let location = answer.header("location").expect("a location");
        let rest = location.strip_prefix(&self.redirect_uri).and_then(|rest| rest.strip_prefix('?'));
        let query = rest.unwrap_or_else(|| panic!("{location} is not at {}", self.redirect_uri));
        Told(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A refusal, whole: with the state, the issuer, and the reference that the operator finds in the log.
    pub fn is_refused(&self, answer: &Answer, error: &str, description: &str) {
        let reference = answer.header("x-request-id").expect("a request id");
        let description = format!("{description} (reference {reference})");
        let iss = self.app.app.config.http.public_url.as_str();
        let expected = [("error", error), ("error_description", &description), ("state", STATE), ("iss", iss)];
        assert_eq!(self.told(answer), Told::of(&expected));
    }

    /// The code, where that was given.
    pub fn code(&self, answer: &Answer) -> String {
        let told = self.told(answer);
        told.get("code").unwrap_or_else(|| panic!("no code: {told:?}")).to_owned()
    }

    pub async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", self.id.as_str()),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", VERIFIER),
        ];
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        self.asks_for_tokens(encoded(kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()))).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("client_id", &self.id), ("refresh_token", refresh_token)];
        self.asks_for_tokens(encoded(form.into_iter())).await
    }

    /// The scopes of the token that the code of this answer is worth.
    pub async fn scopes(&self, answer: &Answer) -> String {
        let tokens = self.exchange(&self.code(answer), &[]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        tokens.json()["scope"].as_str().expect("a scope").to_owned()
    }

    async fn asks_for_tokens(&self, body: String) -> Answer {
        let post = request(Method::POST, "/oauth2/v1/token");
        let post = post.header("content-type", "application/x-www-form-urlencoded");
        self.app.send(post.body(Body::from(body)).expect("a request")).await
    }
}

/// The parameters of an answer at a redirect URI, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told(pub Vec<(String, String)>);

impl Told {
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

/// The form of the page that asks for which organization, with this one chosen.
pub fn choosing(page: &Answer, org_id: OrgId) -> Form {
    Form::on(page, "/organization").with("org", &org_id.to_string())
}
