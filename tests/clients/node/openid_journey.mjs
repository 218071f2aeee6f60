// A certified OpenID Connect client, as strict as it can be made: from discovery to a revoked token that is refused.
//
//   node openid_journey.mjs ISSUER EMAIL PASSWORD     prints what happened, as JSON
import { installed } from "./installed.mjs";
import { Person } from "./person.mjs";

const openid = await installed("openid-client");

const [issuer, email, password] = process.argv.slice(2);
const REDIRECT_URI = "http://127.0.0.1:33418/callback";
const SCOPE = "openid email profile";

// Loopback has no TLS; everything else that the client can check, it checks.
const execute = [openid.allowInsecureRequests, openid.enableNonRepudiationChecks];

async function registered() {
  const metadata = {
    client_name: "OpenID journey",
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
  };
  return openid.dynamicClientRegistration(new URL(issuer), metadata, openid.None(), { execute });
}

async function authorized(config, did) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()];
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
    max_age: "300",
  });
  const person = new Person(email, password);
  const callback = await person.visit(url);
  did.push(...person.did);
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, maxAge: 300 };
  return { callback, checks, tokens: await openid.authorizationCodeGrant(config, callback, checks) };
}

// What a call that has to be refused is refused with.
async function refusal(call) {
  try {
    await call();
  } catch (refused) {
    const error = refused.error ?? refused.cause?.[0]?.parameters?.error ?? String(refused);
    return `${refused.status} ${error}`;
  }
  throw new Error("was not refused");
}

async function main() {
  const did = [];
  const config = await registered();
  const { client_id } = config.clientMetadata();
  const { callback, checks, tokens } = await authorized(config, did);
  const claims = tokens.claims();
  const userinfo = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
  const again = await openid.fetchUserInfo(config, refreshed.access_token, claims.sub);
  await openid.tokenRevocation(config, refreshed.refresh_token);
  const refused = {
    refresh: await refusal(() => openid.refreshTokenGrant(config, refreshed.refresh_token)),
    userinfo: await refusal(() => openid.fetchUserInfo(config, refreshed.access_token, claims.sub)),
    code: await refusal(() => openid.authorizationCodeGrant(config, callback, checks)),
  };
  const { iss, aud, sub } = claims;
  console.log(
    JSON.stringify({
      did,
      client_id,
      scope: tokens.scope.split(" ").sort(),
      token_type: tokens.token_type,
      expires_in: tokens.expires_in,
      id_token: { iss, aud, sub, claims: Object.keys(claims).sort() },
      userinfo,
      same_userinfo_after_refresh: JSON.stringify(again) === JSON.stringify(userinfo),
      new_access_token: refreshed.access_token !== tokens.access_token,
      new_refresh_token: refreshed.refresh_token !== tokens.refresh_token,
      id_token_after_refresh: refreshed.claims()?.sub === sub,
      refused,
    }),
  );
}

await main();
