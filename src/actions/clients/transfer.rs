//! Exports a private client with its published one, and imports it on another site. The ids and the
//! digests of the secrets stay, so that one set of credentials works on all sites.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::private::recorded;
use crate::actions::clients::publishing::submit::not_approved;
use crate::actions::context::Context;
use crate::db::clients::own::{OwnClient, Pair};
use crate::db::clients::published::NewPublished;
use crate::db::clients::secrets::{NewSecret, StoredDigest};
use crate::db::clients::versions::{Version, VersionDecision};
use crate::db::clients::{own, published, secrets, versions};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::partners;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::look_alike::look_alike_key;
use crate::rules::client::name::ClientName;
use crate::rules::client::state::ClientState;
use crate::rules::client::version::{Snapshot, VersionState};
use crate::rules::id::{OrgId, SecretId, VersionId};
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::secret::{Digest, hex};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// A client with everything that another site needs. It has digests, and no secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedApp {
    private: ExportedClient,
    /// `None` if no version was approved yet.
    published: Option<ExportedClient>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedClient {
    client_id: String,
    name: String,
    description: Option<String>,
    onboarding_url: Option<String>,
    redirect_uris: Vec<String>,
    scopes: ScopeSet,
    secrets: Vec<ExportedSecret>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedSecret {
    sha256: String,
    last_four: String,
    /// Seconds since 1970, of the previous secret.
    expires_at: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("this organization has no app with this ID")]
    NoSuchClient,
    #[error("an app with this ID exists on this site already")]
    Exists,
    #[error("{0} of the file is not valid")]
    Invalid(&'static str),
    #[error(
        "this app is published: approve the organization as a partner first, with `grantor partner approve`"
    )]
    NotAPartner,
    #[error("{} needs an approval: run `grantor partner approve` with --private-scope", .0.in_words())]
    NotApprovedFor(ScopeSet),
    #[error("a published app of this site has a name that looks like \"{0}\"")]
    NameTaken(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn export_app(
    context: &Context,
    org_id: OrgId,
    id: ClientId,
) -> Result<ExportedApp, TransferError> {
    let db = &context.db;
    let found = own::find(db, org_id, id).await?.ok_or(TransferError::NoSuchClient)?;
    let private =
        own::find(db, org_id, found.pair.private).await?.ok_or(TransferError::NoSuchClient)?;
    let published = match found.pair.published {
        None => None,
        Some(id) => own::find(db, org_id, id).await?,
    };
    let published = match published.filter(|client| client.state.is_in_use()) {
        None => None,
        Some(client) => Some(exported(context, &client).await?),
    };
    Ok(ExportedApp { private: exported(context, &private).await?, published })
}

async fn exported(context: &Context, client: &OwnClient) -> Result<ExportedClient, DbError> {
    let now = context.clock.now();
    let live = secrets::list_digests(&context.db, client.id, now).await?;
    let secret = |stored: StoredDigest| ExportedSecret {
        sha256: hex(stored.digest.bytes()),
        last_four: stored.last_four,
        expires_at: stored.expires_at.map(Timestamp::seconds),
    };
    let metadata = &client.metadata;
    let redirect_uris = metadata.redirect_uris().iter().map(|uri| uri.as_str().to_owned());
    Ok(ExportedClient {
        client_id: client.id.to_string(),
        name: metadata.client_name().as_str().to_owned(),
        description: client.description.clone(),
        onboarding_url: client.onboarding_url.clone(),
        redirect_uris: redirect_uris.collect(),
        scopes: metadata.scope().clone(),
        secrets: live.into_iter().map(secret).collect(),
    })
}

impl ExportedClient {
    fn id(&self) -> Result<ClientId, TransferError> {
        let id = ClientId::parse(&self.client_id);
        // The id of a client that registered itself is derived from its metadata.
        id.ok().filter(|id| id.may_be_confidential()).ok_or(TransferError::Invalid("a client_id"))
    }

    /// Every text is read as when a client is created.
    fn snapshot(&self) -> Result<Snapshot, TransferError> {
        let is_uri = |uri: &String| RedirectUri::parse(uri).is_ok();
        if !self.redirect_uris.iter().all(is_uri) {
            return Err(TransferError::Invalid("a redirect URI"));
        }
        if ClientName::parse(&self.name).is_err() {
            return Err(TransferError::Invalid("a name"));
        }
        if self.onboarding_url.as_ref().is_some_and(|uri| !is_uri(uri)) {
            return Err(TransferError::Invalid("an onboarding URL"));
        }
        Ok(Snapshot {
            name: self.name.clone(),
            description: self.description.clone().unwrap_or_default(),
            onboarding_url: self.onboarding_url.clone().unwrap_or_default(),
            redirect_uris: self.redirect_uris.clone(),
            scopes: self.scopes.clone(),
        })
    }
}

pub async fn import_app(
    context: &Context,
    org_id: OrgId,
    app: &ExportedApp,
    catalog: &ScopeCatalog,
    by: &AuditActor,
) -> Result<OwnClient, TransferError> {
    let imported = context.transact("app.import", |tx| {
        Box::pin(async move {
            check_approvals(tx, org_id, app, catalog).await?;
            let private = import_private(context, tx, org_id, &app.private).await?;
            if let Some(published) = &app.published {
                import_published(context, tx, &private, published).await?;
            }
            let change = OwnClientChange {
                org_id,
                client_id: private.id,
                name: private.metadata.client_name().as_str(),
                step: ClientStep::Created,
                before: None,
                after: recorded(&private),
            };
            record_step(context, tx, by, change).await?;
            own::find(&mut *tx, org_id, private.id).await?.ok_or(TransferError::NoSuchClient)
        })
    });
    match imported.await {
        Err(TransferError::Db(DbError::Duplicate)) => Err(TransferError::Exists),
        imported => imported,
    }
}

/// The approvals of the other site do not count here.
async fn check_approvals(
    tx: &mut Tx,
    org_id: OrgId,
    app: &ExportedApp,
    catalog: &ScopeCatalog,
) -> Result<(), TransferError> {
    let partner = partners::find(&mut *tx, org_id).await?;
    if app.published.is_some() && partner.is_none() {
        return Err(TransferError::NotAPartner);
    }
    let approved = partner.map(|partner| partner.private_scopes).unwrap_or_default();
    let published = app.published.as_ref().map(|client| client.scopes.clone());
    let scopes = app.private.scopes.union(&published.unwrap_or_default());
    let withheld = not_approved(&scopes, &approved, catalog);
    if withheld.is_empty() { Ok(()) } else { Err(TransferError::NotApprovedFor(withheld)) }
}

async fn import_private(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    client: &ExportedClient,
) -> Result<OwnClient, TransferError> {
    let (id, now) = (client.id()?, context.clock.now());
    let private = OwnClient {
        id,
        org_id,
        kind: ClientKind::Private,
        state: ClientState::Private,
        pair: Pair { private: id, published: None, open_version: None },
        published_at: None,
        is_listed: false,
        metadata: client.snapshot()?.metadata(),
        onboarding_url: client.onboarding_url.clone(),
        description: client.description.clone(),
        revision: 1,
        created_by: None,
        created_at: now,
        modified_at: now,
    };
    own::insert(tx, &private).await?;
    import_secrets(context, tx, id, &client.secrets).await?;
    Ok(private)
}

/// The client is published here as it is there.
async fn import_published(
    context: &Context,
    tx: &mut Tx,
    private: &OwnClient,
    client: &ExportedClient,
) -> Result<(), TransferError> {
    let (id, now, snapshot) = (client.id()?, context.clock.now(), client.snapshot()?);
    let (private_client_id, org_id) = (private.id, private.org_id);
    let new = NewPublished { id, private_client_id, org_id, snapshot: &snapshot, now };
    published::insert(tx, new).await?;
    import_secrets(context, tx, id, &client.secrets).await?;
    let key = look_alike_key(&snapshot.name);
    if let Some(name) = published::find_look_alike(&mut *tx, id, &key).await? {
        return Err(TransferError::NameTaken(name));
    }
    published::publish(tx, id, &snapshot, &key, now).await?;
    let version = Version {
        id: VersionId(context.new_id()),
        org_id,
        private_client_id,
        published_client_id: id,
        number: 1,
        state: VersionState::Submitted,
        snapshot,
        note: None,
        scope_reasons: BTreeMap::new(),
        submitted_by: None,
        submitted_at: now,
        decided_at: None,
        decision_note: None,
    };
    versions::insert(tx, &version).await?;
    let state = VersionState::Published;
    let decision = VersionDecision { state, by: None, at: now, note: None };
    Ok(versions::decide(tx, version.id, decision).await?)
}

async fn import_secrets(
    context: &Context,
    tx: &mut Tx,
    client_id: ClientId,
    exported: &[ExportedSecret],
) -> Result<(), TransferError> {
    for secret in exported {
        let digest = Digest::from_hex(&secret.sha256);
        let stored = NewSecret {
            id: SecretId(context.new_id()),
            client_id,
            digest: digest.ok_or(TransferError::Invalid("a secret"))?,
            last_four: secret.last_four.chars().take(4).collect(),
            created_by: None,
            created_at: context.clock.now(),
        };
        secrets::insert(tx, &stored).await?;
        if let Some(expires_at) = secret.expires_at {
            secrets::set_expiry(tx, stored.id, Timestamp::from_seconds(expires_at)).await?;
        }
    }
    Ok(())
}
