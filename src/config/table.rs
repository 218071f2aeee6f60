//! The table of settings: name, default, what is allowed, and what it does in words for whoever runs the server.
//!
//! `reference.rs` writes `config/default.toml` from it, and every error takes its "allowed" from here.

use super::settings::{Section, Setting};

const TIMEOUT: &str = "whole seconds from 1 to 86400";
const MILLISECONDS: &str = "whole milliseconds from 1 to 600000";
const LIMIT: &str = "a whole number; 0 is no limit";
const COUNT: &str = "a whole number from 1 on";
const LIFETIME: &str = "whole seconds up to 100 years; 0 is without an end";
const SWITCH: &str = "true or false";
const NETWORKS: &str = "a list of networks or addresses, such as [\"10.0.0.0/8\", \"::1\"]";

pub const SECTIONS: &[Section] = &[
    Section {
        name: "http",
        about: "Where the server listens, what it calls itself, and how long it waits for clients.",
        settings: &[
            Setting::new(
                "http.listen",
                r#""127.0.0.1:8080""#,
                "an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
                "Where clients connect. The default is reached from this machine only; in a container, or where no \
                 proxy runs beside the server, write \"0.0.0.0:8080\" and give public_url too.",
            ),
            Setting::new(
                "http.public_url",
                r#""""#,
                "http:// or https://, a host and perhaps a port, without a path and without a slash at the end",
                "How browsers and clients reach the server: the issuer of every token and the base of every link, \
                 used exactly as written here. Empty is http:// and the listen address. Set it before the first \
                 client connects: clients that know the old one have to authorize again.",
            ),
            Setting::new(
                "http.management_listen",
                r#""127.0.0.1:8081""#,
                "an address and a port, or \"\" for none",
                "Where /healthz, /readyz and /metrics are answered, apart from clients. Keep it off the internet.",
            ),
            Setting::new(
                "http.fallback_paths",
                "true",
                SWITCH,
                "Answer at /authorize, /token and /register too, where clients of the first MCP revision look that find \
                 no metadata.",
            ),
            Setting::new(
                "http.trusted_proxies",
                "[]",
                NETWORKS,
                "Proxies whose X-Forwarded-For header is believed; each must set it or add to it. Forwarded (RFC 7239) \
                 is not read. Without them every client behind a proxy counts as one source, and shares one limit. \
                 Never list a network that clients connect from.",
            ),
            Setting::new("http.first_byte_timeout", "10", TIMEOUT, "How long a new connection may say nothing."),
            Setting::new(
                "http.header_timeout",
                "15",
                TIMEOUT,
                "How long a client may take to send the headers of a request or its body, and for how long it may take \
                 nothing of its answer; an idle connection is closed after it too.",
            ),
            Setting::new(
                "http.request_timeout",
                "30",
                TIMEOUT,
                "How long a whole request may take, from its headers to its answer.",
            ),
            Setting::new(
                "http.shutdown_timeout",
                "8",
                TIMEOUT,
                "How long a stopping server finishes what it has begun. Keep it below what the service manager waits \
                 before it kills.",
            ),
            Setting::new(
                "http.max_body_bytes",
                "65536",
                COUNT,
                "The largest request body that is read; a larger one is answered with 413.",
            ),
            Setting::new(
                "http.max_in_flight",
                "512",
                COUNT,
                "How many requests are worked on at once; one more is answered with 503 and when to try again.",
            ),
        ],
    },
    Section {
        name: "database",
        about: "Where everything is kept. SQLite needs nothing installed and serves one server; Postgres may be \
                shared by any number of servers.",
        settings: &[
            Setting::secret(
                "database.url",
                r#""sqlite:data/grantor.db""#,
                "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME",
                "The database. DATABASE_URL in the environment means the same, and GRANTOR_DATABASE__URL goes before \
                 it. A Postgres URL with a password is better kept in a file: url_file.",
            ),
            Setting::new(
                "database.max_connections",
                "16",
                COUNT,
                "How many connections this server opens at most. All servers together must stay below what Postgres \
                 allows; SQLite uses only a few.",
            ),
            Setting::new(
                "database.acquire_timeout_ms",
                "1500",
                MILLISECONDS,
                "How long a request waits for a free connection before it is answered with 503.",
            ),
            Setting::new(
                "database.query_timeout_ms",
                "5000",
                MILLISECONDS,
                "How long one statement may take. Raise it only for a database that is known to be slow.",
            ),
        ],
    },
    Section {
        name: "log",
        about: "What the server tells about itself. Secrets and tokens are in no log at any level.",
        settings: &[
            Setting::new(
                "log.level",
                r#""info""#,
                "error, warn, info, debug, trace or off, or a list such as \"info,grantor=debug\"",
                "How much is logged.",
            ),
            Setting::new(
                "log.format",
                r#""auto""#,
                "\"auto\", \"text\" or \"json\"",
                "The form of a line: text to read, json for a collector; auto is text on a terminal and json \
                 elsewhere.",
            ),
        ],
    },
    Section {
        name: "limits",
        about: "How much one source may ask for: an IPv4 address or an IPv6 /64. Beyond it the answer is 429 and \
                says when to come back; nobody is shut out for good. Each server counts by itself, so divide by \
                their number. 0 switches a limit off.",
        settings: &[
            Setting::new(
                "limits.register_per_minute",
                "30",
                LIMIT,
                "Client registrations of one source. Hosted assistants register for all their users from few \
                 addresses.",
            ),
            Setting::new(
                "limits.register_per_second_total",
                "50",
                LIMIT,
                "Client registrations of all sources together: protects the database, since anybody may register.",
            ),
            Setting::new(
                "limits.token_per_minute",
                "600",
                LIMIT,
                "Token, refresh and revocation requests of one source.",
            ),
            Setting::new(
                "limits.requests_per_minute",
                "600",
                LIMIT,
                "All other requests of one source, pages and metadata among them.",
            ),
            Setting::new(
                "limits.login_per_minute",
                "10",
                LIMIT,
                "Attempts to log in from one source. To one account as many in a quarter of an hour; a browser in which \
                 the account has logged in before is counted by itself.",
            ),
            Setting::new(
                "limits.operator_per_minute",
                "600",
                LIMIT,
                "Calls of the management API with one key or token.",
            ),
            Setting::new(
                "limits.failed_keys_per_minute",
                "30",
                LIMIT,
                "Requests of one source with keys, tokens or client secrets that are wrong: slows down guessing.",
            ),
            Setting::new(
                "limits.connections",
                "10000",
                LIMIT,
                "Open connections of all sources together. Stay below the number of files that the system lets the \
                 server open.",
            ),
            Setting::new(
                "limits.connections_per_source",
                "200",
                LIMIT,
                "Open connections of one source; trusted proxies are not counted.",
            ),
        ],
    },
    Section {
        name: "registration",
        about: "Clients that register themselves (RFC 7591): anybody may, and it gives them nothing until a user \
                agrees.",
        settings: &[
            Setting::new(
                "registration.tolerate",
                r#"["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"]"#,
                "a list of auth methods and grant types",
                "What known clients send by habit and do not need: an auth method listed here is registered as \
                 \"none\", a grant type listed here is left out beside a supported one, and the answer says so. \
                 Everything else that is not supported is refused; an empty list refuses these too.",
            ),
            Setting::new(
                "registration.deduplicate",
                "true",
                SWITCH,
                "Give the same metadata the same client_id, each time and on every server. With false each \
                 registration makes a client of its own, and the table grows with every call.",
            ),
            Setting::new(
                "registration.sleep_after",
                "7776000",
                "whole seconds up to 100 years; 0 is never",
                "After how long without use a client counts as asleep, which only lists and metrics show. 7776000 is \
                 90 days.",
            ),
            Setting::new(
                "registration.forget_after",
                "15552000",
                "whole seconds from 86400, a day, to 100 years and not less than sleep_after; 0 is never",
                "After how long without use a client is deleted, if no user ever authorized it and no organization \
                 ever restricted it. 15552000 is 180 days.",
            ),
            Setting::new(
                "registration.private_schemes",
                "[]",
                "a list of schemes in lower case, such as [\"cursor\", \"com.example.app\"]; an empty list is every \
                 one",
                "Which private-use schemes redirect URIs of native apps may have (RFC 8252 section 7.1). Schemes \
                 that run code, read files or belong to the browser are refused in any case.",
            ),
            Setting::new(
                "registration.queue",
                "1024",
                COUNT,
                "How many registrations may wait for their turn to be stored; one more is answered with 503.",
            ),
        ],
    },
    Section {
        name: "restriction",
        about: "What it means that an organization restricts the scopes of a client.",
        settings: &[
            Setting::new(
                "restriction.on_excess",
                r#""narrow""#,
                "\"narrow\" or \"refuse\"",
                "A client that asks for more than its restriction allows: narrow leaves out the rest and tells both \
                 the user and the client; refuse answers invalid_scope.",
            ),
            Setting::new(
                "restriction.on_narrow",
                r#""revoke""#,
                "\"revoke\" or \"narrow_grants\"",
                "What users have already granted when a scope is taken away: revoke ends every grant that holds the \
                 scope; narrow_grants takes only the scope from it.",
            ),
            Setting::new(
                "restriction.required",
                "[]",
                "a list of tables with client_id, a UUID that stands once, and permission_scopes, names of the \
                 catalogue; in the environment as JSON",
                "Scopes that a first-party client always carries, whatever an organization decides. In a file, write \
                 [[restriction.required]] and below it client_id and permission_scopes.",
            ),
        ],
    },
    Section {
        name: "consent",
        about: "What users are asked when a client wants access.",
        settings: &[Setting::new(
            "consent.remember",
            r#""https""#,
            "\"https\", \"never\" or \"always\"",
            "Whether a user who has given a client everything it asks for is asked again. https remembers clients that \
             are sent to a web server; a program on the user's machine may be another one that took its name, and is \
             asked about each time, with one click.",
        )],
    },
    Section {
        name: "resources",
        about: "The APIs and MCP servers that tokens are for (RFC 8707). `grantor resource create` adds one without a \
                restart.",
        settings: &[
            Setting::new(
                "resources.unknown",
                r#""accept""#,
                "\"accept\" or \"refuse\"",
                "A request that names a resource which is not listed: accept makes a token for it, since that is the \
                 only server that will take the token; refuse answers invalid_target.",
            ),
            Setting::new(
                "resources.declared",
                "[]",
                "a list of tables with uri, name, scopes and secret_sha256, the SHA-256 in hexadecimal digits of the \
                 secret by which it asks about tokens; in the environment as JSON",
                "Resources that are known from the start. In a file, write [[resources.declared]] and below it the \
                 four members.",
            ),
        ],
    },
    Section {
        name: "sites",
        about: "What /api/v2/oauth2/.well-known/sites answers: where else this service runs. The shipped list is an \
                example; put your own in its place.",
        settings: &[
            Setting::new(
                "sites.environment",
                r#""prod""#,
                "one word",
                "The name of the environment, the id of the answer.",
            ),
            Setting::new(
                "sites.hosts",
                r#"[
  "app.datadoghq.com", "app.datadoghq.eu", "us5.datadoghq.com", "us3.datadoghq.com",
  "ap1.datadoghq.com", "ap2.datadoghq.com", "app.ddog-gov.com", "us2.ddog-gov.com",
]"#,
                "a list of host names without a scheme",
                "The hosts that people open in a browser, in the order in which they are listed.",
            ),
        ],
    },
    Section {
        name: "scopes",
        about: "What clients may ask for.",
        settings: &[Setting::new(
            "scopes.catalogue",
            r#""""#,
            "the path of a TOML file like config/scopes.toml, or \"\" for the shipped one",
            "Your own list of scopes, instead of the shipped one.",
        )],
    },
    Section {
        name: "tokens",
        about: "How long codes and tokens live, in seconds, and what signs them.",
        settings: &[
            Setting::new(
                "tokens.code_ttl",
                "60",
                "whole seconds from 1 to 600",
                "An authorization code, from the redirect to its one use (RFC 6749 section 4.1.2).",
            ),
            Setting::new(
                "tokens.access_ttl",
                "3600",
                "whole seconds from 1 to 100 years",
                "An access token. An API that checks tokens by itself learns of a revocation only when it ends, so \
                 keep it short.",
            ),
            Setting::new(
                "tokens.refresh_idle_ttl",
                "7776000",
                LIFETIME,
                "A refresh token that is not used. 7776000 is 90 days.",
            ),
            Setting::new(
                "tokens.refresh_ttl",
                "31536000",
                LIFETIME,
                "A chain of refresh tokens, however often it is used: then the user is asked again. 31536000 is a \
                 year.",
            ),
            Setting::new(
                "tokens.refresh_grace",
                "10",
                "whole seconds; 0 is not at all",
                "How long the refresh token before the last still works, so that a lost answer or two refreshes at \
                 once do not log a client out.",
            ),
            Setting::new(
                "tokens.signing_algorithm",
                r#""ES256""#,
                "\"ES256\", \"EdDSA\" or \"RS256\"",
                "What tokens are signed with. ES256 is known everywhere; EdDSA (Ed25519) is faster; RS256 is much \
                 slower, for APIs that know nothing else. After a change the server makes a new key, and tokens of \
                 the old one stay valid.",
            ),
            Setting::new(
                "tokens.signing_key_max_age",
                "7776000",
                "whole seconds from 86400, a day, to 100 years; 0 is never",
                "After how long a new signing key takes the place of one; `grantor keys rotate` does so at any time. \
                 The new key is published before it signs and the old one until its last token has ended, so nobody \
                 notices. 7776000 is 90 days.",
            ),
        ],
    },
    Section {
        name: "client_documents",
        about: "Clients whose id is the URL of a document that describes them, instead of a registration.",
        settings: &[
            Setting::new(
                "client_documents.enabled",
                "true",
                SWITCH,
                "Accept such clients, and fetch their \
                          documents.",
            ),
            Setting::new(
                "client_documents.allow_loopback",
                "false",
                SWITCH,
                "Fetch documents from this machine too, by http as well. Only for tests: it lets a stranger make the \
                 server call itself.",
            ),
        ],
    },
    Section {
        name: "outgoing",
        about: "Requests that the server itself makes, for webhooks and client documents.",
        settings: &[
            Setting::new(
                "outgoing.allow_networks",
                "[]",
                NETWORKS,
                "Private networks that they may reach. All others that are not public are refused, so that nobody uses \
                 the server to look around inside. The address of a cloud's metadata service counts only where it is \
                 listed by itself.",
            ),
            Setting::secret(
                "outgoing.proxy",
                r#""""#,
                "http:// or https://, perhaps USER:PASSWORD@, a host and perhaps a port, without a path; or \"\" for none",
                "A proxy that all of them go through; HTTP_PROXY and the like in the environment are not read. The proxy \
                 resolves the names, so it has to refuse what is private, and may itself be anywhere.",
            ),
        ],
    },
    Section {
        name: "webhooks",
        about: "Events of an organisation, sent to the receivers that its operators name.",
        settings: &[
            Setting::new(
                "webhooks.enabled",
                "true",
                SWITCH,
                "Send them from this server. Where several share a database, one that sends is enough; events wait for it.",
            ),
            Setting::new(
                "webhooks.attempts",
                "10",
                "a whole number from 1",
                "How often one is tried before it is parked for an operator to look at. The pauses grow from 5 seconds to 6 \
                 hours: ten attempts take about half a day.",
            ),
            Setting::new(
                "webhooks.give_up_after",
                "259200",
                "whole seconds from 1 to 100 years",
                "What is older than this is parked without another attempt, so that a receiver which was away for long is \
                 not told everything that waits. 259200 is three days.",
            ),
            Setting::new(
                "webhooks.timeout",
                "10",
                "whole seconds from 1",
                "How long a receiver, or the server that gives access tokens for it, may take to answer.",
            ),
            Setting::new(
                "webhooks.at_once",
                "64",
                "a whole number from 1",
                "How many are sent at the same time by one server. One organisation has at most a quarter of them.",
            ),
            Setting::new(
                "webhooks.at_once_per_webhook",
                "8",
                "a whole number from 1",
                "The same to one receiver, so that a slow one does not hold up all others. Those about one client are \
                 always sent one after the other.",
            ),
            Setting::new(
                "webhooks.keep_delivered",
                "604800",
                "whole seconds; 0 is not at all",
                "How long a delivery that went well can be looked up. 604800 is a week.",
            ),
            Setting::new(
                "webhooks.keep_parked",
                "2592000",
                "whole seconds; 0 is for ever",
                "How long a parked delivery waits for an operator. 2592000 is 30 days.",
            ),
            Setting::new(
                "webhooks.allow_loopback",
                "false",
                SWITCH,
                "Let webhooks and their token requests go to this machine, by http as well. Only for tests: it lets \
                 operators of an organisation make the server call itself.",
            ),
        ],
    },
    Section {
        name: "secrets",
        about: "What protects secrets that have to be stored in a form that can be read again.",
        settings: &[
            Setting::new(
                "secrets.key_max_age",
                "31536000",
                "whole seconds from 86400, a day, to 100 years; 0 is never",
                "After how long the key that seals is called old: 30 days before, webhooks are told that it expires. It goes on \
             working. 31536000 is a year.",
            ),
            Setting::secret(
                "secrets.key",
                r#""""#,
                "keys with commas or white space between, each an id of letters and digits, a colon and 32 bytes in \
             base64, or a passphrase of at least 32 characters; or \"\" for none",
                "The key ring that seals them, the newest key first: it seals, and all of them open. What `openssl rand \
             -base64 32` prints is a good key. Give every server the same, and keep it apart from the backups of the \
             database; better in a file: key_file. To change it, put a new key in front, restart, and run `grantor keys \
             re-encrypt`. Without one, a server on SQLite makes a key file beside the database, and on Postgres it \
             only starts where public_url is http.",
            ),
        ],
    },
];
