//! The JSON:API query parameters for paging, and helpers for sorting and filtering.

use crate::http::error::ApiError;
use crate::rules::syntax::parameters::Parameters;

/// `page[number]` counts from 0. The paginators of the published clients stop at the first page
/// that is shorter than `page[size]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub size: u32,
    pub number: u32,
}

pub const DEFAULT_SIZE: u32 = 10;
pub const MAX_SIZE: u32 = 100;
/// Bounds the offset; no organization has this many pages.
const MAX_NUMBER: u32 = 1_000_000;

impl Page {
    pub fn parse(query: &Parameters) -> Result<Self, ApiError> {
        let number = |name: &'static str, default: u32, allowed: std::ops::RangeInclusive<u32>| {
            let Some(text) = query.get(name) else { return Ok(default) };
            let parsed = text.parse().ok().filter(|number| allowed.contains(number));
            parsed.ok_or_else(|| {
                let min = allowed.start();
                let max = allowed.end();
                ApiError::bad_parameter(
                    name,
                    format!("{name} must be a whole number from {min} to {max}"),
                )
            })
        };
        Ok(Self {
            size: number("page[size]", DEFAULT_SIZE, 1..=MAX_SIZE)?,
            number: number("page[number]", 0, 0..=MAX_NUMBER)?,
        })
    }
}

/// Parses a parameter that is `true` or `false`.
pub fn flag(query: &Parameters, name: &'static str) -> Result<Option<bool>, ApiError> {
    match query.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::bad_parameter(name, format!("{name} must be true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str) -> Option<(u32, u32)> {
        let query = Parameters::from_query(query).expect("a query");
        Page::parse(&query).ok().map(|page| (page.size, page.number))
    }

    #[test]
    fn pages_count_from_0_and_hold_from_1_to_100_items() {
        let cases = [
            ("", Some((10, 0))),
            ("page%5Bsize%5D=100&page[number]=7", Some((100, 7))),
            ("page[size]=0", None),
            ("page[size]=101", None),
            ("page[number]=-1", None),
            ("page[number]=x", None),
        ];
        for (query, expected) in cases {
            assert_eq!(parsed(query), expected, "{query}");
        }
    }
}
