//! Hashes of passwords (argon2id, RFC 9106).

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::random::Random;
use crate::rules::secret::Secret;

/// The cost of hashing a password. A stored hash is verified with the cost that it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    memory_kib: u32,
    passes: u32,
}

impl PasswordCost {
    /// The parameters that OWASP and RFC 9106 recommend for 19 MiB. A hash takes about 20 ms. The
    /// caller limits the memory by limiting the concurrent calls.
    pub const RECOMMENDED: Self = Self { memory_kib: 19 * 1024, passes: 2 };
    /// The lowest cost of argon2id. It is only for tests, which hash thousands of passwords.
    pub const MINIMAL: Self = Self { memory_kib: Params::MIN_M_COST, passes: Params::MIN_T_COST };
}

fn argon2id(cost: PasswordCost) -> Argon2<'static> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// This is deliberately slow. Call it only where blocking is allowed.
pub fn hash_password(
    password: &Secret,
    random: &Random,
    cost: PasswordCost,
) -> Result<String, PasswordError> {
    let hash = argon2id(cost)
        .hash_password_with_salt(password.expose().as_bytes(), &random.bytes::<16>())?;
    Ok(hash.to_string())
}

/// This is deliberately slow. Call it only where blocking is allowed.
pub fn password_matches(password: &Secret, stored: &str) -> bool {
    let argon2id = argon2id(PasswordCost::RECOMMENDED);
    PasswordHash::new(stored)
        .is_ok_and(|hash| argon2id.verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct PasswordError(#[from] argon2::password_hash::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let password = Random::seeded(1).password();
        let stored = hash_password(&password, &Random::seeded(2), PasswordCost::RECOMMENDED)
            .expect("hashes");

        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(password_matches(&password, &stored));
        assert!(!password_matches(&Secret::new("wrong".to_owned()), &stored));
        assert!(!password_matches(&password, "not a hash"));
    }
}
