//! An auth method for the receivers of webhooks, stored like one that its owner created.

use grantor::db::engine::Db;
use grantor::db::webhooks::auth_methods;
use grantor::db::webhooks::auth_methods::{AuthMethod, SealedSecret};
use grantor::random::Random;
use grantor::rules::id::{AuthMethodId, OrgId};
use grantor::rules::webhook::receiver_url;
use grantor::sealing;
use grantor::sealing::KeyRing;
use serde_json::{Value, json};

use super::START;

/// Each value contains characters that a form has to escape.
pub const CLIENT_ID: &str = "client 1:ü";
pub const CLIENT_SECRET: &str = "s3cret:+/ %&=\"ü never shown";
pub const TOKEN: &str = "t0ken.never-shown";

/// The response of a token endpoint.
pub fn token_answer(expires_in: impl Into<Value>) -> Value {
    json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": expires_in.into(), "scope": "events"})
}

/// An auth method that is not stored.
pub fn auth_method(ring: &KeyRing, org_id: OrgId, access_token_url: &str) -> AuthMethod {
    let random = Random::system();
    let id = AuthMethodId(random.uuid_v7(0));
    let row = id.0.to_string();
    let place = grantor::actions::webhooks::auth_method_secret::secret_place(&row, org_id);
    let sealed = sealing::seal(ring, &random, place, CLIENT_SECRET.as_bytes());
    AuthMethod {
        id,
        org_id,
        name: "Receivers".to_owned(),
        access_token_url: access_token_url.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: SealedSecret { bytes: sealed.bytes, key_id: sealed.key_id },
        secret_origin: receiver_url::origin(access_token_url),
        audience: Some("https://hooks.example/".to_owned()),
        scope: Some("events more".to_owned()),
        created_at: START,
        modified_at: START,
    }
}

pub async fn store(db: &Db, method: &AuthMethod) {
    let mut tx = db.begin().await.expect("a transaction");
    auth_methods::insert(&mut tx, method).await.expect("a new auth method");
    tx.commit().await.expect("is stored");
}
