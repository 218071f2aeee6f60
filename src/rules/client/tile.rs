//! Who can begin to connect a client from its tile, and for which organizations.
//!
//! Members of the owner see the tile of a private client, and of a published one before it is
//! listed. Everybody sees a listed one.

use crate::id::OrgId;

/// The facts about a tile that decide who sees it.
#[derive(Clone, Copy, Debug)]
pub struct TileFacts {
    pub owner: OrgId,
    pub is_private: bool,
    pub is_listed: bool,
}

/// The organizations of a user for which they can connect the client. If there are none, the user
/// does not see the tile.
pub fn organizations_for(
    tile: TileFacts,
    organizations: &[(OrgId, String)],
) -> Vec<&(OrgId, String)> {
    let is_for_all = tile.is_listed && !tile.is_private;
    organizations.iter().filter(|(id, _)| is_for_all || *id == tile.owner).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_tile_is_for_its_owner_until_it_is_listed() {
        let org = |number: u128| OrgId(Uuid::from_u128(number));
        let acme = [(org(1), "Acme".to_owned()), (org(2), "Umbra".to_owned())];
        let umbra = [(org(2), "Umbra".to_owned())];
        let cases = [
            (false, false, vec![1], vec![]),
            (false, true, vec![1, 2], vec![2]),
            (true, false, vec![1], vec![]),
            (true, true, vec![1], vec![]),
        ];
        for (is_private, is_listed, for_acme, for_umbra) in cases {
            let tile = TileFacts { owner: org(1), is_private, is_listed };
            let ids = |organizations: &[(OrgId, String)]| -> Vec<u128> {
                organizations_for(tile, organizations)
                    .iter()
                    .map(|(id, _)| id.0.as_u128())
                    .collect()
            };
            assert_eq!((ids(&acme), ids(&umbra)), (for_acme, for_umbra), "{tile:?}");
        }
    }
}
