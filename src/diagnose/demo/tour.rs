//! Commands to paste into another terminal: every step of a client, with curl.

use crate::diagnose::demo::stage::Stage;

/// A heading, and the commands to paste below it.
pub struct Stop {
    heading: String,
    lines: String,
}

impl serde::Serialize for Stop {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl Stop {
    fn to_text(&self) -> String {
        format!("# {}\n{}", self.heading, self.lines)
    }
}

fn stop(heading: impl Into<String>, lines: impl Into<String>) -> Stop {
    Stop { heading: heading.into(), lines: lines.into() }
}

const END: &str = "# This is the end of the tour.";

pub fn text(stage: &Stage) -> String {
    let stops: Vec<String> = lines(stage).iter().map(Stop::to_text).collect();
    format!(
        "\nGrantor runs at {}, and an API that it protects at {}.\n\
         Sign in at {}/account as {} with the password {}\n\
         Paste these commands into another terminal, one after the other. Ctrl-C here stops the demo and removes its data.\n\n\
         {}\n\n{END}\n",
        stage.url,
        stage.resource,
        stage.url,
        stage.email,
        stage.password.expose(),
        stops.join("\n\n"),
    )
}

pub fn lines(stage: &Stage) -> Vec<Stop> {
    let mut stops = find(stage);
    stops.extend(register(stage));
    stops.extend(authorize(stage));
    stops.extend(use_token(stage));
    stops
}

fn find(stage: &Stage) -> Vec<Stop> {
    let Stage { url, resource, .. } = stage;
    let metadata = resource.replacen("/mcp", "/.well-known/oauth-protected-resource/mcp", 1);
    vec![
        stop(
            "1. The API refuses a request without a token, and names its metadata.",
            format!("curl -si {resource} | head -3"),
        ),
        stop(
            "   The metadata of the API, and of its authorization server:",
            format!(
                "curl -s {metadata}; echo\ncurl -s {url}/.well-known/oauth-authorization-server; echo"
            ),
        ),
    ]
}

fn register(stage: &Stage) -> Vec<Stop> {
    let Stage { url, client, client_id, .. } = stage;
    let keys = format!(
        "-H 'DD-API-KEY: {}' -H 'DD-APPLICATION-KEY: {}'",
        stage.api_key.expose(),
        stage.application_key.expose()
    );
    let register = format!(
        "curl -s {url}/api/v2/oauth2/register -H 'Content-Type: application/json' -d '{client}'; echo"
    );
    let restriction =
        format!("curl -s {url}/api/v2/oauth2/clients/{client_id}/scopes_restriction {keys}; echo");
    vec![
        stop(
            "2. A client registers itself. It is registered already, so it gets the same client_id again.",
            register,
        ),
        stop("   The organization limits it to two scopes:", restriction),
    ]
}

fn authorize(stage: &Stage) -> Vec<Stop> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &stage.client_id)
        .append_pair("redirect_uri", &stage.redirect)
        .append_pair("scope", "openid mcp_read mcp_write")
        .append_pair("code_challenge", &stage.challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", &stage.resource)
        .append_pair("state", "demo")
        .finish();
    let Stage { url, email, password, .. } = stage;
    let open = format!("AUTHORIZE='{url}/oauth2/v1/authorize?{query}'");
    let log_in = format!(
        "{HELPERS}\nPAGE=$(browser \"$AUTHORIZE\")\n\
         PAGE=$(browser {url}/login -d 'email={email}' -d 'password={}' -d \"$(filled)\")",
        password.expose(),
    );
    let agree = format!(
        "CODE=$(browser {url}/oauth2/v1/authorize -d decision=approve -d scope=mcp_read -d \"$(filled)\" |\n  \
         sed -n 's/^CODE=//p'); rm -f \"$JAR\"; echo \"$CODE\"",
    );
    vec![
        stop(
            "3. The client sends its user here, and also requests mcp_write. Open this URL in a browser, sign in as\n\
             #    above, and set CODE to the code on the last page:",
            open,
        ),
        stop("   Or do the same without a browser:", log_in),
        stop("   The scope that the consent page withholds because of the limit:", WITHHELD),
        stop("   The user approves, and the client receives a code:", agree),
    ]
}

/// A minimal browser in shell. The values of our own forms need no encoding.
const HELPERS: &str = r#"JAR=$(mktemp)
browser() { curl -sL -c "$JAR" -b "$JAR" "$@"; }
field() { printf %s "$PAGE" | grep -o "name=\"$1\" value=\"[^\"]*\"" | head -1 | cut -d'"' -f4; }
filled() { for name in csrf request shown; do printf '&%s=%s' $name "$(field $name)"; done; }"#;

const WITHHELD: &str = r#"printf %s "$PAGE" | tr -d '\n' | sed 's/.*<ul class="withheld">//; s/<.ul>.*//' |
  grep -o '<code>[^<]*' | cut -c7-"#;

const MEMBER: &str = r#"member() { printf %s "$TOKENS" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }"#;

fn use_token(stage: &Stage) -> Vec<Stop> {
    let Stage { url, resource, redirect, client_id, verifier, .. } = stage;
    let exchange = format!(
        "TOKENS=$(curl -s {url}/oauth2/v1/token -d grant_type=authorization_code -d client_id={client_id} \\\n  \
         -d code=\"$CODE\" -d code_verifier={verifier} \\\n  \
         --data-urlencode redirect_uri={redirect} --data-urlencode resource={resource}); echo \"$TOKENS\""
    );
    let call =
        format!("curl -si {resource} -H \"Authorization: Bearer $(member access_token)\"; echo");
    let revoke = format!(
        "curl -s -o /dev/null -w '%{{http_code}}\\n' {url}/oauth2/v1/revoke -d client_id={client_id} \\\n  \
         -d token=\"$(member refresh_token)\""
    );
    vec![
        stop(
            "4. The client exchanges the code for tokens, within ten minutes. mcp_write is not \
             among the scopes:",
            exchange,
        ),
        stop("5. The API accepts the token:", format!("{MEMBER}\n{call}")),
        stop(
            "6. The client revokes the token, and the API refuses it:",
            format!("{revoke}\n{call}"),
        ),
    ]
}
