//! The metadata of a registered client (RFC 7591 section 2), as it is parsed from a request,
//! returned in the response, stored, and read from storage.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};

use crate::client::grant_types::{GrantType, ResponseType, TokenEndpointAuthMethod};
use crate::client::member::Member;
use crate::client::metadata_error::{MetadataError, Problem};
use crate::client::name::ClientName;
use crate::client::raw_metadata::RawClientMetadata;
use crate::client::registration::{
    RegistrationRules, client_name, grant_types, jwks_uri, logo_uri, redirect_uris, response_types,
    scope, token_endpoint_auth_method, web_uri,
};
use crate::redirect::uri::RedirectUri;
use crate::scope::{ScopeSet, ScopeToken};
use crate::syntax::web_uri::{PublicHttpsUri, WebUri};

/// Serializes to the registered members, in this order. Absent members are omitted, because clients
/// refuse a `null` where they expect a string (RFC 7591 section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientMetadata {
    client_name: ClientName,
    redirect_uris: Vec<RedirectUri>,
    grant_types: BTreeSet<GrantType>,
    response_types: [ResponseType; 1],
    token_endpoint_auth_method: TokenEndpointAuthMethod,
    #[serde(skip_serializing_if = "ScopeSet::is_empty", serialize_with = "as_scope_parameter")]
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<WebUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<PublicHttpsUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<WebUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<WebUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<PublicHttpsUri>,
}

impl ClientMetadata {
    /// Returns the first error, in the order of the members.
    pub fn parse(
        raw: &RawClientMetadata,
        rules: &RegistrationRules<'_>,
    ) -> Result<Self, MetadataError> {
        let metadata = Self::parse_members(raw, rules)?;
        let max = rules.bounds.metadata_bytes;
        match metadata.stored_bytes() {
            bytes if bytes <= max => Ok(metadata),
            _ => Err(MetadataError::of_all(Problem::TooLarge { max })),
        }
    }

    /// The metadata of a confidential client.
    pub fn confidential(
        client_name: ClientName,
        redirect_uris: Vec<RedirectUri>,
        scope: ScopeSet,
    ) -> Self {
        Self {
            client_name,
            redirect_uris,
            grant_types: GrantType::ALL.into_iter().collect(),
            response_types: [ResponseType::Code],
            token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
            scope,
            client_uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            jwks_uri: None,
        }
    }

    fn parse_members(
        raw: &RawClientMetadata,
        rules: &RegistrationRules<'_>,
    ) -> Result<Self, MetadataError> {
        Ok(Self {
            client_name: client_name(raw)?,
            redirect_uris: redirect_uris(raw, rules)?,
            grant_types: grant_types(raw, rules)?,
            response_types: response_types(raw)?,
            token_endpoint_auth_method: token_endpoint_auth_method(raw, rules)?,
            scope: scope(raw, rules)?,
            client_uri: web_uri(raw, Member::ClientUri)?,
            logo_uri: logo_uri(raw)?,
            policy_uri: web_uri(raw, Member::PolicyUri)?,
            tos_uri: web_uri(raw, Member::TosUri)?,
            jwks_uri: jwks_uri(raw)?,
        })
    }

    /// The length of the JSON that is stored.
    fn stored_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }

    /// Reads metadata that was stored when the client registered, possibly under different rules.
    /// Values that the current rules refuse are left out, so a redirect URI that is now considered
    /// dangerous no longer works. A redirect URI that is only spelled in another way does. The
    /// client itself stays valid.
    pub fn from_stored(json: &str) -> Result<Self, StoredMetadataError> {
        let stored: StoredMetadata = serde_json::from_str(json)?;
        let redirects = stored
            .redirect_uris
            .iter()
            .filter_map(|text| RedirectUri::parse_any_spelling(text).ok());
        let page = |text: Option<String>| text.and_then(|text| WebUri::parse(&text).ok());
        let public = |text: Option<String>| text.and_then(|text| PublicHttpsUri::parse(&text).ok());
        Ok(Self {
            client_name: ClientName::from_stored(stored.client_name),
            redirect_uris: redirects.collect(),
            grant_types: stored.grant_types,
            response_types: stored.response_types,
            token_endpoint_auth_method: stored.token_endpoint_auth_method,
            scope: stored
                .scope
                .split(' ')
                .filter_map(|name| ScopeToken::parse(name).ok())
                .collect(),
            client_uri: page(stored.client_uri),
            logo_uri: public(stored.logo_uri),
            policy_uri: page(stored.policy_uri),
            tos_uri: page(stored.tos_uri),
            jwks_uri: public(stored.jwks_uri),
        })
    }

    pub const fn client_name(&self) -> &ClientName {
        &self.client_name
    }

    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    pub const fn grant_types(&self) -> &BTreeSet<GrantType> {
        &self.grant_types
    }

    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    pub const fn response_types(&self) -> &[ResponseType] {
        &self.response_types
    }

    pub const fn token_endpoint_auth_method(&self) -> TokenEndpointAuthMethod {
        self.token_endpoint_auth_method
    }

    /// The default scope of an authorization request. A request may ask for more.
    pub const fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    pub const fn client_uri(&self) -> Option<&WebUri> {
        self.client_uri.as_ref()
    }

    pub const fn logo_uri(&self) -> Option<&PublicHttpsUri> {
        self.logo_uri.as_ref()
    }

    pub const fn policy_uri(&self) -> Option<&WebUri> {
        self.policy_uri.as_ref()
    }

    pub const fn tos_uri(&self) -> Option<&WebUri> {
        self.tos_uri.as_ref()
    }

    pub const fn jwks_uri(&self) -> Option<&PublicHttpsUri> {
        self.jwks_uri.as_ref()
    }
}

fn as_scope_parameter<S: Serializer>(scope: &ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}

/// The stored row is not client metadata: the database is damaged, or a later version wrote the
/// row.
#[derive(Debug, thiserror::Error)]
#[error("the stored metadata of a client cannot be read: {0}")]
pub struct StoredMetadataError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct StoredMetadata {
    client_name: String,
    redirect_uris: Vec<String>,
    grant_types: BTreeSet<GrantType>,
    response_types: [ResponseType; 1],
    token_endpoint_auth_method: TokenEndpointAuthMethod,
    #[serde(default)]
    scope: String,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    jwks_uri: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::client::name::ClientNameError;
    use crate::client::registration::RegistrationBounds;
    use crate::redirect::uri::RedirectUriError;
    use crate::scope::ScopeError;
    use crate::scope::catalog::ScopeCatalog;
    use crate::syntax::uri::UriSyntaxError;
    use crate::syntax::web_uri::WebUriError;

    const CATALOG: &str = r#"
        [oidc]
        openid = { description = "Confirm who you are" }
        profile = { description = "See your name" }
        [permission]
        dashboards_read = { description = "See dashboards" }
        api_keys_write = { description = "Create API keys", private = true }
    "#;

    /// The settings of a test.
    struct Operator {
        catalog: ScopeCatalog,
        tolerate: BTreeSet<String>,
        private_schemes: Option<Vec<String>>,
    }

    impl Operator {
        fn tolerant() -> Self {
            let tolerate = ["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"];
            Self {
                catalog: ScopeCatalog::from_toml(CATALOG).expect("a catalog"),
                tolerate: tolerate.map(str::to_owned).into(),
                private_schemes: None,
            }
        }

        fn strict() -> Self {
            Self { tolerate: BTreeSet::new(), ..Self::tolerant() }
        }

        fn with_private_schemes(schemes: &[&str]) -> Self {
            Self {
                private_schemes: Some(schemes.iter().map(ToString::to_string).collect()),
                ..Self::tolerant()
            }
        }

        fn parse(&self, body: &Value) -> Result<ClientMetadata, MetadataError> {
            let raw = RawClientMetadata::from_json(body.to_string().as_bytes()).expect("an object");
            let rules = RegistrationRules {
                catalog: &self.catalog,
                tolerate: &self.tolerate,
                private_schemes: self.private_schemes.as_deref(),
                bounds: RegistrationBounds::default(),
            };
            ClientMetadata::parse(&raw, &rules)
        }

        fn response(&self, body: &Value) -> Result<Value, MetadataError> {
            self.parse(body).map(|metadata| serde_json::to_value(metadata).expect("serializes"))
        }
    }

    /// The smallest valid request, with additional members.
    fn body_with(members: Value) -> Value {
        let mut body = json!({"client_name": "App", "redirect_uris": ["https://app.example/cb"]});
        if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
            body.extend(members);
        }
        body
    }

    /// The response to the smallest valid request, with additional members.
    fn response_with(members: Value) -> Value {
        let mut response = body_with(json!({
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }));
        if let (Some(response), Value::Object(members)) = (response.as_object_mut(), members) {
            response.extend(members);
        }
        response
    }

    #[test]
    fn registered_members_are_serialized_in_a_fixed_order_and_without_null() {
        let body = json!({
            "tos_uri": "https://example.com/tos",
            "client_name": "Example MCP Client",
            "client_uri": "https://example.com",
            "grant_types": ["refresh_token", "authorization_code"],
            "jwks_uri": "https://example.com/.well-known/jwks.json",
            "logo_uri": "https://example.com/logo.png",
            "policy_uri": "https://example.com/privacy",
            "redirect_uris": ["https://example.com/oauth/callback"],
            "response_types": ["code"],
            "scope": "profile openid",
            "token_endpoint_auth_method": "none",
        });
        let metadata = Operator::strict().parse(&body).expect("metadata");

        assert_eq!(
            serde_json::to_string(&metadata).expect("serializes"),
            concat!(
                r#"{"client_name":"Example MCP Client","redirect_uris":["https://example.com/oauth/callback"],"#,
                r#""grant_types":["authorization_code","refresh_token"],"response_types":["code"],"#,
                r#""token_endpoint_auth_method":"none","scope":"openid profile","client_uri":"https://example.com","#,
                r#""logo_uri":"https://example.com/logo.png","policy_uri":"https://example.com/privacy","#,
                r#""tos_uri":"https://example.com/tos","jwks_uri":"https://example.com/.well-known/jwks.json"}"#,
            ),
        );
    }

    #[test]
    fn an_absent_null_or_empty_member_gets_its_default_or_stays_absent() {
        let nothing = json!({});
        let nulls = json!({
            "grant_types": null, "response_types": null, "token_endpoint_auth_method": null, "scope": null,
            "client_uri": null, "logo_uri": null, "policy_uri": null, "tos_uri": null, "jwks_uri": null,
        });
        let blanks = json!({
            "scope": "", "client_uri": "", "logo_uri": "", "policy_uri": "", "tos_uri": "", "jwks_uri": "",
        });
        for members in [nothing, nulls, blanks] {
            assert_eq!(
                Operator::strict().response(&body_with(members)),
                Ok(response_with(json!({})))
            );
        }
    }

    #[test]
    fn unknown_members_are_ignored() {
        let unknown = json!({
            "application_type": "native", "software_id": "x", "software_version": "1", "software_statement": "x.y.z",
            "client_id": "mine", "client_secret": "mine", "org_id": 7, "contacts": null, "client_name#de": "App",
            "jwks": {"keys": []},
        });

        assert_eq!(Operator::strict().response(&body_with(unknown)), Ok(response_with(json!({}))));
    }

    #[test]
    fn stored_metadata_is_limited_to_8192_bytes() {
        let with = |length: usize| {
            let long = |number: usize, length: usize| {
                format!("https://app.example/{number}/{}", "x".repeat(length))
            };
            let sent = json!([
                long(1, 1_900),
                long(2, 1_900),
                long(3, 1_900),
                long(4, 1_900),
                long(5, length)
            ]);
            Operator::strict()
                .response(&body_with(json!({"redirect_uris": sent, "ignored": "x".repeat(10_000)})))
        };
        let fixed = with(1).expect("fits").to_string().len() - 1;
        let fits = 8_192 - fixed;

        assert_eq!(with(fits).map(|response| response.to_string().len()), Ok(8_192));
        assert_eq!(with(fits + 1), Err(MetadataError::of_all(Problem::TooLarge { max: 8_192 })));
    }

    #[test]
    fn redirects_keep_their_order_and_bytes_and_duplicates_are_removed() {
        let sent =
            ["http://localhost:2/cb", "cursor://x/cb", "http://localhost:1/cb", "cursor://x/cb"];
        let registered = ["http://localhost:2/cb", "cursor://x/cb", "http://localhost:1/cb"];

        assert_eq!(
            Operator::strict().response(&body_with(json!({"redirect_uris": sent}))),
            Ok(response_with(json!({"redirect_uris": registered}))),
        );
    }

    #[test]
    fn at_most_20_redirects_are_accepted_including_duplicates() {
        let redirects = |count: usize| vec![json!("https://app.example/cb"); count];
        let register = |count| {
            Operator::strict().response(&body_with(json!({"redirect_uris": redirects(count)})))
        };

        assert_eq!(register(20), Ok(response_with(json!({}))));
        let max = 20;
        assert_eq!(
            register(21),
            Err(MetadataError::new(Member::RedirectUris, Problem::TooManyItems { max }))
        );
    }

    #[test]
    fn tolerated_values_are_replaced_or_left_out_and_the_response_shows_it() {
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        let cases = [
            (json!({"token_endpoint_auth_method": "client_secret_post"}), json!({})),
            (
                json!({"grant_types": [device, "authorization_code"]}),
                json!({"grant_types": ["authorization_code"]}),
            ),
            (json!({"grant_types": ["authorization_code", "refresh_token", device]}), json!({})),
        ];
        for (members, registered) in cases {
            let body = body_with(members);

            assert_eq!(
                Operator::tolerant().response(&body),
                Ok(response_with(registered)),
                "{body}"
            );
            assert!(Operator::strict().response(&body).is_err(), "{body}");
        }
        assert_eq!(
            Operator::tolerant().response(&body_with(json!({"grant_types": [device]}))),
            Err(MetadataError::new(Member::GrantTypes, Problem::NoAuthorizationCode)),
        );
    }

    #[test]
    fn scopes_that_cannot_be_granted_to_this_client_are_left_out() {
        let cases = [
            ("openid dashboards_read", Some("dashboards_read openid")),
            ("  openid   openid ", Some("openid")),
            ("openid unheard_of", Some("openid")),
            ("openid api_keys_write", Some("openid")),
            ("unheard_of", None),
            (" ", None),
        ];
        for (sent, registered) in cases {
            let expected = registered.map_or(json!({}), |scope| json!({"scope": scope}));
            let response = Operator::strict().response(&body_with(json!({"scope": sent})));
            assert_eq!(response, Ok(response_with(expected)), "{sent}");
        }
    }

    #[test]
    fn a_list_of_private_schemes_limits_only_private_schemes() {
        let register = |schemes: &[&str], uri: &str| {
            Operator::with_private_schemes(schemes)
                .parse(&body_with(json!({"redirect_uris": [uri]})))
                .map(|_| ())
        };
        let refused = Err(MetadataError::in_item(Member::RedirectUris, 0, Problem::UnlistedScheme));

        assert_eq!(register(&["cursor"], "cursor://x/cb"), Ok(()));
        assert_eq!(register(&["Cursor"], "cursor://x/cb"), Ok(()));
        assert_eq!(register(&["cursor"], "vscode://x/cb"), refused);
        assert_eq!(register(&[], "cursor://x/cb"), refused);
        assert_eq!(register(&[], "https://app.example/cb"), Ok(()));
        assert_eq!(register(&[], "http://localhost/cb"), Ok(()));
        assert_eq!(
            register(&["javascript"], "javascript:alert(1)"),
            Err(MetadataError::in_item(Member::RedirectUris, 0, RedirectUriError::DeniedScheme)),
        );
    }

    #[test]
    fn the_first_invalid_value_is_reported() {
        use Member::*;
        let at = MetadataError::new;
        let long = "x".repeat(1001);
        let cases = [
            (json!({"client_name": null}), at(ClientName, Problem::Missing)),
            (json!({"client_name": 7}), at(ClientName, Problem::NotAString)),
            (
                json!({"client_name": "\u{1}"}),
                at(ClientName, ClientNameError::ControlCharacter.into()),
            ),
            (json!({"client_name": long}), at(ClientName, ClientNameError::TooLong.into())),
            (json!({"redirect_uris": null}), at(RedirectUris, Problem::Missing)),
            (json!({"redirect_uris": []}), at(RedirectUris, Problem::EmptyList)),
            (json!({"redirect_uris": "https://a.example"}), at(RedirectUris, Problem::NotAList)),
            (
                json!({"redirect_uris": ["cursor:x", 1]}),
                MetadataError::in_item(RedirectUris, 1, Problem::NotAString),
            ),
            (
                json!({"redirect_uris": ["cursor:x", "https://a.example/#", "/"]}),
                MetadataError::in_item(RedirectUris, 1, RedirectUriError::Fragment),
            ),
            (json!({"grant_types": []}), at(GrantTypes, Problem::EmptyList)),
            (
                json!({"grant_types": ["refresh_token"]}),
                at(GrantTypes, Problem::NoAuthorizationCode),
            ),
            (
                json!({"grant_types": ["authorization_code", "implicit"]}),
                MetadataError::in_item(GrantTypes, 1, Problem::UnsupportedGrantType),
            ),
            (
                json!({"grant_types": [null]}),
                MetadataError::in_item(GrantTypes, 0, Problem::NotAString),
            ),
            (json!({"response_types": []}), at(ResponseTypes, Problem::EmptyList)),
            (
                json!({"response_types": ["code", "token"]}),
                MetadataError::in_item(ResponseTypes, 1, Problem::UnsupportedResponseType),
            ),
            (
                json!({"response_types": [[]]}),
                MetadataError::in_item(ResponseTypes, 0, Problem::NotAString),
            ),
            (
                json!({"token_endpoint_auth_method": "client_secret_basic"}),
                at(TokenEndpointAuthMethod, Problem::UnsupportedAuthMethod),
            ),
            (
                json!({"token_endpoint_auth_method": ""}),
                at(TokenEndpointAuthMethod, Problem::UnsupportedAuthMethod),
            ),
            (
                json!({"token_endpoint_auth_method": ["none"]}),
                at(TokenEndpointAuthMethod, Problem::NotAString),
            ),
            (json!({"scope": ["openid"]}), at(Scope, Problem::NotAString)),
            (json!({"scope": long}), at(Scope, Problem::ScopeTooLong)),
            (json!({"scope": "a\tb"}), at(Scope, ScopeError::ForbiddenCharacter.into())),
            (
                json!({"client_uri": "app.example"}),
                at(ClientUri, WebUriError::from(UriSyntaxError::NoScheme).into()),
            ),
            (json!({"logo_uri": "http://app.example/"}), at(LogoUri, WebUriError::NotHttps.into())),
            (json!({"policy_uri": false}), at(PolicyUri, Problem::NotAString)),
            (json!({"tos_uri": "ftp://app.example/"}), at(TosUri, WebUriError::NotWeb.into())),
            (
                json!({"jwks_uri": "https://10.0.0.1/"}),
                at(JwksUri, WebUriError::PrivateAddress.into()),
            ),
            (
                json!({"jwks_uri": "https://a.example/", "jwks": {"keys": []}}),
                at(JwksUri, Problem::ConflictsWithJwks),
            ),
            (
                json!({"tos_uri": 1, "scope": 1, "client_name": 1}),
                at(ClientName, Problem::NotAString),
            ),
        ];
        for (members, expected) in cases {
            let body = body_with(members);
            assert_eq!(Operator::tolerant().parse(&body), Err(expected), "{body}");
        }
    }

    #[test]
    fn stored_metadata_is_read_unchanged() {
        let body = body_with(json!({
            "redirect_uris": ["http://localhost:2/cb", "cursor://x/cb"], "scope": "openid profile",
            "grant_types": ["authorization_code"], "logo_uri": "https://app.example/l", "tos_uri": "http://app.example",
        }));
        let metadata = Operator::strict().parse(&body).expect("metadata");
        let stored = serde_json::to_string(&metadata).expect("serializes");

        assert_eq!(ClientMetadata::from_stored(&stored).expect("stored metadata"), metadata);
    }

    #[test]
    fn a_stored_value_that_is_no_longer_allowed_is_left_out_and_the_client_stays_valid() {
        let stored = json!({
            "client_name": "now\u{200B}refused", "redirect_uris": ["javascript:x", "https://App.example:443/cb"],
            "grant_types": ["authorization_code"], "response_types": ["code"], "token_endpoint_auth_method": "none",
            "scope": "retired_scope api_keys_write b\u{e4}d", "logo_uri": "http://10.0.0.1/", "added_later": 1,
        });
        let metadata = ClientMetadata::from_stored(&stored.to_string()).expect("stored metadata");

        assert_eq!(
            serde_json::to_value(metadata).expect("serializes"),
            json!({
                "client_name": "now\u{200B}refused", "redirect_uris": ["https://App.example:443/cb"],
                "grant_types": ["authorization_code"], "response_types": ["code"],
                "token_endpoint_auth_method": "none", "scope": "api_keys_write retired_scope",
            }),
        );
    }

    #[test]
    fn a_row_that_is_not_metadata_is_an_error() {
        for stored in ["", "null", "[]", r#"{"client_name":"x"}"#] {
            assert!(ClientMetadata::from_stored(stored).is_err(), "{stored}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        const WORDS: [&str; 7] =
            ["none", "code", "authorization_code", "implicit", "https://a.example/", "openid", ""];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_panics_and_a_response_can_be_registered_again(
            values in proptest::collection::vec((proptest::sample::select(&Member::ALL[..]), any_json()), 0..3),
        ) {
            let operator = Operator::tolerant();
            let members: Value = values.into_iter().map(|(member, value)| (member.name().to_owned(), value)).collect();
            if let Ok(response) = operator.response(&body_with(members)) {
                prop_assert!(!response.to_string().contains("null"));
                prop_assert_eq!(operator.response(&response), Ok(response.clone()));
            }
        }
    }
}
