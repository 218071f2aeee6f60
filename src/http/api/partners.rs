//! `/api/v2/partners`: the organizations whose clients may be published.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::actions::partners::change_partner::{PartnerTerms, change_partner};
use crate::actions::partners::end_partner::end_partner;
use crate::app::App;
use crate::db::partners;
use crate::db::partners::Partner;
use crate::db::users::reviewers;
use crate::http::api::authorized_resources::{counts, json_api_response, uuid};
use crate::http::api::oauth2_clients::request::Attributes;
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::http::extract::{
    Caller, JsonApi, JsonBody, Members, Query, Resource, Reviewer, resource_of,
};
use crate::rules::client::private_client::AttributeError;
use crate::rules::client::submission::note;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;

const TYPE: &str = "partners";
const SHAPE: &str = "the body is not {\"data\": {\"id\": ..., \"type\": \"partners\", \"attributes\": {...}}} with each \
                     member at most once";

/// The organization in the path. A malformed id gets 404.
pub struct PartnerId(pub OrgId);

impl<S: Send + Sync> FromRequestParts<S> for PartnerId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params.as_ref().and_then(|params| params.iter().next()).map(|(_, text)| text);
        id.and_then(uuid).map(|id| Self(OrgId(id))).ok_or(ApiError::NoSuchPartner)
    }
}

/// The terms of a partner. The attributes are not checked yet.
pub struct PartnerRequest {
    id: Option<Value>,
    attributes: Vec<(String, Value)>,
}

impl JsonBody for PartnerRequest {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { id, attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, TYPE, SHAPE)?;
        Ok(Self { id, attributes })
    }
}

impl PartnerRequest {
    fn is_about(&self, org_id: OrgId) -> Result<(), ApiError> {
        match &self.id {
            None => Err(ApiError::bad_member("data.id is missing", "/data/id")),
            Some(Value::String(text)) if uuid(text) == Some(org_id.0) => Ok(()),
            Some(_) => {
                Err(ApiError::unprocessable("data.id is not the id in the path", "/data/id"))
            }
        }
    }

    fn terms(&self, catalog: &ScopeCatalog) -> Result<PartnerTerms, AttributeError> {
        let mut terms = PartnerTerms { private_scopes: ScopeSet::default(), note: None };
        for (member, value) in &self.attributes {
            match member.as_str() {
                "private_scopes" => terms.private_scopes = private_scopes(value, catalog)?,
                "note" => terms.note = note(value)?,
                unknown => return Err(AttributeError::unknown(unknown)),
            }
        }
        Ok(terms)
    }
}

fn private_scopes(value: &Value, catalog: &ScopeCatalog) -> Result<ScopeSet, AttributeError> {
    const MEMBER: &str = "private_scopes";
    let list = value.as_array();
    let list = list.ok_or_else(|| {
        AttributeError::invalid(MEMBER, "private_scopes is not a list of strings")
    })?;
    let mut names = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        let scope = value.as_str().and_then(|name| catalog.find(name));
        let scope = scope.filter(|scope| scope.private).ok_or_else(|| {
            let text = "this is not a private scope of the catalog of this server";
            AttributeError::invalid(format!("{MEMBER}/{index}"), text)
        })?;
        names.insert(scope.name.clone());
    }
    Ok(names.into_iter().collect())
}

pub async fn list(
    State(app): State<Arc<App>>,
    _reviewer: Reviewer,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let Page { size, number } = Page::parse(&query)?;
    let (found, all) = partners::list(&app.context.db, size, number).await?;
    let data: Vec<Value> = found.iter().map(partner_resource).collect();
    Ok(json_api_response(&json!({"data": data, "meta": counts(all, all)})))
}

/// Members see whether their own organization is a partner.
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Members>,
    PartnerId(org_id): PartnerId,
) -> Result<Response, ApiError> {
    let db = &app.context.db;
    if caller.org_id != org_id && !reviewers::is_reviewer(db, caller.user_id()).await? {
        return Err(ApiError::NotAReviewer);
    }
    let partner = partners::find(db, org_id).await?.ok_or(ApiError::NoSuchPartner)?;
    Ok(json_api_response(&json!({"data": partner_resource(&partner)})))
}

pub async fn replace(
    State(app): State<Arc<App>>,
    reviewer: Reviewer,
    PartnerId(org_id): PartnerId,
    JsonApi(request): JsonApi<PartnerRequest>,
) -> Result<Response, ApiError> {
    request.is_about(org_id)?;
    let terms = request.terms(&app.catalog)?;
    let partner = change_partner(&app.context, org_id, &terms, &reviewer.by).await?;
    Ok(json_api_response(&json!({"data": partner_resource(&partner)})))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    reviewer: Reviewer,
    PartnerId(org_id): PartnerId,
) -> Result<StatusCode, ApiError> {
    end_partner(&app.context, org_id, &reviewer.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn partner_resource(partner: &Partner) -> Value {
    json!({
        "id": partner.org_id,
        "type": TYPE,
        "attributes": {
            "private_scopes": partner.private_scopes.names().collect::<Vec<_>>(),
            "note": partner.note,
            "approved_at": partner.approved_at.to_rfc3339(),
        },
    })
}
