//! JSON bodies of the management API.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::rules::syntax::json_object::{JsonObject, ObjectOf};
use crate::rules::syntax::json_text;

/// A body that is sent as JSON or as JSON:API.
pub struct JsonApi<T>(pub T);

/// What a body contains. Errors name the invalid member.
pub trait JsonBody: Sized {
    /// Whether a request without a body is like one with an empty one.
    const MAY_BE_MISSING: bool = false;

    fn parse(bytes: &[u8]) -> Result<Self, ApiError>;
}

impl JsonBody for JsonObject {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        Ok(Self::parse(bytes)?)
    }
}

impl<T: JsonBody> FromRequest<Arc<App>> for JsonApi<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        if T::MAY_BE_MISSING && request.body().is_end_stream() {
            return T::parse(&[]).map(Self);
        }
        let bytes =
            body::read(request, &[body::JSON, body::JSON_API], BodyBounds::of(&app.config)).await?;
        T::parse(&bytes).map(Self)
    }
}

/// serde rejects duplicate members of a struct; a `Value` would accept them.
#[derive(Deserialize)]
#[serde(bound = "A: Default + Deserialize<'de>, M: Default + Deserialize<'de>")]
struct RawDocument<A, M> {
    data: Option<ObjectOf<RawData<A>>>,
    #[serde(default)]
    meta: M,
}

#[derive(Deserialize)]
#[serde(bound = "A: Default + Deserialize<'de>")]
struct RawData<A> {
    id: Option<Value>,
    r#type: Option<Value>,
    #[serde(default)]
    attributes: A,
    relationships: Option<Value>,
}

/// A resource that a caller sends, and the `meta` of its document.
pub struct Resource<A, M> {
    pub id: Option<Value>,
    pub attributes: A,
    pub relationships: Option<Value>,
    pub meta: M,
}

/// The resource of a JSON:API document. Unknown members are ignored. `shape` is the text for any
/// other document.
pub fn resource_of<A, M>(bytes: &[u8], kind: &str, shape: &str) -> Result<Resource<A, M>, ApiError>
where
    A: Default + DeserializeOwned,
    M: Default + DeserializeOwned,
{
    let text = json_text::check(bytes).map_err(|error| ApiError::bad_member(error, ""))?;
    // The message of serde may quote the body, so it is not used.
    let ObjectOf(document): ObjectOf<RawDocument<A, M>> =
        serde_json::from_str(text).map_err(|_| ApiError::bad_member(shape, ""))?;
    let ObjectOf(data) =
        document.data.ok_or_else(|| ApiError::bad_member("data is missing", "/data"))?;
    match data.r#type.as_ref().and_then(Value::as_str) {
        Some(named) if named == kind => {
            let RawData { id, attributes, relationships, .. } = data;
            Ok(Resource { id, attributes, relationships, meta: document.meta })
        }
        _ => Err(ApiError::bad_member(format!("data.type is not {kind}"), "/data/type")),
    }
}

/// The attributes of the resource of a JSON:API document.
pub fn attributes_of<A: Default + DeserializeOwned>(
    bytes: &[u8],
    kind: &str,
    shape: &str,
) -> Result<A, ApiError> {
    Ok(resource_of::<A, IgnoredAny>(bytes, kind, shape)?.attributes)
}
