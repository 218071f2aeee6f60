//! The settings, one file per section. Each field has its parser, and next to it the texts for
//! operators: its name, its default, the allowed values, and what it does.
//!
//! `reference.rs` generates `config/default.toml` from these texts, and errors quote the allowed
//! values.

use serde::Deserialize;

use crate::config::setting::{Section, Setting};

/// Declares a section: its name, its description, and a struct with one [`Setting`] per field.
macro_rules! section {
    (
        $name:literal, $about:literal;
        $(#[$of_struct:meta])*
        pub struct $Struct:ident {
            $($(#[$of_field:meta])* pub $field:ident: $Type:ty = $setting:expr,)*
        }
    ) => {
        $(#[$of_struct])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $Struct {
            $($(#[$of_field])* pub $field: $Type,)*
        }

        impl $Struct {
            pub(in crate::config) const SECTION: $crate::config::setting::Section =
                $crate::config::setting::Section { name: $name, about: $about, settings: &[$($setting),*] };
        }
    };
}

mod bootstrap;
mod client_documents;
mod consent;
mod database;
mod http;
mod keys;
mod limits;
mod links;
mod log;
mod outgoing;
mod partners;
mod registration;
mod resources;
mod restriction;
mod scopes;
mod secrets;
mod sites;
mod tokens;
mod webhooks;

pub use crate::config::sections::bootstrap::Bootstrap;
pub use crate::config::sections::client_documents::ClientDocuments;
pub use crate::config::sections::consent::Consent;
pub use crate::config::sections::database::Database;
pub use crate::config::sections::http::{Http, names_this_machine};
pub use crate::config::sections::keys::Keys;
pub use crate::config::sections::limits::Limits;
pub use crate::config::sections::links::Links;
pub use crate::config::sections::log::{Log, LogFormat};
pub use crate::config::sections::outgoing::Outgoing;
pub use crate::config::sections::partners::Partners;
pub use crate::config::sections::registration::Registration;
pub use crate::config::sections::resources::{DeclaredResource, Resources};
pub use crate::config::sections::restriction::{OnNarrow, RequiredScopes, Restriction};
pub use crate::config::sections::scopes::{CatalogSource, Scopes};
pub use crate::config::sections::secrets::Secrets;
pub use crate::config::sections::sites::Sites;
pub use crate::config::sections::tokens::Tokens;
pub use crate::config::sections::webhooks::Webhooks;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub http: Http,
    pub database: Database,
    pub bootstrap: Bootstrap,
    pub log: Log,
    pub limits: Limits,
    pub registration: Registration,
    pub partners: Partners,
    pub keys: Keys,
    pub links: Links,
    pub restriction: Restriction,
    pub consent: Consent,
    pub resources: Resources,
    pub sites: Sites,
    pub scopes: Scopes,
    pub tokens: Tokens,
    pub client_documents: ClientDocuments,
    pub outgoing: Outgoing,
    pub webhooks: Webhooks,
    pub secrets: Secrets,
}

/// All sections, in the order of the reference.
pub(super) const SECTIONS: &[Section] = &[
    Http::SECTION,
    Database::SECTION,
    Bootstrap::SECTION,
    Log::SECTION,
    Limits::SECTION,
    Registration::SECTION,
    Partners::SECTION,
    Keys::SECTION,
    Links::SECTION,
    Restriction::SECTION,
    Consent::SECTION,
    Resources::SECTION,
    Sites::SECTION,
    Scopes::SECTION,
    Tokens::SECTION,
    ClientDocuments::SECTION,
    Outgoing::SECTION,
    Webhooks::SECTION,
    Secrets::SECTION,
];

pub(super) fn all_settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

pub(super) fn find_setting(name: &str) -> Option<&'static Setting> {
    all_settings().find(|setting| setting.name == name)
}
