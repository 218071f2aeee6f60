//! A user with an access token. The grant is stored like a consent, and its code is exchanged.

use axum::http::Method;
use grantor::actions::tokens::exchange::{Exchange, exchange_code};
use grantor::db::authorizations::codes::AuthorizationCode;
use grantor::db::authorizations::{codes, consents};
use grantor::db::grants::NewGrant;
use grantor::db::orgs::org_clients;
use grantor::db::{grants, users};
use grantor::rules::authorization::resource::Resource;
use grantor::rules::client::ClientId;
use grantor::rules::id::{AuthorizedClientId, FamilyId, GrantId, UserId};
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Secret;
use serde_json::Value;

use super::{Answer, TestApp, TestOperator, request};

pub struct Bearer<'a> {
    pub app: &'a TestApp,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub grant_id: GrantId,
    /// The UUID of the client.
    pub authorized_id: AuthorizedClientId,
    pub family_id: FamilyId,
    pub token: Secret,
}

impl<'a> Bearer<'a> {
    /// The scopes that the user grants: for this server itself if no resource is named.
    pub async fn of(
        person: &TestOperator<'a>,
        client_id: &str,
        scopes: &str,
        resources: &[&str],
    ) -> Self {
        let app = person.app;
        let context = app.context();
        let user = users::find_by_email(app.db(), &person.email)
            .await
            .expect("is readable")
            .expect("is there");
        let client = app.app.find_client.find_known(context, client_id).await.expect("is known");
        let scopes = ScopeSet::parse(scopes).expect("scopes");
        let (id, now) = (context.random.uuid_v7(context.clock.unix_millis()), context.clock.now());
        let code = context.random.token("code_");
        let new = NewGrant {
            id: GrantId(id),
            org_id: person.org_id,
            client_id: client.id,
            user_id: user.id,
            scopes: &scopes,
            consent_digest: [0; 32],
            now,
        };
        let mut tx = app.db().begin().await.expect("begins");
        org_clients::lock(&mut tx, person.org_id, client.id, now).await.expect("is locked");
        let grant_id = grants::upsert(&mut tx, &new).await.expect("is stored");
        let keys = if resources.is_empty() { &[""][..] } else { resources };
        consents::add_agreed_scopes(&mut tx, grant_id, "https://app.example/cb", keys, &scopes)
            .await
            .expect("is remembered");
        let authorized_id = AuthorizedClientId(id);
        let authorized = org_clients::assign_authorized_id(
            &mut tx,
            person.org_id,
            client.id,
            authorized_id,
            now,
        )
        .await;
        let stored = AuthorizationCode {
            grant_id,
            client_id: client.id,
            redirect_uri: None,
            code_challenge: None,
            scopes,
            resources: resources
                .iter()
                .map(|uri| Resource::parse(uri).expect("a resource"))
                .collect(),
            nonce: None,
            signed_in_at: now,
            expires_at: now.plus(60),
            may_refresh: true,
        };
        codes::insert(&mut tx, code.digest(), &stored).await.expect("is inserted");
        tx.commit().await.expect("commits");
        let exchange = Exchange {
            client: &client,
            code: &code,
            redirect_uri: None,
            code_verifier: None,
            resources: &[],
        };
        let issued =
            exchange_code(context, &app.app.issuer, app.app.restriction_rules(client.id), exchange)
                .await
                .expect("is exchanged");
        let verified = app.app.issuer.verify(issued.access_token.expose()).await.expect("is ours");
        Self {
            app,
            user_id: user.id,
            client_id: client.id,
            grant_id,
            authorized_id: authorized.expect("is authorized"),
            family_id: verified.family,
            token: issued.access_token,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        request(method, path).header("Authorization", format!("Bearer {}", self.token.expose()))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.app.ask(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.app.ask(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.app.ask_with(self.request(Method::POST, path), body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.app.ask_with(self.request(Method::PATCH, path), body).await
    }

    /// Whether the token is active.
    pub async fn lives(&self) -> bool {
        let found = self.app.app.find_live(self.token.expose()).await;
        found.expect("is readable").is_some()
    }
}
