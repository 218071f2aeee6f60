//! The documentation: the pages of `docs/reference` that are generated, and the links between all pages.

mod links;
mod markdown;
mod reference;
