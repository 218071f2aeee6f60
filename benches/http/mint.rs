//! Authorization codes of this server without a browser: its own library stores them like a
//! consent.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;

use grantor::db::authorizations::codes;
use grantor::db::authorizations::codes::AuthorizationCode;
use grantor::db::engine::Db;
use grantor::db::engine::connect::Target;
use grantor::db::engine::error::DbError;
use grantor::db::grants::NewGrant;
use grantor::db::orgs::{memberships, org_clients};
use grantor::db::resources::StoredResource;
use grantor::db::users::User;
use grantor::db::{grants, resources, users};
use grantor::random::Random;
use grantor::rules::authorization::pkce::CodeChallenge;
use grantor::rules::authorization::resource::Resource;
use grantor::rules::client::ClientId;
use grantor::rules::id::{AuthorizedClientId, GrantId, OrgId, ResourceId, UserId};
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;

use crate::failure::Failure;
use crate::token_server::{CHALLENGE, REDIRECT_URI, SCOPE};

/// The users who authorized the client. An exchange locks the row of its grant, so exchanges of one
/// user would wait for each other.
const PEOPLE: usize = 256;
/// The number of codes per transaction.
const TOGETHER: usize = 500;

pub struct Mint {
    runtime: Runtime,
    db: Db,
    random: Random,
    client_id: ClientId,
    scopes: ScopeSet,
    /// The resource of the tokens, which also introspects them: a resource gets no information
    /// about tokens for others.
    api: Resource,
    grants: Vec<GrantId>,
}

impl Mint {
    pub fn open(
        target: &Target,
        org_id: OrgId,
        client_id: ClientId,
        api: Resource,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let random = Random::system();
        let scopes = ScopeSet::parse(SCOPE).unwrap_or_default();
        let (db, grants) = runtime.block_on(async {
            let db = Db::open(target)?;
            let grants = authorize(&db, &random, org_id, client_id, &scopes).await?;
            Ok::<_, DbError>((db, grants))
        })?;
        Ok(Self { runtime, db, random, client_id, scopes, api, grants })
    }

    /// Replaces the grants that the codes are for.
    pub fn use_grants(&mut self, grants: Vec<GrantId>) {
        self.grants = grants;
    }

    pub fn codes(&self, count: usize) -> Result<Vec<String>, Failure> {
        self.runtime.block_on(async {
            let mut codes = Vec::with_capacity(count);
            while codes.len() < count {
                let mut tx = self.db.begin().await?;
                for _ in 0..TOGETHER.min(count - codes.len()) {
                    let code = self.random.application_key();
                    let grant_id = self.grants[codes.len() % self.grants.len()];
                    codes::insert(&mut tx, code.digest(), &self.code(grant_id)).await?;
                    codes.push(code.expose().to_owned());
                }
                tx.commit().await?;
            }
            Ok(codes)
        })
    }

    fn code(&self, grant_id: GrantId) -> AuthorizationCode {
        AuthorizationCode {
            grant_id,
            client_id: self.client_id,
            redirect_uri: Some(REDIRECT_URI.to_owned()),
            code_challenge: Some(CodeChallenge::from_stored(CHALLENGE.to_owned())),
            scopes: self.scopes.clone(),
            resources: vec![self.api.clone()],
            nonce: None,
            signed_in_at: now(),
            expires_at: later(),
            may_refresh: true,
        }
    }

    /// Allows the resource to introspect. Returns its id and its secret.
    pub fn insert_resource(&self) -> Result<(ResourceId, Secret), Failure> {
        let secret = self.random.application_key();
        let resource = StoredResource {
            id: ResourceId(self.random.uuid_v7(millis())),
            uri: self.api.clone(),
            name: "An API".to_owned(),
            scopes: self.scopes.clone(),
            created_at: now(),
        };
        self.runtime.block_on(resources::insert(&self.db, &resource, secret.digest()))?;
        Ok((resource.id, secret))
    }
}

/// A task returns a connection to its pool, so the runtime must still be running.
impl Drop for Mint {
    fn drop(&mut self) {
        self.runtime.block_on(self.db.close());
    }
}

async fn authorize(
    db: &Db,
    random: &Random,
    org_id: OrgId,
    client_id: ClientId,
    scopes: &ScopeSet,
) -> Result<Vec<GrantId>, DbError> {
    let id = || random.uuid_v7(millis());
    let mut made = Vec::with_capacity(PEOPLE);
    let mut tx = db.begin().await?;
    org_clients::lock(&mut tx, org_id, client_id, now()).await?;
    org_clients::assign_authorized_id(&mut tx, org_id, client_id, AuthorizedClientId(id()), now())
        .await?;
    for person in 0..PEOPLE {
        let (user_id, email) = (UserId(id()), format!("person-{person}@example.com"));
        // Nobody signs in, so the hash matches no password.
        let user = User {
            id: user_id,
            email,
            name: None,
            created_at: now(),
            disabled_at: None,
            email_verified_at: None,
        };
        users::insert(&mut tx, &user, "-").await?;
        memberships::insert(&mut tx, org_id, user_id, Role::Standard, now()).await?;
        let id = GrantId(id());
        let consent_digest = random.bytes();
        let grant = NewGrant { id, org_id, client_id, user_id, scopes, consent_digest, now: now() };
        made.push(grants::upsert(&mut tx, &grant).await?);
    }
    tx.commit().await?;
    Ok(made)
}

fn millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn now() -> Timestamp {
    Timestamp::from_seconds((millis() / 1_000) as i64)
}

/// The expiry of a code, later than a whole run.
fn later() -> Timestamp {
    const A_DAY: i64 = 86_400;
    Timestamp::from_seconds(now().seconds() + A_DAY)
}
