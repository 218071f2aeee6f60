//! The claims of access tokens (RFC 9068 section 2.2), of ID tokens (OpenID Connect Core 1.0
//! section 2) and of the UserInfo response (section 5.3.2). The scopes decide which claims about
//! the user are included (section 5.4).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::authorization::resource::Resource;
use crate::id::{FamilyId, OrgId, UserId};
use crate::scope::{ScopeSet, ScopeToken};
use crate::timestamp::Timestamp;

/// The `typ` header of access tokens (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The `typ` header of ID tokens (RFC 7519 section 5.1).
pub const ID_TOKEN_TYPE: &str = "JWT";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    pub sub: UserId,
    pub aud: Audience,
    pub exp: Timestamp,
    pub iat: Timestamp,
    /// When the user signed in.
    pub auth_time: Timestamp,
    pub jti: Uuid,
    /// The `client_id` that the client uses, which can be a URL.
    pub client_id: String,
    #[serde(serialize_with = "write_scope", deserialize_with = "read_scope")]
    pub scope: ScopeSet,
    pub org_id: OrgId,
    /// The row of the family decides whether the token is still valid.
    pub family: FamilyId,
}

impl AccessTokenClaims {
    /// Whether this server issued the token and it has not expired. The audience and the family are
    /// checked separately.
    pub fn is_current(&self, issuer: &str, now: Timestamp) -> bool {
        self.iss == issuer && now < self.exp
    }
}

/// The `aud` claim (RFC 7519 section 4.1.3): a string for one audience, a list for several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// The resources of the request, or this server if it named none.
    pub fn of(resources: &[Resource], issuer: &str) -> Self {
        match resources {
            [] => Self::One(issuer.to_owned()),
            [only] => Self::One(only.to_string()),
            several => Self::Several(several.iter().map(Resource::to_string).collect()),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names().iter().any(|audience| audience == name)
    }

    pub fn is_only(&self, name: &str) -> bool {
        matches!(self.names(), [only] if only == name)
    }

    /// Whether the audience contains the resource, in any spelling. The declared spelling can
    /// change while a token is valid.
    pub fn is_for(&self, resource: &Resource) -> bool {
        let is_same = |name: &String| {
            name == resource.as_str() || Resource::parse(name).is_ok_and(|named| named == *resource)
        };
        self.names().iter().any(is_same)
    }

    fn names(&self) -> &[String] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(several) => several,
        }
    }
}

/// All claims of [`IdTokenClaims`] and [`UserInfo`], for `claims_supported` of the metadata (OpenID
/// Connect Discovery 1.0 section 3).
pub const CLAIMS: [&str; 11] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "name",
    "preferred_username",
    "email",
    "email_verified",
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    pub iss: String,
    pub sub: UserId,
    /// The `client_id` that the client uses.
    pub aud: String,
    pub exp: Timestamp,
    pub iat: Timestamp,
    pub auth_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(flatten)]
    pub user: UserClaims,
}

/// The response of the UserInfo endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    pub sub: UserId,
    #[serde(flatten)]
    pub user: UserClaims,
}

/// The claims about the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
}

impl UserClaims {
    /// The claims that these scopes allow. `profile` does not reveal the email address: the user
    /// name is the part before the `@`.
    pub fn for_scopes(
        scopes: &ScopeSet,
        email: &str,
        is_verified: bool,
        name: Option<&str>,
    ) -> Self {
        let mut claims = Self::default();
        if scopes.contains("profile") {
            claims.name = name.map(str::to_owned);
            claims.preferred_username = email.split('@').next().map(str::to_owned);
        }
        if scopes.contains("email") {
            claims.email = Some(email.to_owned());
            claims.email_verified = Some(is_verified);
        }
        claims
    }
}

fn write_scope<S: Serializer>(scope: &ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}

/// Reads a scope without the limit for request parameters. This server issued the token, and a
/// catalog can have more default scopes than a request may contain.
fn read_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScopeSet, D::Error> {
    let text = String::deserialize(deserializer)?;
    let names = text.split(' ').filter(|name| !name.is_empty()).map(ScopeToken::parse);
    names.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example";
    const NIL: &str = "00000000-0000-0000-0000-000000000000";

    #[test]
    fn an_audience_is_for_the_resources_that_it_names_in_any_spelling() {
        let resource = |text: &str| Resource::parse(text).expect("a resource");
        let api = resource("https://api.example/v1");
        let audience = Audience::of(&[api.clone(), resource("https://other.example")], ISSUER);

        assert!(audience.is_for(&api) && audience.is_for(&resource("HTTPS://API.example:443/v1")));
        assert!(!audience.is_for(&resource("https://api.example/v2")));
        assert!(!Audience::of(&[], ISSUER).is_for(&api));
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("a scope")
    }

    fn resources(texts: &[&str]) -> Vec<Resource> {
        Resource::parse_all(texts.iter().copied()).expect("resources")
    }

    fn access_token(resources: &[Resource]) -> AccessTokenClaims {
        AccessTokenClaims {
            iss: ISSUER.to_owned(),
            sub: UserId(Uuid::nil()),
            aud: Audience::of(resources, ISSUER),
            exp: Timestamp::from_seconds(4_600),
            iat: Timestamp::from_seconds(1_000),
            auth_time: Timestamp::from_seconds(900),
            jti: Uuid::nil(),
            client_id: "https://app.example/client.json".to_owned(),
            scope: set("openid email"),
            org_id: OrgId(Uuid::nil()),
            family: FamilyId(Uuid::nil()),
        }
    }

    fn id_token(nonce: Option<&str>, user: UserClaims) -> IdTokenClaims {
        IdTokenClaims {
            iss: ISSUER.to_owned(),
            sub: UserId(Uuid::nil()),
            aud: "c".to_owned(),
            exp: Timestamp::from_seconds(4_600),
            iat: Timestamp::from_seconds(1_000),
            auth_time: Timestamp::from_seconds(900),
            nonce: nonce.map(str::to_owned),
            user,
        }
    }

    fn written<T: Serialize>(claims: &T) -> Value {
        serde_json::to_value(claims).expect("serializes")
    }

    #[test]
    fn an_access_token_has_the_claims_of_rfc_9068_and_is_read_unchanged() {
        let claims = access_token(&resources(&["https://mcp.example/"]));

        assert_eq!(
            written(&claims),
            json!({
                "iss": ISSUER, "sub": NIL, "aud": "https://mcp.example", "exp": 4600, "iat": 1000, "auth_time": 900,
                "jti": NIL, "client_id": "https://app.example/client.json", "scope": "email openid", "org_id": NIL,
                "family": NIL,
            }),
        );
        assert_eq!(
            serde_json::from_value::<AccessTokenClaims>(written(&claims)).expect("deserializes"),
            claims
        );
    }

    #[test]
    fn a_token_is_for_its_resources_or_else_for_this_server() {
        let cases = [
            (&[][..], json!(ISSUER)),
            (&["https://a.example/mcp"], json!("https://a.example/mcp")),
            (
                &["https://a.example", "https://b.example"],
                json!(["https://a.example", "https://b.example"]),
            ),
        ];
        for (named, expected) in cases {
            let audience = Audience::of(&resources(named), ISSUER);

            assert_eq!(written(&audience), expected);
            assert_eq!(
                serde_json::from_value::<Audience>(expected).expect("deserializes"),
                audience
            );
            assert_eq!(
                (audience.contains(ISSUER), audience.is_only(ISSUER)),
                (named.is_empty(), named.is_empty())
            );
            assert!(
                named.iter().all(|name| audience.contains(name))
                    && !audience.contains("https://c.example")
            );
        }
    }

    #[test]
    fn a_token_for_this_server_and_another_is_not_for_this_server_alone() {
        let cases = [
            (&[ISSUER][..], true),
            (&[ISSUER, "https://a.example"], false),
            (&["https://a.example"], false),
        ];
        for (named, expected) in cases {
            assert_eq!(
                Audience::of(&resources(named), ISSUER).is_only(ISSUER),
                expected,
                "{named:?}"
            );
        }
    }

    #[test]
    fn a_token_is_current_for_its_issuer_until_it_expires() {
        let claims = access_token(&[]);
        let is_current = |issuer, now| claims.is_current(issuer, Timestamp::from_seconds(now));

        assert!(is_current(ISSUER, 1_000) && is_current(ISSUER, 4_599));
        assert!(!is_current(ISSUER, 4_600));
        assert!(
            !is_current("https://id.example/", 1_000)
                && !is_current("https://other.example", 1_000)
        );
    }

    #[test]
    fn more_scopes_than_a_parameter_allows_are_read_and_invalid_text_is_refused() {
        let names: Vec<_> = (0..150).map(|index| format!("scope_{index}")).collect();
        let mut token = written(&access_token(&[]));
        let mut read_with = |scope: String| {
            token["scope"] = json!(scope);
            serde_json::from_value::<AccessTokenClaims>(token.clone())
                .map(|claims| claims.scope.len())
        };

        assert_eq!(read_with(names.join(" ")).expect("deserializes"), 150);
        assert_eq!(read_with(String::new()).expect("deserializes"), 0);
        assert!(read_with("a\"b".to_owned()).is_err());
    }

    #[test]
    fn the_supported_claims_are_exactly_those_that_exist() {
        let user = UserClaims::for_scopes(
            &set("openid profile email"),
            "ada@example.com",
            true,
            Some("Ada"),
        );
        let user_info = UserInfo { sub: UserId(Uuid::nil()), user: user.clone() };
        let names = |claims: Value| {
            claims.as_object().expect("claims").keys().cloned().collect::<BTreeSet<_>>()
        };

        let mut existing = names(written(&id_token(Some("n"), user)));
        existing.extend(names(written(&user_info)));

        assert_eq!(existing, CLAIMS.map(str::to_owned).into());
    }

    #[test]
    fn each_scope_adds_its_claims_about_the_user() {
        let cases = [
            ("openid", Some("Ada"), json!({})),
            ("dashboards_read", Some("Ada"), json!({})),
            ("openid profile", Some("Ada"), json!({"name": "Ada", "preferred_username": "ada"})),
            ("profile", None, json!({"preferred_username": "ada"})),
            (
                "openid email",
                Some("Ada"),
                json!({"email": "ada@example.com", "email_verified": true}),
            ),
            (
                "openid email profile",
                Some("Ada"),
                json!({
                    "name": "Ada", "preferred_username": "ada", "email": "ada@example.com", "email_verified": true,
                }),
            ),
        ];
        for (scopes, name, expected) in cases {
            let user = UserClaims::for_scopes(&set(scopes), "ada@example.com", true, name);
            let mut with_sub = expected.clone();
            with_sub["sub"] = json!(NIL);

            assert_eq!(written(&user), expected, "{scopes}");
            assert_eq!(written(&UserInfo { sub: UserId(Uuid::nil()), user }), with_sub);
        }
    }

    #[test]
    fn an_address_that_is_not_verified_is_not_called_verified() {
        let user = UserClaims::for_scopes(&set("email"), "ada@example.com", false, None);

        assert_eq!(written(&user), json!({"email": "ada@example.com", "email_verified": false}));
    }

    #[test]
    fn an_id_token_has_the_claims_of_openid_connect_and_no_null() {
        let bare = id_token(None, UserClaims::default());
        let full = id_token(
            Some("n"),
            UserClaims::for_scopes(&set("email"), "ada@example.com", true, None),
        );

        assert_eq!(
            written(&bare),
            json!({"iss": ISSUER, "sub": NIL, "aud": "c", "exp": 4600, "iat": 1000, "auth_time": 900}),
        );
        assert_eq!(
            written(&full),
            json!({
                "iss": ISSUER, "sub": NIL, "aud": "c", "exp": 4600, "iat": 1000, "auth_time": 900, "nonce": "n",
                "email": "ada@example.com", "email_verified": true,
            }),
        );
        for claims in [bare, full] {
            assert_eq!(
                serde_json::from_value::<IdTokenClaims>(written(&claims)).expect("deserializes"),
                claims
            );
        }
    }
}
