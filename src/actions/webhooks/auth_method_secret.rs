//! Seals the client secret of an auth method for its row and organization, and opens it to request
//! a token.

use crate::actions::context::Context;
use crate::db::webhooks::auth_methods::{AuthMethod, SealedSecret};
use crate::rules::id::{AuthMethodId, OrgId};
use crate::rules::secret::Secret;
use crate::sealing;
use crate::sealing::{KeyRing, Place, SealError, Sealed};

/// The place of the secret in the database. `row` is the id of the auth method as text.
pub fn secret_place(row: &str, org: OrgId) -> Place<'_> {
    Place { table: "auth_methods", column: "client_secret_sealed", row, org: Some(org) }
}

pub(in crate::actions) fn seal_client_secret(
    context: &Context,
    id: AuthMethodId,
    org: OrgId,
    secret: &Secret,
) -> SealedSecret {
    let (row, plain) = (id.to_string(), secret.expose().as_bytes());
    let Sealed { bytes, key_id } =
        sealing::seal(&context.ring, &context.random, secret_place(&row, org), plain);
    SealedSecret { bytes, key_id }
}

pub fn open_client_secret(ring: &KeyRing, method: &AuthMethod) -> Result<Secret, SealError> {
    let row = method.id.to_string();
    let plain =
        sealing::open(ring, secret_place(&row, method.org_id), &method.client_secret.bytes)?;
    let text = std::str::from_utf8(&plain).map_err(|_| SealError::Damaged)?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::random::Random;
    use crate::rules::timestamp::Timestamp;

    fn method(id: u128, org: u128, bytes: Vec<u8>) -> AuthMethod {
        let now = Timestamp::from_seconds(0);
        AuthMethod {
            id: AuthMethodId(Uuid::from_u128(id)),
            org_id: OrgId(Uuid::from_u128(org)),
            name: "name".to_owned(),
            access_token_url: "https://auth.example".to_owned(),
            client_id: "client".to_owned(),
            client_secret: SealedSecret { bytes, key_id: "development".to_owned() },
            secret_origin: "https://auth.example".to_owned(),
            audience: None,
            scope: None,
            created_at: now,
            modified_at: now,
        }
    }

    #[test]
    fn a_secret_opens_for_its_own_method_and_organization_only() {
        let ring = KeyRing::development();
        let row = Uuid::from_u128(1).to_string();
        let place = secret_place(&row, OrgId(Uuid::from_u128(2)));
        let sealed = sealing::seal(&ring, &Random::seeded(1), place, "gehe!m".as_bytes()).bytes;
        let opened = |id, org| open_client_secret(&ring, &method(id, org, sealed.clone()));

        assert_eq!(opened(1, 2), Ok(Secret::new("gehe!m".to_owned())));
        assert_eq!(opened(3, 2), Err(SealError::Damaged));
        assert_eq!(opened(1, 3), Err(SealError::Damaged));
        assert_eq!(
            open_client_secret(&ring, &method(1, 2, b"damaged".to_vec())),
            Err(SealError::Damaged)
        );
    }
}
