//! `grantor restore`: revokes everything that a restored backup made valid again.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::revoke_everything;
use crate::actions::grants::revoke_everything::{KeptKeys, RevokedEverything};
use crate::actions::signing_keys::rotate::SigningRules;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::grants::all_access;
use crate::db::grants::all_access::Access;
use crate::key_ring;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Revoke every session, grant, token, code and pending request, every API key and application
    /// key, and every signing key. Without this flag, the command only shows what it would revoke.
    #[arg(long)]
    revoke_everything: bool,
    /// Keep API keys and application keys, including those that were revoked after the backup.
    #[arg(long, requires = "revoke_everything")]
    keep_api_keys: bool,
    /// Keep signing keys, including those that were revoked after the backup.
    #[arg(long, requires = "revoke_everything")]
    keep_signing_keys: bool,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let kept = KeptKeys {
        operator_keys: arguments.keep_api_keys,
        signing_keys: arguments.keep_signing_keys,
    };
    block_on(async {
        // The backup may be older than the last migrations.
        let context = database::open_existing_migrated(&loaded.config).await?;
        if !arguments.revoke_everything {
            return Err(Failure::usage(preview(&all_access::count(&context.db).await?)));
        }
        let ring = key_ring::ring_for_database(&loaded.config, &context.random, &context.db).await;
        let context = Context { ring: ring.map_err(Failure::failed)?, ..context };
        let rules = SigningRules::of(&loaded.config);
        let done =
            revoke_everything::revoke_everything(&context, rules, kept, &AuditActor::COMMAND_LINE)
                .await;
        let (revoked, left) = done.map_err(Failure::failed)?;
        output::item(output, &json!({"revoked": revoked, "left": left}), || text(&revoked, &left))
    })
}

fn preview(now: &Access) -> String {
    format!(
        "this database has {} grants, {} sessions, {} codes, {} pending requests, {} API keys, {} \
         application keys and {} signing keys. Everything that was revoked after the backup is \
         valid again. Run `grantor restore --revoke-everything` to revoke all of it: users must \
         sign in and authorize their apps again, and scripts need new keys",
        now.grants,
        now.sessions,
        now.codes,
        now.pending_requests,
        now.api_keys,
        now.application_keys,
        now.signing_keys,
    )
}

fn text(revoked: &RevokedEverything, left: &Access) -> String {
    format!(
        "Ended {} grants with their tokens, {} sessions, {} codes and {} pending requests.\n\
         Revoked {} API and application keys, and {} signing keys.{}\n\n\
         Not changed by this command; compare it with your records since the backup:\n\
         * {} users who can sign in, with the passwords, roles and organizations they had ({} more are disabled).\n  \
         `grantor user list` shows them; `user disable` and `user set-password` correct them.\n\
         * {} disabled clients and {} restrictions. Repeat what you disabled or restricted since.\n\
         * {} webhooks and {} resource servers with their secrets. Events that were delivered after the backup may be\n  \
         delivered again, with the same webhook-id.\n\n\
         APIs that check signatures accept old access tokens until they fetch the key set again, or until the tokens expire.",
        revoked.grants,
        revoked.sessions,
        revoked.codes,
        revoked.pending_requests,
        revoked.operator_keys,
        revoked.signing_keys,
        if left.api_keys + left.application_keys == 0 {
            " Create new keys with `grantor key create`."
        } else {
            ""
        },
        left.users,
        left.disabled_users,
        left.disabled_clients,
        left.restrictions,
        left.webhooks,
        left.resources,
    )
}
