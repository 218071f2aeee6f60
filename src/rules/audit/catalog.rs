//! All audit events: their names, their subjects, and the members of `before` and `after`. The
//! reference page of audit events has the same table, and a test compares the two.

/// One kind of audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEventKind {
    pub name: &'static str,
    /// What the event is about, as `kind:ID`. Several are separated by spaces.
    pub subject: &'static str,
    /// The members of `before` and `after`.
    pub members: &'static [&'static str],
    pub meaning: &'static str,
}

const fn kind(
    name: &'static str,
    subject: &'static str,
    members: &'static [&'static str],
    meaning: &'static str,
) -> AuditEventKind {
    AuditEventKind { name, subject, members, meaning }
}

const AUTH_METHOD: &[&str] =
    &["name", "access_token_url", "client_id", "audience", "scope", "client_secret"];
const WEBHOOK: &[&str] = &[
    "name",
    "host",
    "encode_as",
    "auth_method_id",
    "events",
    "url",
    "payload",
    "custom_headers",
    "signing_secret",
    "bound_secrets",
];
const VARIABLE: &[&str] = &["name", "is_secret", "value"];

const PRIVATE_CLIENT: &[&str] =
    &["name", "redirect_uris", "onboarding_url", "description", "scopes"];

const VERSION: &[&str] = &["version_id", "version"];
const DECIDED_VERSION: &[&str] = &["version_id", "version", "note"];
const PARTNER: &[&str] = &["private_scopes", "note"];

/// Sorted by name.
pub const AUDIT_EVENTS: &[AuditEventKind] = &[
    kind("api_key.changed", "api_key:ID", &["name"], "An API key was renamed."),
    kind("api_key.created", "api_key:ID", &["name", "client_id"], "An API key was created."),
    kind("api_key.revoked", "api_key:ID", &["revoked_at"], "An API key was revoked."),
    kind(
        "application_key.changed",
        "application_key:ID",
        &["name", "scopes"],
        "An application key was changed; only changed members are listed.",
    ),
    kind(
        "application_key.created",
        "application_key:ID user:ID",
        &["name", "scopes"],
        "An application key was created for a user.",
    ),
    kind(
        "application_key.revoked",
        "application_key:ID",
        &["revoked_at"],
        "An application key was revoked.",
    ),
    kind(
        "auth_method.changed",
        "auth_method:ID",
        AUTH_METHOD,
        "An auth method was changed; only changed members are listed.",
    ),
    kind(
        "auth_method.created",
        "auth_method:ID",
        AUTH_METHOD,
        "An auth method for webhooks was created.",
    ),
    kind("auth_method.deleted", "auth_method:ID", AUTH_METHOD, "An auth method was deleted."),
    kind(
        "client.changed",
        "client:ID",
        PRIVATE_CLIENT,
        "An organization changed a client of its own; only changed members are listed.",
    ),
    kind(
        "client.created",
        "client:ID",
        PRIVATE_CLIENT,
        "An organization created a client of its own.",
    ),
    kind(
        "client.deleted",
        "client:ID",
        &["grants_ended"],
        "An organization deleted a client of its own.",
    ),
    kind(
        "client.disabled",
        "client:ID",
        &["disabled", "reason", "grants_ended"],
        "An app was disabled in the organization, or the reason for it was changed.",
    ),
    kind(
        "client.enabled",
        "client:ID",
        &["disabled", "grants_ended"],
        "A disabled app was enabled again.",
    ),
    kind(
        "client.listed",
        "client:ID",
        &[],
        "The tile of a published client was shown to all organizations.",
    ),
    kind(
        "client.published",
        "client:ID",
        &["version_id", "version", "changes", "note"],
        "A reviewer approved a version, and it was published.",
    ),
    kind("client.rejected", "client:ID", DECIDED_VERSION, "A reviewer rejected a version."),
    kind(
        "client.resumed",
        "client:ID",
        &["note"],
        "A reviewer let a suspended client be used again.",
    ),
    kind(
        "client.retired",
        "client:ID",
        &["grants_ended"],
        "A published client was retired in all organizations.",
    ),
    kind(
        "client.secret_ended",
        "client:ID",
        &["secret_id", "last_four"],
        "The previous secret of a client was ended before its time.",
    ),
    kind(
        "client.secret_generated",
        "client:ID",
        &["secret_id", "last_four"],
        "The first secret of a client was created.",
    ),
    kind(
        "client.secret_regenerated",
        "client:ID",
        &["secret_id", "last_four", "previous_ends_at"],
        "The secret of a client was replaced.",
    ),
    kind(
        "client.submitted",
        "client:ID",
        VERSION,
        "A version of a client was submitted for review.",
    ),
    kind("client.suspended", "client:ID", &["note"], "A reviewer suspended a published client."),
    kind(
        "client.unlisted",
        "client:ID",
        &[],
        "The tile of a published client was shown to its own organization only.",
    ),
    kind("client.withdrawn", "client:ID", VERSION, "A version was withdrawn from review."),
    kind(
        "code.used_twice",
        "grant:ID family:ID client:ID",
        &["revoked_at"],
        "An authorization code was presented twice, so the tokens from its first use were revoked.",
    ),
    kind(
        "grant.given",
        "grant:ID client:ID",
        &["scopes"],
        "A user authorized an app, or changed what it may do.",
    ),
    kind(
        "grant.revoked",
        "grant:ID",
        &["revoked_at"],
        "The access of an app for one user was revoked.",
    ),
    kind(
        "keys.created",
        "user:ID",
        &["api_key_id", "application_key_id"],
        "An API key and an application key were created, as earlier versions recorded it.",
    ),
    kind(
        "member.invited",
        "invitation:ID",
        &["email", "role", "link_expires_at"],
        "A person was invited to the organization, or a link for an invitation was created.",
    ),
    kind(
        "member.joined",
        "user:ID",
        &["email", "role"],
        "A user became a member of the organization.",
    ),
    kind(
        "member.left",
        "user:ID or invitation:ID",
        &["email", "role", "grants_ended", "application_keys_revoked"],
        "A member left or was removed from the organization, or an invitation was ended.",
    ),
    kind(
        "member.role_changed",
        "user:ID or invitation:ID",
        &["role"],
        "The role of a member or of an invited person was changed.",
    ),
    kind("org.created", "org:ID", &["name"], "The organization was created."),
    kind(
        "org.default_client_scopes_set",
        "org:ID",
        &["default_client_scopes", "grants_narrowed"],
        "The default for apps without a restriction was changed.",
    ),
    kind("org.renamed", "org:ID", &["name"], "The organization was renamed."),
    kind("partner.approved", "partner:ID", PARTNER, "An organization was approved as a partner."),
    kind("partner.changed", "partner:ID", PARTNER, "What a partner may do was changed."),
    kind("partner.ended", "partner:ID", PARTNER, "An organization is no longer a partner."),
    kind(
        "refresh_token.reused",
        "grant:ID family:ID client:ID",
        &["revoked_at"],
        "An old refresh token was presented, so its family was revoked.",
    ),
    kind("resource.created", "resource:ID", &["uri", "name", "scopes"], "A resource was created."),
    kind("resource.deleted", "resource:ID", &[], "A resource was deleted."),
    kind("reviewer.added", "user:ID", &["email"], "A user was named as a reviewer."),
    kind("reviewer.removed", "user:ID", &["email"], "A user is no longer a reviewer."),
    kind(
        "scopes_restriction.lifted",
        "client:ID",
        &["scopes_restriction", "grants_narrowed"],
        "The restriction of an app was removed.",
    ),
    kind(
        "scopes_restriction.set",
        "client:ID",
        &["scopes_restriction", "grants_narrowed"],
        "An app was restricted.",
    ),
    kind(
        "server.restored",
        "server",
        &["at", "revoked"],
        "Everything that a restored backup brought back was revoked.",
    ),
    kind(
        "sign_in.refused",
        "user:ID or unknown accounts",
        &["attempts", "hour"],
        "Sign-in attempts with a wrong password, counted for each account and hour.",
    ),
    kind(
        "signing_key.created",
        "signing_key:ID",
        &["in_use", "algorithm", "signs_from"],
        "A key for signing tokens was created.",
    ),
    kind(
        "signing_key.revoked",
        "signing_key:ID",
        &["algorithm", "public_jwk", "signs_from", "retired_at", "signs_now"],
        "A key for signing tokens was withdrawn.",
    ),
    kind(
        "token.revoked",
        "grant:ID family:ID client:ID",
        &["revoked_at"],
        "An app revoked its own tokens.",
    ),
    kind(
        "user.changed",
        "user:ID or invitation:ID",
        &["name"],
        "The name of a user or of an invited person was changed.",
    ),
    kind(
        "user.disabled",
        "user:ID",
        &["disabled_at", "grants_ended", "sessions_ended"],
        "A user was disabled in all organizations.",
    ),
    kind("user.enabled", "user:ID", &["disabled_at"], "A disabled user was enabled again."),
    kind(
        "user.password_set",
        "user:ID",
        &["made_by_server", "sessions_ended", "grants_ended"],
        "The password of a user was changed.",
    ),
    kind("user.removed", "user:ID", &[], "A user was removed from the server."),
    kind("webhook.changed", "webhook:ID", WEBHOOK, "A webhook was changed."),
    kind("webhook.created", "webhook:ID", WEBHOOK, "A webhook was created."),
    kind("webhook.deleted", "webhook:ID", WEBHOOK, "A webhook was deleted."),
    kind(
        "webhook.replayed",
        "webhook:ID",
        &["deliveries", "event"],
        "Parked deliveries of a webhook were sent again.",
    ),
    kind(
        "webhook_variable.changed",
        "webhook_variable:ID",
        VARIABLE,
        "A webhook variable was changed.",
    ),
    kind(
        "webhook_variable.created",
        "webhook_variable:ID",
        VARIABLE,
        "A webhook variable was created.",
    ),
    kind(
        "webhook_variable.deleted",
        "webhook_variable:ID",
        VARIABLE,
        "A webhook variable was deleted.",
    ),
];

/// An unknown event name, with the most similar known name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown audit event{}", .nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
pub struct UnknownAuditEvent {
    pub nearest: Option<&'static str>,
}

pub fn parse_audit_event(name: &str) -> Result<&'static str, UnknownAuditEvent> {
    let known = AUDIT_EVENTS.iter().find(|kind| kind.name == name).map(|kind| kind.name);
    known.ok_or_else(|| UnknownAuditEvent { nearest: nearest(name) })
}

fn nearest(name: &str) -> Option<&'static str> {
    const MIN_SIMILARITY: f64 = 0.5;
    const MAX_LENGTH: usize = 64;
    if name.len() > MAX_LENGTH {
        return None;
    }
    let similarity = |kind: &AuditEventKind| {
        strsim::normalized_damerau_levenshtein(&name.to_lowercase(), kind.name)
    };
    let scored = AUDIT_EVENTS.iter().map(|kind| (similarity(kind), kind.name));
    let similar = scored.filter(|(similarity, _)| *similarity >= MIN_SIMILARITY);
    similar.max_by(|(left, _), (right, _)| left.total_cmp(right)).map(|(_, name)| name)
}

/// The rows of the table in the documentation.
pub fn markdown_table() -> String {
    let members = |kind: &AuditEventKind| {
        let members: Vec<String> =
            kind.members.iter().map(|member| format!("`{member}`")).collect();
        members.join(", ")
    };
    let row = |kind: &AuditEventKind| {
        format!("| `{}` | `{}` | {} | {} |\n", kind.name, kind.subject, kind.meaning, members(kind))
    };
    AUDIT_EVENTS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<&str> = AUDIT_EVENTS.iter().map(|kind| kind.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();

        assert_eq!(names, sorted);
    }

    #[test]
    fn an_unknown_name_suggests_the_most_similar_one() {
        let nearest = |name: &str| parse_audit_event(name).expect_err("no such event").nearest;

        assert_eq!(parse_audit_event("client.disabled"), Ok("client.disabled"));
        assert_eq!(nearest("client.disable"), Some("client.disabled"));
        assert_eq!(nearest("Grant.Revoke"), Some("grant.revoked"));
        assert_eq!(nearest("zzz"), None);
        assert_eq!(nearest(&"client.disabled".repeat(10)), None);
        let error = parse_audit_event("api_key.revokd").expect_err("no such event").to_string();
        assert_eq!(error, "unknown audit event; did you mean api_key.revoked?");
    }
}
