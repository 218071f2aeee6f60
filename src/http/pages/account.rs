//! `/account`: the user's connected apps, sessions and password, and the forms that change them.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use crate::actions::grants::revoke_grant::revoke_grant;
use crate::actions::sign_in::{
    AtBrowser, ChangePasswordError, PasswordChange, change_password, end_other_sessions, sign_out,
};
use crate::app::App;
use crate::db::families::last_tokens;
use crate::db::grants;
use crate::db::grants::Grant;
use crate::db::users::{sessions, sign_in_failures};
use crate::http::error::PageError;
use crate::http::extract::PageForm;
use crate::http::extract::browser::{Browser, SignedIn};
use crate::http::redirect::see_other;
use crate::http::views::{AccountPage, AppEntry, AppName, Notice, SessionEntry};
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::client::ClientId;
use crate::rules::client::proof::authority;
use crate::rules::id::{GrantId, SessionId};
use crate::rules::identity::password::PasswordError;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Secret;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::token::remaining_life::RemainingLife;

const SECONDS_PER_DAY: i64 = 86_400;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    match &browser.signed_in {
        Some(signed_in) => {
            let query = Parameters::from_query(query.as_deref().unwrap_or_default())?;
            let notice = query.get("notice").and_then(Notice::parse);
            let ended = notice
                .filter(|notice| *notice == Notice::AppRevoked)
                .and_then(|_| uuid_parameter(&query, "grant"));
            let last_token = last_token(&app, signed_in, ended.map(GrantId)).await?;
            page(&app, &browser, signed_in, notice, last_token).await
        }
        None => Ok(see_other("/login")),
    }
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else { return Ok(see_other("/login")) };
    let id = uuid_parameter(&form, "grant").map(GrantId).ok_or(PageError::NotFound)?;
    revoke_grant(&app.context, id, |grant| grant.user_id == signed_in.user.id, &browser.by())
        .await?;
    Ok(see_other(&format!("/account?notice={}&grant={id}", Notice::AppRevoked.as_str())))
}

pub async fn end_session(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else { return Ok(see_other("/login")) };
    let id = uuid_parameter(&form, "session").map(SessionId).ok_or(PageError::NotFound)?;
    sign_out(&app.context, id, signed_in.user.id).await?;
    if id == signed_in.session.id {
        return Ok(browser.without_session(see_other("/login")));
    }
    Ok(redirect_with_notice(Notice::SessionEnded))
}

pub async fn end_others(
    State(app): State<Arc<App>>,
    PageForm { browser, .. }: PageForm,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else { return Ok(see_other("/login")) };
    end_other_sessions(&app.context, signed_in.user.id, signed_in.session.id).await?;
    Ok(redirect_with_notice(Notice::OtherSessionsEnded))
}

/// Requires the current password and counts failures, so that a browser left open is not enough to
/// take over the account.
pub async fn password(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let Some(signed_in) = &browser.signed_in else { return Ok(see_other("/login")) };
    let account = Counted::Key(signed_in.user.id.0);
    if app.limits.take(Class::LoginAccount, account).is_err() {
        return page(&app, &browser, signed_in, Some(Notice::TooMany), None).await;
    }
    let secret = |name| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let at = AtBrowser {
        user: &signed_in.user,
        session: signed_in.session.id,
        browser: browser.known_digest(),
    };
    let end_grants = form.get("end_grants").is_some();
    let change = PasswordChange { current: secret("current"), new: secret("new"), end_grants };
    let changed = change_password(&app.context, at, change, &browser.by()).await;
    if !matches!(changed, Err(ChangePasswordError::WrongPassword)) {
        app.limits.give_back(Class::LoginAccount, account);
    }
    let notice = match changed {
        Ok(known) => {
            let notice = if end_grants {
                Notice::PasswordChangedAndAppsEnded
            } else {
                Notice::PasswordChanged
            };
            return Ok(browser.with_known_browser(redirect_with_notice(notice), &known));
        }
        Err(ChangePasswordError::WrongPassword) => Notice::WrongPassword,
        Err(ChangePasswordError::Weak(PasswordError::Personal)) => Notice::PasswordPersonal,
        Err(ChangePasswordError::Weak(PasswordError::Common) | ChangePasswordError::Same) => {
            Notice::PasswordCommon
        }
        Err(ChangePasswordError::Weak(PasswordError::TooShort | PasswordError::TooLong)) => {
            Notice::PasswordLength
        }
        Err(ChangePasswordError::Busy(_)) => return Err(PageError::Busy),
        Err(ChangePasswordError::Db(cause)) => return Err(cause.into()),
    };
    page(&app, &browser, signed_in, Some(notice), None).await
}

/// How long APIs that only check signatures may accept the last token of a grant that the user
/// just ended.
async fn last_token(
    app: &App,
    signed_in: &SignedIn,
    ended: Option<GrantId>,
) -> Result<Option<RemainingLife>, PageError> {
    let Some(id) = ended else { return Ok(None) };
    let db = &app.context.db;
    let is_theirs =
        |grant: &Grant| grant.user_id == signed_in.user.id && grant.revoked_at.is_some();
    match grants::find_by_id(db, id).await?.filter(is_theirs) {
        Some(_) => Ok(RemainingLife::until(
            last_tokens::latest_end(db, &[id]).await?,
            app.context.clock.now(),
        )),
        None => Ok(None),
    }
}

/// Redirects to the page, so that reloading it does not repeat the action.
fn redirect_with_notice(notice: Notice) -> Response {
    see_other(&format!("/account?notice={}", notice.as_str()))
}

fn uuid_parameter(form: &Parameters, name: &str) -> Option<uuid::Uuid> {
    form.get(name).and_then(|text| ClientId::parse(text).ok()).map(ClientId::uuid)
}

async fn page(
    app: &App,
    browser: &Browser,
    signed_in: &SignedIn,
    notice: Option<Notice>,
    last_token: Option<RemainingLife>,
) -> Result<Response, PageError> {
    let db = &app.context.db;
    let apps = grants::list_of_user(db, signed_in.user.id).await?.into_iter().map(|own| {
        let published_by = own.document.as_deref().and_then(authority).map(str::to_owned);
        AppEntry {
            grant_id: own.grant.id,
            app: AppName { name: own.client_name, published_by },
            org_name: own.org_name,
            scopes: descriptions(app, &own.grant.scopes),
            since: own.grant.consented_at,
            last_used: own.grant.last_used_at,
        }
    });
    let sessions =
        sessions::list(db, signed_in.user.id).await?.into_iter().map(|session| SessionEntry {
            id: session.id,
            is_this: session.id == signed_in.session.id,
            user_agent: session.user_agent,
            address: session.address,
            since: session.signed_in_at,
            last_seen: session.last_seen_at,
        });
    let since = app.context.clock.now().minus(SECONDS_PER_DAY);
    let failed_attempts = sign_in_failures::attempts_since(db, signed_in.user.id, since).await?;
    let page = AccountPage {
        csrf: browser.csrf(),
        email: signed_in.user.email.clone(),
        apps: apps.collect(),
        sessions: sessions.collect(),
        failed_attempts,
        notice,
        last_token,
    };
    Ok(browser.bound(page.render(browser.language)))
}

fn descriptions(app: &App, scopes: &ScopeSet) -> Vec<String> {
    let description = |name: &str| app.catalog.find(name).map(|scope| scope.description.clone());
    scopes.names().map(|name| description(name).unwrap_or_else(|| name.to_owned())).collect()
}
