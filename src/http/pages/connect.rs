//! `GET /connect` lists the clients that a user can connect. `GET` and `POST /connect/{client_id}`
//! show one, and send the user to the page where its publisher begins.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::Response;
use url::Url;

use crate::app::App;
use crate::db::authorizations::connection_starts;
use crate::db::authorizations::connection_starts::ConnectionStart;
use crate::db::clients::published;
use crate::db::clients::published::Tile;
use crate::db::engine::error::DbError;
use crate::db::orgs::memberships;
use crate::http::error::PageError;
use crate::http::extract::PageForm;
use crate::http::extract::browser::Browser;
use crate::http::pages::login::ReturnTo;
use crate::http::redirect::see_other;
use crate::http::views::{ConnectPage, ScopeGroup, TileEntry, TilesPage};
use crate::rules::client::ClientId;
use crate::rules::client::proof::authority;
use crate::rules::client::tile::{TileFacts, organizations_for};
use crate::rules::id::{OrgId, UserId};
use crate::rules::scope::ScopeSet;

/// A request of the client within this time comes from the tile.
const START_TTL: i64 = 30 * 60;
/// Maximum number of tiles on the page.
const MAX_TILES: u32 = 200;

/// The client in the path. A malformed id gets 404.
pub struct TileId(ClientId);

impl<S: Send + Sync> FromRequestParts<S> for TileId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let text = params.as_ref().and_then(|params| params.iter().next()).map(|(_, text)| text);
        let id = text.and_then(|text| ClientId::parse(text).ok());
        id.map(Self).ok_or(PageError::NotFound)
    }
}

pub async fn list(State(app): State<Arc<App>>, browser: Browser) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else {
        return Ok(see_other(&ReturnTo::Tiles.login_url()));
    };
    let db = &app.context.db;
    let mut tiles: Vec<Tile> = Vec::new();
    for (org_id, _) in organizations(&app, signed_in.user.id).await? {
        let (found, _) = published::list_tiles(db, org_id, MAX_TILES, 0).await?;
        let new = found.into_iter().filter(|tile| !tiles.iter().any(|known| known.id == tile.id));
        let new: Vec<Tile> = new.collect();
        tiles.extend(new);
    }
    tiles.sort_by_key(|tile| tile.name.to_lowercase());
    let entry = |tile: Tile| TileEntry {
        id: tile.id.to_string(),
        name: tile.name,
        publisher: tile.owner_name,
        description: tile.description,
    };
    let page = TilesPage { tiles: tiles.into_iter().map(entry).collect() };
    Ok(browser.bound(page.render(browser.language)))
}

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    TileId(id): TileId,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else {
        return Ok(see_other(&ReturnTo::Tile(id).login_url()));
    };
    let (tile, orgs) = find(&app, id, signed_in.user.id).await?;
    let none = ScopeSet::default();
    let page = ConnectPage {
        id: id.to_string(),
        csrf: browser.csrf(),
        name: tile.name,
        publisher: tile.owner_name,
        description: tile.description,
        is_private: tile.is_private,
        host: tile.onboarding_url.as_deref().and_then(authority).map(str::to_owned),
        groups: ScopeGroup::list(&app.catalog, &tile.scopes, &none, &none),
        orgs,
    };
    Ok(browser.bound(page.render(browser.language)))
}

/// Stores the start for this browser, and leads to the stored onboarding URL.
pub async fn begin(
    State(app): State<Arc<App>>,
    TileId(id): TileId,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else {
        return Ok(see_other(&ReturnTo::Tile(id).login_url()));
    };
    let user_id = signed_in.user.id;
    let (tile, orgs) = find(&app, id, user_id).await?;
    let chosen = form.get("org").and_then(|text| ClientId::parse(text).ok());
    let chosen = chosen.map(|id| OrgId(id.uuid()));
    let org_id = match (chosen, orgs.as_slice()) {
        (Some(chosen), _) if orgs.iter().any(|(id, _)| *id == chosen) => chosen,
        (None, [(only, _)]) => *only,
        _ => return Ok(see_other(&format!("/connect/{id}"))),
    };
    let Some(onboarding_url) = tile.onboarding_url else {
        return Ok(see_other(&format!("/connect/{id}")));
    };
    let start = ConnectionStart {
        browser: browser.binding_digest(),
        client_id: id,
        org_id,
        user_id,
        expires_at: app.context.clock.now().plus(START_TTL),
    };
    connection_starts::upsert(&app.context.db, &start).await?;
    let to = with_site(&onboarding_url, &app.config.http.public_url, app.domain());
    Ok(browser.bound(see_other(&to.ok_or(PageError::Internal)?)))
}

/// Adds the same values that the callback carries to the query of the onboarding URL.
fn with_site(onboarding_url: &str, site: &str, domain: &str) -> Option<String> {
    let mut url = Url::parse(onboarding_url).ok()?;
    url.query_pairs_mut().append_pair("site", site).append_pair("domain", domain);
    Some(url.into())
}

/// The tile, and the organizations for which the user can connect it.
async fn find(
    app: &App,
    id: ClientId,
    user_id: UserId,
) -> Result<(Tile, Vec<(OrgId, String)>), PageError> {
    let tile = published::find_tile(&app.context.db, id).await?.ok_or(PageError::NotFound)?;
    let all = organizations(app, user_id).await?;
    let Tile { owner, is_private, is_listed, .. } = tile;
    let orgs = organizations_for(TileFacts { owner, is_private, is_listed }, &all);
    let orgs: Vec<(OrgId, String)> = orgs.into_iter().cloned().collect();
    if orgs.is_empty() { Err(PageError::NotFound) } else { Ok((tile, orgs)) }
}

async fn organizations(app: &App, user_id: UserId) -> Result<Vec<(OrgId, String)>, DbError> {
    let found = memberships::list_of_user(&app.context.db, user_id).await?;
    Ok(found.into_iter().map(|(id, name, _)| (id, name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_and_domain_are_added_to_the_query_of_the_onboarding_url() {
        let add = |url| with_site(url, "https://id.example", "id.example").expect("a URL");
        assert_eq!(
            add("https://pager.example/start"),
            "https://pager.example/start?site=https%3A%2F%2Fid.example&domain=id.example"
        );
        assert_eq!(
            add("https://pager.example/start?from=a%20b"),
            "https://pager.example/start?from=a%20b&site=https%3A%2F%2Fid.example&domain=id.example"
        );
    }
}
