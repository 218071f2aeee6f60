//! Authenticates the client of a request, and counts failures by source.

use crate::actions::clients::authenticate;
use crate::actions::clients::authenticate::AuthenticateError;
use crate::app::App;
use crate::db::clients::Client;
use crate::http::error::OAuthError;
use crate::http::extract::ClientCredentials;
use crate::http::extract::look_ups::wait_for_turn;
use crate::limits::rate_limit::Class;

/// Valid secrets are accepted even from a source that sent wrong ones; otherwise one program could
/// lock out all others on its network.
pub async fn authenticate_client(
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
        Err(AuthenticateError::Failed) => {
            if let Some(source) = *source {
                app.limits.take(Class::FailedKeys, source).map_err(OAuthError::RateLimited)?;
            }
            Err(OAuthError::BadClientSecret)
        }
        Err(AuthenticateError::Db(cause)) => Err(cause.into()),
    }
}
