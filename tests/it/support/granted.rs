//! A user who authorized a client without a browser, by the same action as the consent page.

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::actions::audit::AuditActor;
use grantor::actions::authorize::approve;
use grantor::actions::authorize::approve::{Approval, ApproveError, Requested};
use grantor::actions::authorize::offer_scopes;
use grantor::actions::authorize::offer_scopes::{ConsentRequest, Offer, OfferError};
use grantor::db::audit_events::AuditEvent;
use grantor::db::authorizations::requests;
use grantor::db::authorizations::requests::NewPendingRequest;
use grantor::db::clients::Client;
use grantor::db::resources::StoredResource;
use grantor::db::users::User;
use grantor::db::{resources, users};
use grantor::rules::authorization::pkce::CodeChallenge;
use grantor::rules::authorization::request::{AuthorizationRequest, Prompt};
use grantor::rules::authorization::resource::Resource;
use grantor::rules::id::{OrgId, ResourceId};
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Digest;
use serde_json::{Value, json};

use super::{Answer, TestApp, TestOperator, listed, request};

pub const TOKEN: &str = "/oauth2/v1/token";
pub const REVOKE: &str = "/oauth2/v1/revoke";
pub const INTROSPECT: &str = "/oauth2/v1/introspect";
pub const REDIRECT: &str = "https://example.com/callback";
/// The pair of RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// A resource that every [`Granted`] has, and its secret.
pub const MCP: &str = "https://mcp.example/v1";
pub const MCP_SECRET: &str = "rs_the-secret-of-the-mcp-server";

/// An organization, its administrator, who is the user too, and a client with refresh tokens.
pub struct Granted<'a> {
    pub app: &'a TestApp,
    pub operator: TestOperator<'a>,
    pub user: User,
    pub client_id: String,
}

/// A request that the user has not answered yet.
pub struct Waiting<'r> {
    handle: Digest,
    browser: Digest,
    client: Client,
    request: &'r AuthorizationRequest,
}

/// The response of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let member = |name: &str| answer.json()[name].as_str().unwrap_or_default().to_owned();
        Self { access: member("access_token"), refresh: member("refresh_token") }
    }
}

impl<'a> Granted<'a> {
    pub async fn new(app: &'a TestApp) -> Self {
        insert_resource(app, 1, MCP, MCP_SECRET).await;
        Self::of(app, "Acme").await
    }

    /// Another organization with the same client.
    pub async fn of(app: &'a TestApp, org: &str) -> Self {
        Self::by(app.operator(org).await, "App").await
    }

    /// The same user and another client.
    pub async fn another_client(&self, name: &str) -> Self {
        Self::by(self.operator.on(self.app), name).await
    }

    /// The same client and another user of the organization.
    pub async fn another_user(&self, email: &str) -> Self {
        let role = grantor::rules::identity::permission::Role::Standard;
        let operator = self.operator.colleague(email, role).await;
        Self { client_id: self.client_id.clone(), ..Self::by(operator, "App").await }
    }

    /// The same user and client on another replica.
    pub fn on<'b>(&self, app: &'b TestApp) -> Granted<'b> {
        Granted {
            app,
            operator: self.operator.on(app),
            user: self.user.clone(),
            client_id: self.client_id.clone(),
        }
    }

    async fn by(operator: TestOperator<'a>, client_name: &str) -> Self {
        let app = operator.app;
        let user = users::find_by_email(app.db(), &operator.email)
            .await
            .expect("is readable")
            .expect("is there");
        let client_id =
            registered(app, client_name, &["authorization_code", "refresh_token"]).await;
        Self { app, operator, user, client_id }
    }

    pub fn org_id(&self) -> OrgId {
        self.operator.org_id
    }

    pub async fn code(&self, scope: &str) -> String {
        self.code_for(&asks(scope, &[])).await
    }

    /// A code for [`MCP`], so that its tokens can be introspected.
    pub async fn code_of_mcp(&self, scope: &str) -> String {
        self.code_for(&asks(scope, &[MCP])).await
    }

    pub async fn code_for(&self, request: &AuthorizationRequest) -> String {
        self.approve(request).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Approves everything.
    pub async fn approve(&self, request: &AuthorizationRequest) -> Result<String, ApproveError> {
        let waiting = self.waiting(request).await;
        let offer = self.offer(&waiting).await?;
        let ticked = offer.scopes.all();
        self.answer(&waiting, Some((&offer, &ticked))).await
    }

    /// Stores the request as pending.
    pub async fn waiting<'r>(&self, request: &'r AuthorizationRequest) -> Waiting<'r> {
        let (app, context) = (&self.app.app, self.app.context());
        let client = app
            .find_client
            .find_known(context, &self.client_id)
            .await
            .expect("the client is known");
        let (handle, browser) =
            (context.random.token("ar_").digest(), context.random.token("b_").digest());
        let now = context.clock.now();
        let pending = NewPendingRequest {
            digest: handle,
            browser_digest: browser,
            client_id: client.id,
            request,
            session_id: None,
            created_at: now,
            expires_at: now.plus(600),
        };
        requests::insert(&context.db, &pending).await.expect("is inserted");
        Waiting { handle, browser, client, request }
    }

    fn asking<'b>(&'b self, waiting: &'b Waiting<'_>) -> ConsentRequest<'b> {
        let issuer = &self.app.app.issuer.name;
        ConsentRequest {
            client: &waiting.client,
            request: waiting.request,
            user: &self.user,
            org_id: self.org_id(),
            issuer,
        }
    }

    pub async fn offer(&self, waiting: &Waiting<'_>) -> Result<Offer, OfferError> {
        let rules = self.app.app.restriction_rules(waiting.client.id);
        offer_scopes::offer_scopes(self.app.db(), rules, self.asking(waiting)).await
    }

    /// With the shown and the checked scopes, or with nothing shown because it was granted before.
    pub async fn answer(
        &self,
        waiting: &Waiting<'_>,
        shown_and_ticked: Option<(&Offer, &ScopeSet)>,
    ) -> Result<String, ApproveError> {
        let (app, context) = (&self.app.app, self.app.context());
        let shown = |offer| self.asking(waiting).page_digest(offer);
        let approval = Approval {
            request: Requested::Waiting { handle: waiting.handle, browser: waiting.browser },
            client: &waiting.client,
            user: &self.user,
            signed_in_at: context.clock.now(),
            org_id: self.org_id(),
            answer: shown_and_ticked.map(|(offer, ticked)| approve::Answer {
                page_digest: shown(offer),
                chosen: ticked,
            }),
            code_ttl: app.issuer.lifetimes.code,
        };
        let rules = app.restriction_rules(waiting.client.id);
        let approved =
            approve::approve_request(context, rules, approval, &AuditActor::COMMAND_LINE).await?;
        Ok(approved.code.expose().to_owned())
    }

    /// The form that exchanges a code.
    pub fn exchange<'b>(&'b self, code: &'b str) -> Vec<(&'static str, &'b str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("client_id", &self.client_id),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]
    }

    pub async fn exchanged(&self, code: &str) -> Answer {
        form(self.app, TOKEN, &self.exchange(code)).await
    }

    /// New tokens for [`MCP`].
    pub async fn tokens(&self, scope: &str) -> Tokens {
        Tokens::of(&self.exchanged(&self.code_of_mcp(scope).await).await)
    }

    pub async fn refreshed(&self, refresh_token: &str) -> Answer {
        self.refreshed_with(refresh_token, &[]).await
    }

    pub async fn refreshed_with(&self, refresh_token: &str, more: &[(&str, &str)]) -> Answer {
        let refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("refresh_token", refresh_token),
        ];
        form(self.app, TOKEN, &[&refresh, more].concat()).await
    }

    pub async fn revoked(&self, token: &str) -> Answer {
        form(self.app, REVOKE, &[("client_id", &self.client_id), ("token", token)]).await
    }

    /// Introspects a token as [`MCP`].
    pub async fn introspected(&self, token: &str) -> Value {
        let answer =
            form(self.app, INTROSPECT, &[("client_secret", MCP_SECRET), ("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub async fn is_active(&self, token: &str) -> bool {
        self.introspected(token).await["active"] == json!(true)
    }

    /// The audit events about grants, codes and tokens of the organization.
    pub async fn history(&self) -> Vec<String> {
        let is_one = |action: &String| {
            ["grant.", "code.", "token.", "refresh_token."]
                .iter()
                .any(|kind| action.starts_with(kind))
        };
        self.events().await.into_iter().map(|event| event.action).filter(is_one).collect()
    }

    pub async fn events(&self) -> Vec<AuditEvent> {
        listed::audit_events(self.app.db(), self.org_id(), 500).await.expect("are listed")
    }
}

/// The authorization request of a client.
pub fn asks(scope: &str, resources: &[&str]) -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: REDIRECT.to_owned(),
        redirect_uri_was_sent: true,
        state: None,
        scope: Some(ScopeSet::parse(scope).expect("scopes")),
        code_challenge: Some(
            CodeChallenge::parse(Some(CHALLENGE), Some("S256")).expect("a challenge"),
        ),
        resources: Resource::parse_all(resources.iter().copied()).expect("resources"),
        nonce: None,
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        org_id: None,
        names_site: false,
        ui_locale: None,
    }
}

pub async fn insert_resource(app: &TestApp, number: u64, uri: &str, secret: &str) {
    let resource = StoredResource {
        id: ResourceId(uuid::Uuid::from_u64_pair(0, number)),
        uri: Resource::parse(uri).expect("a resource"),
        name: "A resource".to_owned(),
        scopes: ScopeSet::default(),
        created_at: app.context().clock.now(),
    };
    let digest = Digest::of(secret);
    resources::insert(app.db(), &resource, digest).await.expect("is inserted");
}

pub async fn registered(app: &TestApp, name: &str, grant_types: &[&str]) -> String {
    let body =
        json!({"client_name": name, "redirect_uris": [REDIRECT], "grant_types": grant_types});
    let answer = app.post("/api/v2/oauth2/register", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["client_id"].as_str().expect("a client_id").to_owned()
}

/// Sends a form to the token endpoint.
pub async fn form(app: &TestApp, path: &str, parameters: &[(&str, &str)]) -> Answer {
    form_with(app, path, parameters, &[]).await
}

pub async fn form_with(
    app: &TestApp,
    path: &str,
    parameters: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    let kind = "application/x-www-form-urlencoded";
    let request = request(Method::POST, path).header("content-type", kind);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    app.send(request.body(Body::from(body)).expect("a request")).await
}

/// The header and the claims of a signed token, unverified.
pub fn opened(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}
