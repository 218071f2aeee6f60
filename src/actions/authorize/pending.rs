//! A pending authorization request: finds, stores and deletes its row. It is bound to the browser
//! that started it.

use crate::actions::authorize::approve::Requested;
use crate::actions::authorize::offer_scopes::ConsentRequest;
use crate::actions::context::Context;
use crate::db::authorizations::requests;
use crate::db::authorizations::requests::NewPendingRequest;
use crate::db::clients;
use crate::db::clients::Client;
use crate::db::engine::error::DbError;
use crate::db::users::User;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::client::proof::ClientProof;
use crate::rules::id::{OrgId, SessionId};
use crate::rules::redirect::trusted::TrustedRedirect;
use crate::rules::secret::{Digest, Secret};
use crate::rules::timestamp::Timestamp;

/// Seconds that a request waits for its user.
const PENDING_TTL: i64 = 600;

#[derive(Debug)]
pub struct Pending {
    /// The secret by which the pages and forms refer to the request.
    pub handle: Secret,
    /// The digest of the cookie of the browser that started the request.
    pub browser: Digest,
    pub client: Client,
    pub redirect: TrustedRedirect,
    pub request: AuthorizationRequest,
    /// When the request arrived.
    pub started_at: Timestamp,
    /// The session of the browser when the request arrived.
    pub started_in: Option<SessionId>,
    /// The organization that the user chose.
    pub chosen_org: Option<OrgId>,
    /// Whether the request has a row, which its completion deletes. A request that never waits for
    /// its user has none.
    pub is_stored: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// It was already answered, has expired, or belongs to another browser.
    #[error("the authorization request is no longer pending")]
    NotPending,
    #[error("the client of the authorization request is unknown")]
    UnknownClient(Box<RefusedRequest>),
    /// The client's redirect URIs have changed since the request arrived.
    #[error("the client did not register the redirect URI")]
    MismatchingRedirect(Box<RefusedRequest>),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Pending {
    pub async fn find(
        context: &Context,
        handle: &str,
        browser: Digest,
    ) -> Result<Self, PendingError> {
        let handle = Secret::new(handle.to_owned());
        let found =
            requests::find(&context.db, handle.digest(), browser, context.clock.now()).await?;
        let row = found.ok_or(PendingError::NotPending)?;
        let found = clients::find(&context.db, row.client_id).await?;
        let Some(client) = found.filter(|client| client.state.is_usable()) else {
            let refused = RefusedRequest::new(Some(&row.client_id.to_string()), None, None);
            return Err(PendingError::UnknownClient(refused.into()));
        };
        let request = row.request;
        let uri = request.redirect_uri.as_str();
        let Some(redirect) =
            TrustedRedirect::from_stored(uri, request.redirect_uri_was_sent, &client.metadata)
        else {
            let refused =
                RefusedRequest::new(Some(&client.wire_id()), Some(uri), Some(&client.metadata));
            return Err(PendingError::MismatchingRedirect(refused.into()));
        };
        Ok(Self {
            handle,
            browser,
            client,
            redirect,
            request,
            started_at: row.created_at,
            started_in: row.session_id,
            chosen_org: row.org_id,
            is_stored: true,
        })
    }

    /// Stores the request so that it can wait for its user, on any replica.
    pub async fn store(&mut self, context: &Context) -> Result<(), PendingError> {
        let row = NewPendingRequest {
            digest: self.handle.digest(),
            browser_digest: self.browser,
            client_id: self.client.id,
            request: &self.request,
            session_id: self.started_in,
            created_at: self.started_at,
            expires_at: self.started_at.plus(PENDING_TTL),
        };
        match requests::insert(&context.db, &row).await {
            // The client was removed a moment ago.
            Err(DbError::Reference) => return Err(PendingError::UnknownClient(Box::default())),
            outcome => outcome?,
        }
        self.is_stored = true;
        Ok(())
    }

    /// Deletes the row, if there is one, so that only one of two submissions of a page is answered.
    pub async fn complete(&self, context: &Context) -> Result<(), PendingError> {
        let handle = self.handle.digest();
        if self.is_stored
            && !requests::delete(&context.db, handle, self.browser, context.clock.now()).await?
        {
            return Err(PendingError::NotPending);
        }
        Ok(())
    }

    /// The request in the form that an approval needs.
    pub fn requested(&self) -> Requested<'_> {
        match self.is_stored {
            true => Requested::Waiting { handle: self.handle.digest(), browser: self.browser },
            false => Requested::New(&self.request),
        }
    }

    pub fn consent_request<'a>(
        &'a self,
        user: &'a User,
        org_id: OrgId,
        issuer: &'a str,
    ) -> ConsentRequest<'a> {
        ConsentRequest { client: &self.client, request: &self.request, user, org_id, issuer }
    }

    /// How far this request proves the client's identity.
    pub fn proof(&self) -> ClientProof {
        ClientProof::of(
            self.client.document.as_deref(),
            self.redirect.as_str(),
            self.redirect.kind(),
        )
    }
}
