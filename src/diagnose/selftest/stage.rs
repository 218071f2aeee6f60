//! The setup of the self-test: a temporary user and a temporary resource server.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::orgs::create_org;
use crate::actions::users::create_user;
use crate::actions::users::create_user::NewMember;
use crate::actions::users::remove_temporary_user;
use crate::cli::arguments::org::{SELFTEST_ORG, find_org};
use crate::cli::failure::Failure;
use crate::db::{orgs, resources};
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, ResourceId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::{Secret, hex};

pub struct Stage {
    org_id: OrgId,
    pub user_id: UserId,
    pub email: String,
    pub password: Secret,
    resource_id: ResourceId,
    pub resource: Resource,
    pub resource_secret: Secret,
}

impl Stage {
    pub async fn set_up(context: &Context) -> Result<Self, Failure> {
        let org_id = org(context).await?;
        let name = hex(&context.random.bytes::<8>());
        let password = context.random.password();
        let email = format!("{name}@selftest.invalid");
        let resource = Resource::parse(&format!("https://{name}.selftest.invalid/mcp"))
            .map_err(Failure::failed)?;
        let new = NewMember {
            password: Some(password.clone()),
            ..NewMember::new(&email, Role::Standard)
        };
        let user = create_user::create_user(context, org_id, new, &AuditActor::COMMAND_LINE).await;
        let user = user.map_err(Failure::failed)?;
        let mut stage = Self {
            org_id,
            user_id: user.id,
            email,
            password,
            resource_id: ResourceId(context.random.uuid_v7(context.clock.unix_millis())),
            resource,
            resource_secret: context.random.token("rs_"),
        };
        match stage.add_resource(context).await {
            Ok(()) => Ok(stage),
            Err(failure) => {
                stage.take_down(context, None).await?;
                Err(failure)
            }
        }
    }

    async fn add_resource(&mut self, context: &Context) -> Result<(), Failure> {
        let stored = resources::StoredResource {
            id: self.resource_id,
            uri: self.resource.clone(),
            name: SELFTEST_ORG.to_owned(),
            scopes: ScopeSet::default(),
            created_at: context.clock.now(),
        };
        Ok(resources::insert(&context.db, &stored, self.resource_secret.digest()).await?)
    }

    /// Removes both, with everything that the server stored for them.
    pub async fn take_down(
        &self,
        context: &Context,
        client_id: Option<ClientId>,
    ) -> Result<(), Failure> {
        let resource = resources::delete(&context.db, self.resource_id).await;
        remove_temporary_user::remove_temporary_user(
            context,
            self.org_id,
            self.user_id,
            client_id,
            &AuditActor::COMMAND_LINE,
        )
        .await?;
        resource?;
        Ok(())
    }
}

async fn org(context: &Context) -> Result<OrgId, Failure> {
    if let Some(org) = orgs::find_by_name(&context.db, SELFTEST_ORG).await? {
        return Ok(org.id);
    }
    match create_org::create_org(context, SELFTEST_ORG, &AuditActor::COMMAND_LINE).await {
        Ok(id) => Ok(id),
        // Another self-test created it at the same time.
        Err(create_org::CreateOrgError::Exists(_)) => Ok(find_org(context, SELFTEST_ORG).await?.id),
        Err(error) => Err(Failure::failed(error)),
    }
}
