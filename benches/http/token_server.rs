//! A server that issues tokens, this one or its peer, and its requests. No browser takes part:
//! codes are inserted directly, and everything else happens over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grantor::rules::id::GrantId;

use crate::endpoint::{Endpoint, Issuer};
use crate::exchange;
use crate::failure::Failure;
use crate::form::{self, Form};
use crate::mint::Mint;
use crate::peer;
use crate::request::{FORM, Request};
use crate::tokens::Tokens;

pub const REDIRECT_URI: &str = "https://client.example.com/oauth/callback";
/// The pair of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// With this scope, oidc-provider signs an ID token for each response, so that either server signs
/// at least one token.
pub const SCOPE: &str = "openid";

/// OpenID Connect Discovery 1.0 section 4: both servers respond there and list the other endpoints.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The URLs of the endpoints.
pub struct Paths {
    token: String,
    introspection: String,
    jwks: String,
}

impl Paths {
    pub fn discover(address: SocketAddr) -> Result<Self, Failure> {
        let document =
            exchange::call(address, "GET", DISCOVERY, &[], "")?.expect_status(200, DISCOVERY)?.body;
        let path = |name| {
            let uri = form::member(&document, name).and_then(|uri| uri.split_once("://"));
            let path = uri.and_then(|(_, rest)| Some(rest[rest.find('/')?..].to_owned()));
            path.ok_or_else(|| Failure::Unexpected { what: name, came: document.clone() })
        };
        let (token, introspection) = (path("token_endpoint")?, path("introspection_endpoint")?);
        Ok(Self { token, introspection, jwks: path("jwks_uri")? })
    }
}

/// The way to create codes.
pub enum Codes {
    Ours(Box<Mint>),
    Peers,
}

pub struct TokenServer {
    pub issuer: Issuer,
    pub address: SocketAddr,
    pub process: u32,
    pub paths: Paths,
    /// The client that the codes are for.
    pub client_id: String,
    /// The credentials of the resource for introspection.
    pub authorization: String,
    pub codes: Codes,
    pub stock: Stock,
}

/// The tokens for later requests.
#[derive(Default)]
pub struct Stock {
    codes: Arc<Tokens>,
    refresh_tokens: Arc<Tokens>,
    /// Tokens that were not introspected yet.
    access_tokens: Arc<Tokens>,
}

impl TokenServer {
    /// Creates one token family per connection.
    pub fn begin_chains(&self, connections: usize) -> Result<(), Failure> {
        for code in self.make_codes(connections)? {
            let body =
                form::encode(&[self.exchange_pairs().as_slice(), &[("code", &code)]].concat());
            let answer = exchange::call(self.address, "POST", &self.paths.token, &[FORM], &body)?;
            let body = answer.expect_status(200, "a code")?.body;
            for (member, tokens) in [
                ("access_token", &self.stock.access_tokens),
                ("refresh_token", &self.stock.refresh_tokens),
            ] {
                let token = form::member(&body, member).ok_or_else(|| Failure::Unexpected {
                    what: "access token and refresh token",
                    came: body.clone(),
                })?;
                tokens.give(token.to_owned());
            }
        }
        Ok(())
    }

    /// Spreads codes over these grants of the client, and refreshes over these tokens.
    pub fn spread_over(&mut self, grants: Vec<GrantId>, refresh_tokens: Vec<String>) {
        if let Codes::Ours(mint) = &mut self.codes {
            mint.use_grants(grants);
        }
        refresh_tokens.into_iter().for_each(|token| self.stock.refresh_tokens.give_last(token));
    }

    fn make_codes(&self, count: usize) -> Result<Vec<String>, Failure> {
        match &self.codes {
            Codes::Ours(mint) => mint.codes(count),
            Codes::Peers => peer::codes(self.address, count),
        }
    }

    /// Enough codes for a turn of this length at the highest rate seen so far. If the turn is
    /// faster, it ends early.
    pub fn stock_up(&self, endpoint: Endpoint, turn: Duration) -> Result<(), Failure> {
        let per_second = match self.issuer {
            Issuer::Ours => 4_000.0,
            Issuer::Peer => 1_500.0,
        };
        if endpoint == Endpoint::Exchange {
            let wanted = (turn.as_secs_f64() * per_second) as usize;
            let missing = wanted.saturating_sub(self.stock.codes.count());
            self.make_codes(missing)?.into_iter().for_each(|code| self.stock.codes.give(code));
        }
        Ok(())
    }

    pub fn request(&self, endpoint: Endpoint) -> Result<Request, Failure> {
        let Self { paths, stock, .. } = self;
        Ok(match endpoint {
            Endpoint::Exchange => Request::form(Form::new(
                &paths.token,
                &[],
                &self.exchange_pairs(),
                "code",
                &stock.codes,
            )),
            Endpoint::Refresh => Request::form(self.refresh()),
            Endpoint::IntrospectSeen => self.introspect_the_same()?,
            Endpoint::IntrospectNew => {
                let headers = [("authorization", self.authorization.as_str())];
                Request::form(Form::new(
                    &paths.introspection,
                    &headers,
                    &[],
                    "token",
                    &stock.access_tokens,
                ))
            }
            Endpoint::Discovery => Request::get(DISCOVERY, &[], 200),
            Endpoint::Jwks => Request::get(&paths.jwks, &[], 200),
        })
    }

    /// Refreshes the tokens of all families in turn. With [`Self::request`], each connection
    /// refreshes the token of one family again and again.
    pub fn spread_refresh(&self) -> Request {
        Request::form(self.refresh().spread())
    }

    fn exchange_pairs(&self) -> [(&str, &str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ]
    }

    fn refresh(&self) -> Form {
        let pairs = [("grant_type", "refresh_token"), ("client_id", &self.client_id)];
        let stock = &self.stock;
        Form::new(&self.paths.token, &[], &pairs, "refresh_token", &stock.refresh_tokens)
            .chained(&stock.access_tokens)
    }

    /// An active token: both servers return 200 for an inactive one, too.
    fn introspect_the_same(&self) -> Result<Request, Failure> {
        let token = self.stock.access_tokens.take().unwrap_or_default();
        let headers = [("authorization", self.authorization.as_str()), FORM];
        let body = form::encode(&[("token", &token)]);
        let answer =
            exchange::call(self.address, "POST", &self.paths.introspection, &headers, &body)?;
        let said = answer.expect_status(200, "an access token")?.body;
        if said.contains(r#""active":true"#) {
            return Ok(Request::post(&self.paths.introspection, &headers, &body));
        }
        Err(Failure::Unexpected { what: "an active token", came: said })
    }
}
