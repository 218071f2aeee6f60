//! `grantor user remove`: removes a member from an organization.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::users::membership::MemberName;
use crate::actions::users::remove_member::remove_member;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, counted};
use crate::cli::user::empty_cache;
use crate::rules::timestamp::Timestamp;

pub async fn remove(
    context: &Context,
    org: &OrgFlag,
    email: &str,
    output: Output,
) -> Result<(), Failure> {
    let org = org.find(context).await?;
    let (member, by) = (MemberName::Email(email), AuditActor::COMMAND_LINE);
    let removed = remove_member(context, &empty_cache(), org.id, member, &by).await;
    let removed = removed.map_err(Failure::failed)?;
    let done = json!({
        "id": removed.user_id,
        "email": email,
        "org": org.name,
        "grants_ended": removed.grants,
        "application_keys_revoked": removed.application_keys,
        "last_token_expires_at": removed.last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let grants = removed.grants as u64;
        let keys = removed.application_keys as u64;
        let mut sentences = vec![
            format!("{email} was removed from {:?}.", org.name),
            format!("Access ended for {}.", counted(grants, "app", "apps")),
            format!("Revoked {}.", counted(keys, "application key", "application keys")),
        ];
        sentences.extend(last_token(
            removed.last_token_ends_at,
            context.clock.now(),
            "their last tokens",
        ));
        sentences
    })
}
