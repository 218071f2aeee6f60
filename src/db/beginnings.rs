//! How a family begins: with the one use of a code, while its grant lives.
//!
//! On Postgres the usual case is one statement, which checks everything that decides and answers with it; what is left over,
//! because something is wrong or on SQLite, is read, judged and told by the caller.

use sqlx::types::Json;

use super::authorization_codes::{self, FoundCode, FoundRow};
use super::families::Family;
use super::{Db, DbError, Tx, grants, with_conn};
use crate::oauth::client::ClientId;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::resource::Resource;
use crate::oauth::{FamilyId, Timestamp};
use crate::secret::Digest;

/// In the transaction that holds the grant by `grants::lock_live`, so that no family is born under a revoked one.
pub async fn insert(tx: &mut Tx, family: &Family, forget_at: Option<Timestamp>) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "INSERT INTO families
           (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id, sequence,
            current_digest, previous_digest, rotated_at, ends_at, revoked_at, forget_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    )
    .bind(family.id.0)
    .bind(family.grant_id.0)
    .bind(family.org_id.0)
    .bind(family.client_id.uuid())
    .bind(family.user_id.0)
    .bind(Json(&family.scopes))
    .bind(Json(&family.resources))
    .bind(family.signed_in_at.seconds())
    .bind(family.created_at.seconds())
    .bind(&family.key_id)
    .bind(i64::from(family.sequence))
    .bind(family.current_digest.as_ref().map(|digest| digest.bytes().as_slice()))
    .bind(family.previous_digest.as_ref().map(|digest| digest.bytes().as_slice()))
    .bind(family.rotated_at.seconds())
    .bind(family.ends_at.map(Timestamp::seconds))
    .bind(family.revoked_at.map(Timestamp::seconds))
    .bind(forget_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop))
}

/// A code that is presented, and the family that it begins where nothing is wrong.
#[derive(Clone, Debug)]
pub struct Redeeming<'a> {
    pub code: Digest,
    pub client_id: ClientId,
    pub redirect_uri: Option<&'a str>,
    /// Of the verifier that was presented.
    pub challenge: Option<&'a CodeChallenge>,
    pub resources: &'a [Resource],
    pub family_id: FamilyId,
    pub key_id: &'a str,
    pub refresh_token: Option<Digest>,
    pub now: Timestamp,
    pub ends_at: Option<Timestamp>,
    pub forget_at: Option<Timestamp>,
}

/// What the code was for. `None`: something is wrong with it, and no family has begun. Takes the code before the grant, as
/// everything does that takes both.
pub async fn begin_at_once(db: &Db, redeeming: &Redeeming<'_>) -> Result<Option<FoundCode>, DbError> {
    if !db.is_postgres() {
        return Ok(None);
    }
    let resources = (!redeeming.resources.is_empty()).then_some(Json(redeeming.resources));
    let row: Option<FoundRow> = with_conn!(db, |conn| sqlx::query_as(
        "WITH redeemed AS (
           UPDATE authorization_codes SET family_id = $1
            WHERE digest = $2 AND client_id = $3 AND family_id IS NULL AND expires_at > $4
              AND (redirect_uri IS NULL OR redirect_uri = $5) AND code_challenge IS NOT DISTINCT FROM $6
              AND ($7::jsonb IS NULL OR resources @> $7)
           RETURNING *),
         live AS (
           SELECT grants.id, grants.org_id, grants.user_id FROM grants JOIN redeemed ON redeemed.grant_id = grants.id
            WHERE grants.revoked_at IS NULL FOR SHARE OF grants),
         begun AS (
           INSERT INTO families
             (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id, sequence,
              current_digest, rotated_at, ends_at, forget_at)
           SELECT $1, live.id, live.org_id, redeemed.client_id, live.user_id, redeemed.scopes, redeemed.resources,
                  redeemed.signed_in_at, $4, $8, 0, $9, $4, $10, $11
             FROM redeemed, live
           RETURNING org_id, user_id)
         SELECT c.grant_id, c.client_id, c.redirect_uri, c.code_challenge, c.scopes, c.resources, c.nonce,
                c.signed_in_at, c.expires_at, c.family_id, begun.org_id, begun.user_id,
                u.email, u.name AS user_name, u.created_at AS user_created_at, u.disabled_at AS user_disabled_at
           FROM redeemed c, begun JOIN users u ON u.id = begun.user_id"
    )
    .bind(redeeming.family_id.0)
    .bind(redeeming.code.bytes().as_slice())
    .bind(redeeming.client_id.uuid())
    .bind(redeeming.now.seconds())
    .bind(redeeming.redirect_uri)
    .bind(redeeming.challenge.map(CodeChallenge::as_str))
    .bind(resources)
    .bind(redeeming.key_id)
    .bind(redeeming.refresh_token.as_ref().map(|digest| digest.bytes().as_slice()))
    .bind(redeeming.ends_at.map(Timestamp::seconds))
    .bind(redeeming.forget_at.map(Timestamp::seconds))
    .fetch_optional(conn)
    .await)?;
    row.map(FoundCode::try_from).transpose()
}

/// The one use of a code that was read and found good. False: it was used meanwhile, or is over, or its grant has ended.
pub async fn begin(db: &Db, code: Digest, family: &Family, forget_at: Option<Timestamp>) -> Result<bool, DbError> {
    let now = family.created_at;
    let mut tx = db.begin().await?;
    let redeemed = authorization_codes::redeem(&mut tx, code, family.client_id, family.id, now).await?;
    if redeemed.is_none() || !grants::lock_live(&mut tx, family.grant_id, now).await? {
        tx.roll_back().await?;
        return Ok(false);
    }
    insert(&mut tx, family, forget_at).await?;
    tx.commit().await?;
    Ok(true)
}
