//! The setup of the demo: an organization, a user, a restricted client and a resource server.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::clients::scopes_restriction;
use crate::actions::clients::scopes_restriction::NewRestriction;
use crate::actions::orgs::bootstrap;
use crate::app::App;
use crate::cli::failure::Failure;
use crate::db::resources;
use crate::diagnose::probe::Probe;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, ResourceId};
use crate::rules::scope::ScopeSet;
use crate::rules::scope::scopes_restriction::ScopesRestriction;
use crate::rules::secret::{Digest, Secret};

pub struct Stage {
    pub url: String,
    pub resource: String,
    pub redirect: String,
    pub email: String,
    pub password: Secret,
    pub api_key: Secret,
    pub application_key: Secret,
    pub client: Value,
    pub client_id: String,
    pub verifier: String,
    pub challenge: String,
}

const EMAIL: &str = "ada@demo.example";

impl Stage {
    pub async fn set_up(
        app: &App,
        sample_url: &str,
        resource: &str,
        secret: &Secret,
    ) -> Result<Self, Failure> {
        let context = &app.context;
        let password = context.random.password();
        let made = bootstrap::bootstrap(
            context,
            "Demo",
            EMAIL,
            Some(password.clone()),
            &AuditActor::COMMAND_LINE,
        );
        let made = made.await.map_err(Failure::failed)?;
        add_resource(app, resource, secret).await?;
        let url = app.config.http.public_url.clone();
        let redirect = format!("{sample_url}/callback");
        let client = json!({"client_name": "Demo client", "redirect_uris": [redirect]});
        let client_id = register(&url, &client).await?;
        restrict(app, &client_id, made.org_id).await?;
        let verifier = context.random.token("").expose().to_owned();
        Ok(Self {
            url,
            resource: resource.to_owned(),
            redirect,
            email: EMAIL.to_owned(),
            password,
            api_key: made.keys.api_key.clone(),
            application_key: made.keys.application_key.clone(),
            client,
            client_id,
            challenge: BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&verifier).bytes()),
            verifier,
        })
    }
}

async fn add_resource(app: &App, resource: &str, secret: &Secret) -> Result<(), Failure> {
    let context = &app.context;
    let stored = resources::StoredResource {
        id: ResourceId(context.random.uuid_v7(context.clock.unix_millis())),
        uri: Resource::parse(resource).map_err(Failure::failed)?,
        name: "Demo API".to_owned(),
        scopes: ScopeSet::default(),
        created_at: context.clock.now(),
    };
    Ok(resources::insert(&context.db, &stored, secret.digest()).await?)
}

/// Registers the client over HTTP. The same metadata returns the same ID when the tour registers it
/// again.
async fn register(url: &str, client: &Value) -> Result<String, Failure> {
    let response = Probe::for_operator()
        .post_json(&format!("{url}/api/v2/oauth2/register"), client)
        .await
        .map_err(Failure::failed)?;
    let client_id = response.json().and_then(|body| body["client_id"].as_str().map(str::to_owned));
    client_id.ok_or_else(|| {
        Failure::Failed(format!("the demo's client was not registered: {}", response.summary()))
    })
}

/// Restricts the client to two scopes.
async fn restrict(app: &App, client_id: &str, org_id: OrgId) -> Result<(), Failure> {
    let client_id = ClientId::parse(client_id)
        .map_err(|_| Failure::Failed("the demo's client has no valid client_id".to_owned()))?;
    let restriction =
        ScopesRestriction::parse(&["openid".to_owned()], &["mcp_read".to_owned()], &app.catalog);
    let restriction = restriction.map_err(Failure::failed)?;
    let rules = app.restriction_rules(client_id);
    let new = NewRestriction { org_id, client_id, restriction: Some(&restriction), rules };
    let done =
        scopes_restriction::restrict_scopes(&app.context, new, None, &AuditActor::COMMAND_LINE)
            .await;
    done.map(drop).map_err(Failure::failed)
}
