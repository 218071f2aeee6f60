//! Revokes a token at the request of its client (RFC 7009). Either kind of token revokes the whole
//! family. Tokens of other clients are ignored.

use crate::actions::context::Context;
use crate::actions::tokens::issue::Issuer;
use crate::actions::tokens::refresh::is_authentic;
use crate::actions::tokens::revoke_family::{RevocationReason, revoke_family};
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::rules::client::ClientId;
use crate::rules::id::FamilyId;
use crate::rules::token::refresh_token::RefreshToken;

pub async fn revoke_token(
    context: &Context,
    issuer: &Issuer,
    client_id: ClientId,
    token: &str,
) -> Result<(), DbError> {
    let family = match RefreshToken::parse(token) {
        Ok(refresh_token) => {
            family_of_refresh_token(context, issuer, client_id, &refresh_token).await?
        }
        Err(_) => family_of_access_token(context, issuer, client_id, token).await?,
    };
    match family {
        Some(id) => revoke_family(context, issuer, id, RevocationReason::Revoked).await,
        None => Ok(()),
    }
}

async fn family_of_refresh_token(
    context: &Context,
    issuer: &Issuer,
    client_id: ClientId,
    token: &RefreshToken,
) -> Result<Option<FamilyId>, DbError> {
    let found = families::find_for_refresh(&context.db, token.family).await?;
    let found = found.filter(|found| found.family.client_id == client_id);
    Ok(found
        .filter(|found| is_authentic(issuer, &found.family, token))
        .map(|found| found.family.id))
}

async fn family_of_access_token(
    context: &Context,
    issuer: &Issuer,
    client_id: ClientId,
    token: &str,
) -> Result<Option<FamilyId>, DbError> {
    let Some(claims) = issuer.verify(token).await else { return Ok(None) };
    let found = families::find_liveness(&context.db, claims.family).await?;
    Ok(found.filter(|family| family.client_id == client_id).map(|_| claims.family))
}
