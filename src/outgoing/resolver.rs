//! Resolves names to checked addresses. Connections are made only to the addresses returned here.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::outgoing::error::OutgoingError;
use crate::rules::syntax::address::AddressRules;

pub struct CheckedResolver {
    rules: Arc<AddressRules>,
    lookups: Arc<Semaphore>,
}

/// The limit of concurrent lookups. The system runs each one on a thread and continues even if its
/// caller gave up, so a deliberately slow name server must not take all threads.
const MAX_LOOKUPS: usize = 64;

impl CheckedResolver {
    pub fn new(rules: Arc<AddressRules>) -> Self {
        Self { rules, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, lookups) = (Arc::clone(&self.rules), Arc::clone(&self.lookups));
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let place = lookups
                .try_acquire_owned()
                .map_err(|_| OutgoingError::Busy { host: host.clone() })?;
            let name = host.clone();
            let found = tokio::spawn(async move {
                let _place = place;
                lookup(&name).await
            });
            let found = found.await.map_err(|cause| unresolved(&host, &cause))??;
            let allowed = only_allowed(&rules, &host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Keeps the allowed addresses. Fails only if none is left: a name may have an internal address
/// besides a public one.
fn only_allowed(
    rules: &AddressRules,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, OutgoingError> {
    let mut refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for socket in found {
        match rules.check(socket.ip()) {
            Ok(()) => allowed.push(socket),
            Err(kind) => refused = Some((socket.ip(), kind)),
        }
    }
    match refused {
        Some((address, kind)) if allowed.is_empty() => {
            Err(OutgoingError::Refused { host: host.to_owned(), address, kind })
        }
        _ if allowed.is_empty() => Err(unresolved(host, &"the response contains no address")),
        _ => Ok(allowed),
    }
}

/// Resolves hosts that the operator chose and that may be internal: the proxy, or a server to
/// check.
pub struct PlainResolver;

impl Resolve for PlainResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(lookup(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

/// Resolves without a port, which the HTTP library adds.
async fn lookup(host: &str) -> Result<Vec<SocketAddr>, OutgoingError> {
    let found = tokio::net::lookup_host((host, 0)).await;
    Ok(found.map_err(|cause| unresolved(host, &cause))?.collect())
}

fn unresolved(host: &str, cause: &impl ToString) -> OutgoingError {
    OutgoingError::Unresolved { host: host.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::error::OutgoingError as Error;
    use crate::rules::syntax::address::AddressKind;

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().expect("an address"), 0)).collect()
    }

    #[test]
    fn only_the_allowed_addresses_of_a_name_are_used() {
        let rules = AddressRules::default();
        let check = |found: &[&str]| only_allowed(&rules, "mixed.example", sockets(found));

        assert_eq!(check(&["8.8.8.8", "10.0.0.1", "::1"]), Ok(sockets(&["8.8.8.8"])));
        let (host, address) = ("mixed.example".to_owned(), "::1".parse().expect("an address"));
        assert_eq!(
            check(&["10.0.0.1", "::1"]),
            Err(Error::Refused { host, address, kind: AddressKind::Loopback })
        );
        assert!(matches!(check(&[]), Err(Error::Unresolved { .. })));
    }

    #[tokio::test]
    async fn localhost_is_refused() {
        let resolver = CheckedResolver::new(Arc::new(AddressRules::default()));

        let refused = resolver
            .resolve("localhost".parse().expect("a name"))
            .await
            .map(drop)
            .expect_err("is refused");

        let refused = refused.downcast_ref::<Error>().expect("our own error");
        assert!(matches!(refused, Error::Refused { kind: AddressKind::Loopback, .. }), "{refused}");
    }

    #[tokio::test]
    async fn too_many_concurrent_lookups_are_refused() {
        let resolver = CheckedResolver::new(Arc::new(AddressRules {
            allow_loopback: true,
            ..Default::default()
        }));
        let all = Arc::clone(&resolver.lookups).try_acquire_many_owned(64).expect("all are free");
        let lookup = || resolver.resolve("localhost".parse().expect("a name"));

        let busy = lookup().await.map(drop).expect_err("is busy");
        drop(all);

        assert!(matches!(busy.downcast_ref::<Error>(), Some(Error::Busy { .. })), "{busy}");
        assert!(lookup().await.is_ok());
    }
}
