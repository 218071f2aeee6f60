//! `grantor keys revoke`: revokes a signing key that leaked, and reports the consequences.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::signing_keys::revoke;
use crate::actions::signing_keys::revoke::RevokedSigningKey;
use crate::actions::signing_keys::rotate::SigningRules;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::config::Config;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_period::KEY_SET_MAX_AGE;

/// The documented limit. Servers read the keys more often.
const SERVERS_WITHIN: u64 = 30;

pub async fn revoke(
    context: &Context,
    config: &Config,
    id: &str,
    output: Output,
) -> Result<(), Failure> {
    let rules = SigningRules::of(config);
    let done = revoke::revoke_signing_key(context, rules, id, &AuditActor::COMMAND_LINE).await;
    let done = done.map_err(Failure::failed)?;
    let shown = json!({
        "revoked": {"id": done.key.id, "algorithm": done.key.algorithm},
        "signs_now": {"id": done.signs_now, "is_new": done.is_new},
        "families": done.families,
        "last_token_ends_at": done.last_token_ends_at.map(Timestamp::to_rfc3339),
        "servers_within_seconds": SERVERS_WITHIN,
        "key_set_cached_for_seconds": KEY_SET_MAX_AGE,
    });
    output::item(output, &shown, || text(&done))
}

fn text(done: &RevokedSigningKey) -> String {
    let RevokedSigningKey { key, signs_now, is_new, .. } = done;
    let new = if *is_new { ", a new key," } else { "" };
    format!(
        "Revoked the signing key {} ({}). {signs_now}{new} signs now.\n\n\
         Servers:  within {SERVERS_WITHIN} seconds, every server removes the key from its key set. Introspection, user\n          \
         information and this server's own API then refuse its tokens.\n\
         Tokens:   {}\n\
         APIs:     an API that checks signatures accepts tokens of the key until it fetches the key set again. If it follows\n          \
         Cache-Control, that takes at most {KEY_SET_MAX_AGE} seconds. Restart APIs that cache the key set for longer.\n\
         Next:     find out how the key leaked. If the key ring or a backup may have leaked too, replace `secrets.key`, run\n          \
         `grantor keys re-encrypt`, and revoke every other signing key. A backup taken before now still has the revoked\n          \
         key: after restoring one, run `grantor restore --revoke-everything`.",
        key.id,
        key.algorithm,
        tokens(done),
    )
}

fn tokens(done: &RevokedSigningKey) -> String {
    let (families, has) = match done.families {
        0 => return "no access token that Grantor signed with it is still valid.".to_owned(),
        1 => ("1 authorization".to_owned(), "has"),
        more => (format!("{more} authorizations"), "have"),
    };
    let until = done
        .last_token_ends_at
        .map(|end| format!(" until {}", end.to_rfc3339()))
        .unwrap_or_default();
    format!(
        "up to {families} {has} an access token signed with it, valid{until}. Refresh tokens are not\n          \
         affected: clients get a new access token when they refresh."
    )
}
