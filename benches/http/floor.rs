//! The floor: the least that an axum and sqlx server does, as a measure for ours. No middleware, no tracing, no rules:
//! a static document from memory, and one client read by its key with one prepared statement.

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::failure::Failure;
use crate::options::Floor;

pub const STATIC_PATH: &str = "/static";

/// As many as our own server has by default.
const POOL: u32 = 16;

pub fn serve(floor: &Floor) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = PgPoolOptions::new().max_connections(POOL).test_before_acquire(false);
        let pool = options.connect(&floor.database).await?;
        let document: &'static str = "x".repeat(floor.bytes).leak();
        let router = Router::new()
            .route(STATIC_PATH, get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) }))
            .route("/client/{id}", get(read_client))
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
