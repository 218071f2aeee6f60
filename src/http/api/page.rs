//! Which part of a list is asked for, and how it is sorted and filtered: the query parameters of JSON:API.

use crate::http::error::{About, ApiError};
use crate::rules::syntax::parameters::Parameters;

/// `page[number]` counts from 0. The clients' paginators stop at the first page that is shorter than `page[size]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub size: u32,
    pub number: u32,
}

pub const DEFAULT_SIZE: u32 = 10;
pub const MOST: u32 = 100;
/// Whoever pages further than this has lost the way.
const LAST: u32 = 1_000_000;

impl Page {
    pub fn parse(query: &Parameters) -> Result<Self, ApiError> {
        let number = |name: &'static str, default: u32, allowed: std::ops::RangeInclusive<u32>| {
            let Some(text) = query.get(name) else { return Ok(default) };
            let parsed = text.parse().ok().filter(|number| allowed.contains(number));
            parsed.ok_or_else(|| {
                let (least, most) = (allowed.start(), allowed.end());
                wrong(name, format!("{name} is a whole number from {least} to {most}"))
            })
        };
        Ok(Self { size: number("page[size]", DEFAULT_SIZE, 1..=MOST)?, number: number("page[number]", 0, 0..=LAST)? })
    }
}

/// `true` or `false`, as text.
pub fn flag(query: &Parameters, name: &'static str) -> Result<Option<bool>, ApiError> {
    match query.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(wrong(name, format!("{name} is true or false"))),
    }
}

pub fn wrong(name: &'static str, detail: String) -> ApiError {
    ApiError::BadRequest { detail, about: About::Parameter(name) }
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
