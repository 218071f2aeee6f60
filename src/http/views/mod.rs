//! What people see: pages made on the server, without a script, each a struct of what it shows and one `render`.
//!
//! No page asks anything: whoever makes one has read what it shows. The markup is in `templates/`, escaped by askama; the
//! words are in `locales/`, one file for each language.

mod account;
mod answer;
mod app_name;
mod choose_organisation;
mod choose_password;
mod choose_site;
mod consent;
mod device;
#[cfg(test)]
mod gallery;
mod language;
mod login;
mod problem;
mod scope_groups;
mod shown;
mod signed_out;
mod style;
mod words;

pub use account::{AccountPage, AppShown, Notice, SessionShown};
pub use app_name::AppName;
pub use choose_organisation::ChooseOrganisationPage;
pub use choose_password::{ChoosePasswordPage, PasswordFailure};
pub use choose_site::{ChooseSitePage, SiteShown};
pub use consent::{ClientShown, ConsentPage, GoesTo, ReachShown, ResourceShown, Usage, WithheldScope};
pub use language::Language;
pub use login::{LoginFailure, LoginPage};
pub use problem::{Problem, ProblemPage};
pub use scope_groups::ScopeGroup;
pub use signed_out::SignedOutPage;
pub use style::style;
