//! The people of an organization: its members, its former members, and those who are invited.

use crate::identity::permission::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonStatus {
    Active,
    /// Invited, and the invitation is not accepted yet.
    Pending,
    /// A former member, or a member whose account is disabled.
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status must be Active, Pending or Disabled")]
pub struct PersonStatusError;

impl PersonStatus {
    const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Disabled];

    /// The status as the API and the database name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Pending => "Pending",
            Self::Disabled => "Disabled",
        }
    }

    pub fn parse(text: &str) -> Result<Self, PersonStatusError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(PersonStatusError)
    }

    /// Parses a comma-separated list.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PersonStatusError> {
        text.split(',').map(|status| Self::parse(status.trim())).collect()
    }
}

/// What a list of people is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersonOrder {
    #[default]
    Name,
    Email,
    Status,
    CreatedAt,
    ModifiedAt,
}

/// How a list of people is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonSort {
    pub by: PersonOrder,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonSortError {
    #[error(
        "sort must be one of these, with a leading - for descending order: name, email, status, created_at, modified_at"
    )]
    Order,
    #[error("sort_dir must be asc or desc")]
    Direction,
}

impl PersonOrder {
    pub const ALL: [Self; 5] =
        [Self::Name, Self::Email, Self::Status, Self::CreatedAt, Self::ModifiedAt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::Status => "status",
            Self::CreatedAt => "created_at",
            Self::ModifiedAt => "modified_at",
        }
    }
}

impl PersonSort {
    /// `sort` may begin with `-`, and `direction` reverses it once more.
    pub fn parse(sort: Option<&str>, direction: Option<&str>) -> Result<Self, PersonSortError> {
        let text = sort.unwrap_or_else(|| PersonOrder::default().as_str());
        let (name, is_reversed) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let by = PersonOrder::ALL.into_iter().find(|order| order.as_str() == name);
        let descending = match direction {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(PersonSortError::Direction),
        };
        Ok(Self { by: by.ok_or(PersonSortError::Order)?, descending: is_reversed != descending })
    }
}

/// Whether a caller may give a role to someone whom they invite. Everyone who may invite may give
/// the least role. For another one, they must also be allowed to change roles, because otherwise
/// they could give a role that they cannot take away.
pub const fn may_invite_as(role: Role, may_manage: bool) -> bool {
    may_manage || matches!(role, Role::ReadOnly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_statuses_has_known_ones() {
        use PersonStatus::{Active, Disabled, Pending};
        let cases = [
            ("Active", Ok(vec![Active])),
            ("Pending, Disabled", Ok(vec![Pending, Disabled])),
            ("Active,Active", Ok(vec![Active, Active])),
            ("active", Err(PersonStatusError)),
            ("Active,", Err(PersonStatusError)),
            ("", Err(PersonStatusError)),
        ];
        for (text, expected) in cases {
            assert_eq!(PersonStatus::parse_list(text), expected, "{text}");
        }
        for status in PersonStatus::ALL {
            assert_eq!(PersonStatus::parse(status.as_str()), Ok(status));
        }
    }

    #[test]
    fn people_are_sorted_by_a_known_name_in_either_direction() {
        let sort = |by, descending| Ok(PersonSort { by, descending });
        let cases = [
            (None, None, sort(PersonOrder::Name, false)),
            (None, Some("desc"), sort(PersonOrder::Name, true)),
            (Some("email"), Some("asc"), sort(PersonOrder::Email, false)),
            (Some("-status"), None, sort(PersonOrder::Status, true)),
            (Some("-created_at"), Some("desc"), sort(PersonOrder::CreatedAt, false)),
            (Some("modified_at"), Some("desc"), sort(PersonOrder::ModifiedAt, true)),
            (Some("--name"), None, Err(PersonSortError::Order)),
            (Some("title"), None, Err(PersonSortError::Order)),
            (Some(""), None, Err(PersonSortError::Order)),
            (Some("name"), Some("down"), Err(PersonSortError::Direction)),
        ];
        for (text, direction, expected) in cases {
            assert_eq!(PersonSort::parse(text, direction), expected, "{text:?} {direction:?}");
        }
    }

    #[test]
    fn a_caller_cannot_give_a_role_that_they_cannot_take_away() {
        for role in Role::ALL {
            assert!(may_invite_as(role, true), "{role}");
            assert_eq!(may_invite_as(role, false), role == Role::ReadOnly, "{role}");
        }
    }
}
