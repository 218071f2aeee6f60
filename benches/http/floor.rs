//! The floor: the minimal work of an axum and sqlx server. Without middleware, tracing and rules,
//! it serves a static document from memory, one client by its key with one prepared statement, and
//! a POST whose JSON is parsed into typed fields.

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::failure::Failure;
use crate::options::Floor;

pub const STATIC_PATH: &str = "/static";
pub const PARSE_PATH: &str = "/parse";

/// The default number of our own server.
const POOL: u32 = 16;

pub fn serve(floor: &Floor) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = PgPoolOptions::new().max_connections(POOL).test_before_acquire(false);
        let pool = options.connect(&floor.database).await?;
        let document: &'static str = "x".repeat(floor.bytes).leak();
        let router = Router::new()
            .route(
                STATIC_PATH,
                get(
                    move || async move { ([(header::CONTENT_TYPE, "application/json")], document) },
                ),
            )
            .route("/client/{id}", get(read_client))
            .route(PARSE_PATH, post(parse))
            .with_state(pool);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, floor.port)).await?;
        Ok(axum::serve(listener, router).await?)
    })
}

#[derive(Serialize, sqlx::FromRow)]
struct Client {
    client_id: Uuid,
    client_name: String,
    redirect_uris: sqlx::types::Json<Vec<String>>,
    grant_types: sqlx::types::Json<Vec<String>>,
    scope: String,
    token_endpoint_auth_method: String,
}

async fn read_client(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Response {
    let found = sqlx::query_as::<_, Client>(
        "SELECT id AS client_id, name AS client_name, redirect_uris, grant_types, scope, \
                auth_method AS token_endpoint_auth_method \
         FROM clients WHERE id = $1",
    );
    match found.bind(id).fetch_optional(&pool).await {
        Ok(Some(client)) => Json(client).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The members of a registration (RFC 7591 section 2).
#[derive(Deserialize)]
struct Registration {
    client_name: String,
    redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    response_types: Vec<String>,
    token_endpoint_auth_method: String,
    scope: String,
    client_uri: String,
    logo_uri: String,
    policy_uri: String,
    tos_uri: String,
}

/// The same response for every registration with at least one member.
async fn parse(Json(registration): Json<Registration>) -> Response {
    let Registration {
        client_name, token_endpoint_auth_method, scope, client_uri, logo_uri, ..
    } = &registration;
    let texts = [
        client_name,
        token_endpoint_auth_method,
        scope,
        client_uri,
        logo_uri,
        &registration.policy_uri,
    ];
    let lists =
        [&registration.redirect_uris, &registration.grant_types, &registration.response_types];
    let is_whole =
        texts.iter().all(|text| !text.is_empty()) && lists.iter().all(|list| !list.is_empty());
    if is_whole && !registration.tos_uri.is_empty() {
        ([(header::CONTENT_TYPE, "application/json")], r#"{"parsed":true}"#).into_response()
    } else {
        StatusCode::BAD_REQUEST.into_response()
    }
}
