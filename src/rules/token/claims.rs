//! What tokens say: access tokens (RFC 9068 section 2.2), ID tokens (OpenID Connect Core 1.0 section 2) and the answer
//! about a user (section 5.3.2). What of a user is told depends on the scopes (section 5.4).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::rules::authorization::resource::Resource;
use crate::rules::id::{FamilyId, OrgId, UserId};
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

/// `typ` of an access token's header (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// `typ` of an ID token's header (RFC 7519 section 5.1).
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
    /// As the client names itself.
    pub client_id: String,
    #[serde(serialize_with = "write_scope", deserialize_with = "read_scope")]
    pub scope: ScopeSet,
    pub org_id: OrgId,
    /// Says whether the token still lives.
    pub family: FamilyId,
}

impl AccessTokenClaims {
    /// Whether it was issued here and its time has not run out. For whom it is, and whether its family lives, is asked
    /// besides.
    pub fn holds(&self, issuer: &str, now: Timestamp) -> bool {
        self.iss == issuer && now < self.exp
    }
}

/// `aud` (RFC 7519 section 4.1.3): one is written as a string, several as a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// The resources, and where none was named this server itself.
    pub fn of(resources: &[Resource], issuer: &str) -> Self {
        match resources {
            [] => Self::One(issuer.to_owned()),
            [only] => Self::One(only.to_string()),
            several => Self::Several(several.iter().map(Resource::to_string).collect()),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names().iter().any(|one| one == name)
    }

    pub fn is_only(&self, name: &str) -> bool {
        matches!(self.names(), [only] if only == name)
    }

    /// In whichever spelling: a token outlives the one that its operator had chosen when it was made.
    pub fn is_for(&self, resource: &Resource) -> bool {
        let is_it = |one: &String| one == resource.as_str() || Resource::parse(one).is_ok_and(|one| one == *resource);
        self.names().iter().any(is_it)
    }

    fn names(&self) -> &[String] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(several) => several,
        }
    }
}

/// All that [`IdTokenClaims`] and [`UserInfo`] can hold: what the metadata promises (OpenID Connect Discovery 1.0
/// section 3).
pub const CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username", "email", "email_verified"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    pub iss: String,
    pub sub: UserId,
    /// The client, as it names itself.
    pub aud: String,
    pub exp: Timestamp,
    pub iat: Timestamp,
    pub auth_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(flatten)]
    pub user: UserClaims,
}

/// The answer of the UserInfo endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    pub sub: UserId,
    #[serde(flatten)]
    pub user: UserClaims,
}

/// What a client learns of a user.
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
    /// `profile` does not give the address away: the user name is what stands before its `@`.
    pub fn told(scopes: &ScopeSet, email: &str, name: Option<&str>) -> Self {
        let mut claims = Self::default();
        if scopes.contains("profile") {
            claims.name = name.map(str::to_owned);
            claims.preferred_username = email.split('@').next().map(str::to_owned);
        }
        if scopes.contains("email") {
            claims.email = Some(email.to_owned());
            claims.email_verified = Some(true);
        }
        claims
    }
}

fn write_scope<S: Serializer>(scope: &ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}

/// Without the bound of a parameter: a token is ours, and a catalog may have more defaults than a request may name.
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
        serde_json::to_value(claims).expect("serialises")
    }

    #[test]
    fn an_access_token_says_what_rfc_9068_asks_for_and_is_read_as_it_was() {
        let claims = access_token(&resources(&["https://mcp.example/"]));

        assert_eq!(
            written(&claims),
            json!({
                "iss": ISSUER, "sub": NIL, "aud": "https://mcp.example", "exp": 4600, "iat": 1000, "auth_time": 900,
                "jti": NIL, "client_id": "https://app.example/client.json", "scope": "email openid", "org_id": NIL,
                "family": NIL,
            }),
        );
        assert_eq!(serde_json::from_value::<AccessTokenClaims>(written(&claims)).expect("reads"), claims);
    }

    #[test]
    fn a_token_is_for_its_resources_or_else_for_this_server() {
        let cases = [
            (&[][..], json!(ISSUER)),
            (&["https://a.example/mcp"], json!("https://a.example/mcp")),
            (&["https://a.example", "https://b.example"], json!(["https://a.example", "https://b.example"])),
        ];
        for (named, expected) in cases {
            let audience = Audience::of(&resources(named), ISSUER);

            assert_eq!(written(&audience), expected);
            assert_eq!(serde_json::from_value::<Audience>(expected).expect("reads"), audience);
            assert_eq!((audience.contains(ISSUER), audience.is_only(ISSUER)), (named.is_empty(), named.is_empty()));
            assert!(named.iter().all(|name| audience.contains(name)) && !audience.contains("https://c.example"));
        }
    }

    #[test]
    fn a_token_for_this_server_and_another_is_not_for_this_server_alone() {
        let cases = [(&[ISSUER][..], true), (&[ISSUER, "https://a.example"], false), (&["https://a.example"], false)];
        for (named, expected) in cases {
            assert_eq!(Audience::of(&resources(named), ISSUER).is_only(ISSUER), expected, "{named:?}");
        }
    }

    #[test]
    fn a_token_holds_for_its_issuer_until_the_second_in_which_it_ends() {
        let claims = access_token(&[]);
        let holds = |issuer, now| claims.holds(issuer, Timestamp::from_seconds(now));

        assert!(holds(ISSUER, 1_000) && holds(ISSUER, 4_599));
        assert!(
            !holds(ISSUER, 4_600) && !holds("https://id.example/", 1_000) && !holds("https://other.example", 1_000)
        );
    }

    #[test]
    fn more_scopes_than_a_parameter_may_name_are_read_and_no_other_text_is() {
        let names: Vec<_> = (0..150).map(|index| format!("scope_{index}")).collect();
        let mut token = written(&access_token(&[]));
        let mut read_with = |scope: String| {
            token["scope"] = json!(scope);
            serde_json::from_value::<AccessTokenClaims>(token.clone()).map(|claims| claims.scope.len())
        };

        assert_eq!(read_with(names.join(" ")).expect("reads"), 150);
        assert_eq!(read_with(String::new()).expect("reads"), 0);
        assert!(read_with("a\"b".to_owned()).is_err());
    }

    #[test]
    fn the_claims_that_are_promised_are_those_that_there_are() {
        let user = UserClaims::told(&set("openid profile email"), "ada@example.com", Some("Ada"));
        let told = UserInfo { sub: UserId(Uuid::nil()), user: user.clone() };
        let names = |claims: Value| claims.as_object().expect("claims").keys().cloned().collect::<BTreeSet<_>>();

        let mut held = names(written(&id_token(Some("n"), user)));
        held.extend(names(written(&told)));

        assert_eq!(held, CLAIMS.map(str::to_owned).into());
    }

    #[test]
    fn each_scope_tells_its_part_of_a_user() {
        let cases = [
            ("openid", Some("Ada"), json!({})),
            ("dashboards_read", Some("Ada"), json!({})),
            ("openid profile", Some("Ada"), json!({"name": "Ada", "preferred_username": "ada"})),
            ("profile", None, json!({"preferred_username": "ada"})),
            ("openid email", Some("Ada"), json!({"email": "ada@example.com", "email_verified": true})),
            (
                "openid email profile",
                Some("Ada"),
                json!({
                    "name": "Ada", "preferred_username": "ada", "email": "ada@example.com", "email_verified": true,
                }),
            ),
        ];
        for (scopes, name, expected) in cases {
            let user = UserClaims::told(&set(scopes), "ada@example.com", name);
            let mut with_sub = expected.clone();
            with_sub["sub"] = json!(NIL);

            assert_eq!(written(&user), expected, "{scopes}");
            assert_eq!(written(&UserInfo { sub: UserId(Uuid::nil()), user }), with_sub);
        }
    }

    #[test]
    fn an_id_token_says_what_openid_connect_asks_for_and_has_no_null() {
        let bare = id_token(None, UserClaims::default());
        let full = id_token(Some("n"), UserClaims::told(&set("email"), "ada@example.com", None));

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
            assert_eq!(serde_json::from_value::<IdTokenClaims>(written(&claims)).expect("reads"), claims);
        }
    }
}
