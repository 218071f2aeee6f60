//! Authenticates the client of a request, and counts failures by source.

use crate::actions::clients::authenticate;
use crate::actions::clients::authenticate::AuthenticateError;
use crate::actions::clients::find::FindClientError;
use crate::app::App;
use crate::db::clients::{Client, secrets};
use crate::http::error::OAuthError;
use crate::http::extract::ClientCredentials;
use crate::http::extract::look_ups::wait_for_turn;
use crate::limits::rate_limit::Class;
use crate::rules::client::client_secret::is_well_formed;

/// Finds the client of a request and authenticates it. A secret for a client that does not exist
/// fails like a wrong one, and costs the same search.
pub async fn find_authenticated(
    app: &App,
    client_id: &str,
    sent: &ClientCredentials,
) -> Result<Client, OAuthError> {
    let sends_secret = sent.by_header || sent.secrets.iter().any(|s| is_well_formed(s.expose()));
    match app.find_client.find_known(&app.context, client_id).await {
        Err(FindClientError::Unknown) if sends_secret && !sent.secrets.is_empty() => {
            let now = app.context.clock.now();
            for secret in &sent.secrets {
                secrets::find_live(&app.context.db, secret.digest(), now).await?;
            }
            Err(failed(app, sent))
        }
        found => {
            let client = found?;
            authenticate_client(app, &client, sent).await?;
            Ok(client)
        }
    }
}

/// Counts a failure against its source.
fn failed(app: &App, sent: &ClientCredentials) -> OAuthError {
    let counted = sent.source.map(|source| app.limits.take(Class::FailedKeys, source));
    match counted {
        Some(Err(refused)) => OAuthError::RateLimited(refused),
        _ => OAuthError::BadClientSecret,
    }
}

/// Valid secrets are accepted even from a source that sent wrong ones; otherwise one program could
/// lock out all others on its network.
async fn authenticate_client(
    app: &App,
    client: &Client,
    sent: &ClientCredentials,
) -> Result<(), OAuthError> {
    let ClientCredentials { secrets, by_header, source } = sent;
    let outcome = if client.kind.is_confidential() {
        let _turn = wait_for_turn(&app.limits, *source, &[Class::FailedKeys]).await;
        authenticate::authenticate(&app.context, client, secrets, *by_header).await
    } else {
        authenticate::authenticate(&app.context, client, secrets, *by_header).await
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(AuthenticateError::Public) => Err(OAuthError::Authenticated),
        Err(AuthenticateError::Failed) => Err(failed(app, sent)),
        Err(AuthenticateError::Db(cause)) => Err(cause.into()),
    }
}
