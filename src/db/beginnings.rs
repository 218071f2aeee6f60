//! How a family begins: with the one use of a code, while its grant lives.
//!
//! On Postgres the usual case is one statement for all that wait, which checks everything that decides and answers with
//! it; what is left over, because something is wrong or on SQLite, is read, judged and told by the caller.

use sqlx::types::Json;

use super::authorization_codes::{self, FoundCode, FoundRow};
use super::column::json;
use super::families::Family;
use super::together::in_order;
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
pub struct Redeeming {
    pub code: Digest,
    pub client_id: ClientId,
    pub redirect_uri: Option<String>,
    /// Of the verifier that was presented.
    pub challenge: Option<CodeChallenge>,
    pub resources: Vec<Resource>,
    pub family_id: FamilyId,
    pub key_id: String,
    pub refresh_token: Option<Digest>,
    pub now: Timestamp,
    pub ends_at: Option<Timestamp>,
    pub forget_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RedeemedRow {
    #[sqlx(flatten)]
    row: FoundRow,
    position: i64,
}

const BEGIN_TOGETHER: &str = "\
    WITH presented AS (
      SELECT family_id, code, client_id, now, redirect_uri, challenge, resources::jsonb AS resources, key_id,
             refresh_token, ends_at, forget_at, position
        FROM UNNEST($1::uuid[], $2::bytea[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                    $8::text[], $9::bytea[], $10::bigint[], $11::bigint[]) WITH ORDINALITY
          AS p (family_id, code, client_id, now, redirect_uri, challenge, resources, key_id, refresh_token,
                ends_at, forget_at, position)),
    live AS (
      SELECT c.digest, g.org_id, g.user_id
        FROM presented p
        JOIN authorization_codes c ON c.digest = p.code
        JOIN grants g ON g.id = c.grant_id
       WHERE g.revoked_at IS NULL
         FOR NO KEY UPDATE OF c SKIP LOCKED FOR SHARE OF g SKIP LOCKED),
    redeemed AS (
      UPDATE authorization_codes c SET family_id = p.family_id
        FROM live, presented p
       WHERE c.digest = live.digest AND p.code = c.digest
         AND c.client_id = p.client_id AND c.family_id IS NULL AND c.expires_at > p.now
         AND (c.redirect_uri IS NULL OR c.redirect_uri = p.redirect_uri)
         AND c.code_challenge IS NOT DISTINCT FROM p.challenge
         AND (p.resources IS NULL OR c.resources @> p.resources)
      RETURNING p.position, live.org_id, live.user_id, p.key_id, p.refresh_token, p.now, p.ends_at, p.forget_at,
                c.grant_id, c.client_id, c.redirect_uri, c.code_challenge, c.scopes, c.resources, c.nonce,
                c.signed_in_at, c.expires_at, c.family_id),
    begun AS (
      INSERT INTO families
        (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id,
         sequence, current_digest, rotated_at, ends_at, forget_at)
      SELECT family_id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, now, key_id,
             0, refresh_token, now, ends_at, forget_at
        FROM redeemed)
    SELECT r.position, r.grant_id, r.client_id, r.redirect_uri, r.code_challenge, r.scopes, r.resources, r.nonce,
           r.signed_in_at, r.expires_at, r.family_id, r.org_id, r.user_id,
           u.email, u.name AS user_name, u.created_at AS user_created_at, u.disabled_at AS user_disabled_at
      FROM redeemed r JOIN users u ON u.id = r.user_id";

/// For each, in their order: what the code was for. `None`: something is wrong with it, and no family has begun. Takes codes
/// before grants, as everything does that takes both; what somebody else holds is not waited for.
pub(super) async fn begin_together(
    db: &Db,
    redeeming: &[Redeeming],
) -> Result<Vec<Result<Option<FoundCode>, DbError>>, DbError> {
    let each = || redeeming.iter();
    let rows: Vec<RedeemedRow> = with_conn!(
        db,
        postgres
            | conn
            | sqlx::query_as(BEGIN_TOGETHER)
                .bind(each().map(|one| one.family_id.0).collect::<Vec<_>>())
                .bind(each().map(|one| one.code.bytes().as_slice()).collect::<Vec<_>>())
                .bind(each().map(|one| one.client_id.uuid()).collect::<Vec<_>>())
                .bind(each().map(|one| one.now.seconds()).collect::<Vec<_>>())
                .bind(each().map(|one| one.redirect_uri.as_deref()).collect::<Vec<_>>())
                .bind(each().map(|one| one.challenge.as_ref().map(CodeChallenge::as_str)).collect::<Vec<_>>())
                .bind(each().map(|one| (!one.resources.is_empty()).then(|| json(&one.resources))).collect::<Vec<_>>())
                .bind(each().map(|one| one.key_id.as_str()).collect::<Vec<_>>())
                .bind(each().map(|one| one.refresh_token.as_ref().map(|it| it.bytes().as_slice())).collect::<Vec<_>>())
                .bind(each().map(|one| one.ends_at.map(Timestamp::seconds)).collect::<Vec<_>>())
                .bind(each().map(|one| one.forget_at.map(Timestamp::seconds)).collect::<Vec<_>>())
                .fetch_all(conn)
                .await,
        sqlite | _conn | Ok(Vec::new())
    )?;
    let rows = rows.into_iter().map(|found| (found.position, found.row));
    Ok(in_order(redeeming.len(), rows, FoundCode::try_from))
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
