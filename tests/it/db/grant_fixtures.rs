//! Two organizations with users and clients, and the grants between them.

use grantor::db::authorizations::codes;
use grantor::db::authorizations::codes::AuthorizationCode;
use grantor::db::clients::registrations;
use grantor::db::engine::Db;
use grantor::db::families::Family;
use grantor::db::families::redemptions;
use grantor::db::grants::revocations;
use grantor::db::grants::{Grant, NewGrant};
use grantor::db::orgs::{memberships, org_clients};
use grantor::db::users::User;
use grantor::db::{families, grants, orgs, users};
use grantor::rules::authorization::resource::Resource;
use grantor::rules::id::{FamilyId, GrantId};
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Digest;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, client_id, new_client, new_user, org_id, user_id, uuid};
use crate::support::START;

/// Ada (1) is a member of Acme (1) and Umbra (2), Eve (2) of Acme. Both organizations know both
/// clients.
pub async fn people_and_clients(db: &Db) {
    orgs::insert(db, org_id(1), "Acme", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Umbra", START).await.expect("is inserted");
    users::insert(
        db,
        &User { name: Some("Ada".to_owned()), ..new_user(1, "ada@mail.example") },
        "hash of ada",
    )
    .await
    .expect("is inserted");
    users::insert(db, &new_user(2, "eve@mail.example"), "hash of eve").await.expect("is inserted");
    for (org, user, role) in [(1, 1, Role::Admin), (1, 2, Role::ReadOnly), (2, 1, Role::Standard)] {
        memberships::insert(db, org_id(org), user_id(user), role, START)
            .await
            .expect("is inserted");
    }
    registrations::insert_new(db, &[new_client(1, "One"), new_client(2, "Two")])
        .await
        .expect("are inserted");
}

pub fn scopes(names: &str) -> ScopeSet {
    ScopeSet::parse(names).expect("scopes")
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text)
}

pub fn resource(uri: &str) -> Resource {
    Resource::parse(uri).expect("a resource")
}

pub fn grant_id(number: u64) -> GrantId {
    GrantId(uuid(number))
}

pub fn family_id(number: u64) -> FamilyId {
    FamilyId(uuid(number))
}

/// Organization, client and user of a consent.
pub type Parties = (u64, u64, u64);

/// Stores a consent and returns the id of its row, new or existing.
pub async fn consent(
    db: &Db,
    number: u64,
    parties: Parties,
    names: &str,
    at: Timestamp,
) -> GrantId {
    let (org_id, client_id, user_id) =
        (org_id(parties.0), client_id(parties.1), user_id(parties.2));
    let scopes = scopes(names);
    let new = NewGrant {
        id: grant_id(number),
        org_id,
        client_id,
        user_id,
        scopes: &scopes,
        consent_digest: [7; 32],
        now: at,
    };
    let mut tx = db.begin().await.expect("begins");
    org_clients::lock(&mut tx, org_id, client_id, at).await.expect("is locked");
    let id = grants::upsert(&mut tx, &new).await.expect("is stored");
    tx.commit().await.expect("commits");
    id
}

pub async fn end(db: &Db, ids: &[GrantId], at: Timestamp) {
    let mut tx = db.begin().await.expect("begins");
    revocations::revoke(&mut tx, ids, at).await.expect("ends");
    tx.commit().await.expect("commits");
}

pub async fn take_scopes(db: &Db, ids: &[GrantId], names: &str) {
    let mut tx = db.begin().await.expect("begins");
    revocations::remove_scopes(&mut tx, ids, &scopes(names), after(500)).await.expect("are taken");
    tx.commit().await.expect("commits");
}

pub async fn grant(db: &Db, id: GrantId) -> Grant {
    grants::find_by_id(db, id).await.expect("is readable").expect("is there")
}

/// A code of Ada in Acme for client One.
pub fn new_code(grant_id: GrantId) -> AuthorizationCode {
    AuthorizationCode {
        grant_id,
        client_id: client_id(1),
        redirect_uri: Some("https://app.example/callback?x=1".to_owned()),
        code_challenge: None,
        scopes: scopes("mcp_read openid"),
        resources: vec![resource("https://mcp.example/mcp")],
        nonce: None,
        signed_in_at: after(-60),
        expires_at: after(60),
        may_refresh: true,
    }
}

pub async fn insert_code(db: &Db, text: &str, code: &AuthorizationCode) {
    let mut tx = db.begin().await.expect("begins");
    codes::insert(&mut tx, digest(text), code).await.expect("is inserted");
    tx.commit().await.expect("commits");
}

/// Redeems a code and returns it, or `None` if it was used or does not exist.
pub async fn redeem(db: &Db, text: &str, family: u64) -> Option<AuthorizationCode> {
    let found = codes::find(db, digest(text)).await.expect("is readable");
    let mut tx = db.begin().await.expect("begins");
    let redeemed = codes::redeem(&mut tx, digest(text), family_id(family)).await.expect("runs");
    tx.commit().await.expect("commits");
    found.filter(|_| redeemed).map(|found| found.code)
}

/// The family that redeeming a code starts.
pub async fn family_of_code(db: &Db, text: &str) -> Option<FamilyId> {
    codes::find(db, digest(text)).await.expect("is readable").and_then(|found| found.family_id)
}

/// A family of Ada in Acme for client One.
pub fn new_family(number: u64, grant_id: GrantId) -> Family {
    Family {
        id: family_id(number),
        grant_id,
        org_id: org_id(1),
        client_id: client_id(1),
        user_id: user_id(1),
        scopes: scopes("mcp_read openid"),
        resources: vec![resource("https://mcp.example/mcp")],
        signed_in_at: after(-60),
        created_at: START,
        key_id: "first".to_owned(),
        sequence: 0,
        current_digest: Some(digest("refresh token 0")),
        previous_digest: None,
        rotated_at: START,
        ends_at: Some(after(1_000_000)),
        revoked_at: None,
    }
}

pub async fn insert_family(db: &Db, family: &Family, forget_at: Option<Timestamp>) {
    let mut tx = db.begin().await.expect("begins");
    redemptions::insert(&mut tx, family, forget_at).await.expect("is inserted");
    tx.commit().await.expect("commits");
}

pub async fn family(db: &Db, number: u64) -> Option<Family> {
    let found = families::find_for_refresh(db, family_id(number)).await.expect("is readable");
    found.map(|found| found.family)
}

pub async fn is_alive(db: &Db, number: u64) -> bool {
    let found = families::find_liveness(db, family_id(number)).await.expect("is readable");
    found.is_some_and(|found| found.revoked_at.is_none())
}
