//! `grantor user disable` and `grantor user enable`.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedAccess;
use crate::actions::users::disable_user;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, counted};
use crate::cli::user::empty_cache;
use crate::rules::timestamp::Timestamp;

pub async fn disable(context: &Context, email: &str, output: Output) -> Result<(), Failure> {
    let ended =
        disable_user::disable_user(context, &empty_cache(), email, &AuditActor::COMMAND_LINE).await;
    let RevokedAccess { grants, last_token_ends_at } = ended.map_err(Failure::failed)?;
    let done = json!({
        "email": email,
        "disabled": true,
        "grants_ended": grants,
        "last_token_expires_at": last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let mut sentences = vec![format!("{email} is disabled.")];
        sentences.push(format!("Access ended for {}.", counted(grants as u64, "app", "apps")));
        sentences.extend(last_token(last_token_ends_at, context.clock.now(), "their last tokens"));
        sentences
    })
}

pub async fn enable(context: &Context, email: &str, output: Output) -> Result<(), Failure> {
    disable_user::enable_user(context, &empty_cache(), email, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    output::item(output, &json!({"email": email, "disabled": false}), || format!("enabled {email}"))
}
