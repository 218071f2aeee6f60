// Registers a client, restricts it and lifts the restriction, and meets every documented refusal but 429.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal } = require("./stage.js");

const registration = (redirectUri) => ({ body: { clientName: "Example MCP Client", redirectUris: [redirectUri] } });

const upsert = (clientUuid, oidcScopes, permissionScopes) => ({
  clientUuid,
  body: { data: { attributes: { oidcScopes, permissionScopes }, type: "upsert_scopes_restriction" } },
});

async function aClientIsRegistered(operator) {
  const registered = await operator.registerOAuthClient(registration("https://example.com/oauth/callback"));

  assert.deepEqual(additional(registered), ["client_id_issued_at"]);
  const { clientId, additionalProperties, ...rest } = registered;
  assert.deepEqual(rest, {
    clientName: "Example MCP Client",
    grantTypes: ["authorization_code", "refresh_token"],
    redirectUris: ["https://example.com/oauth/callback"],
    responseTypes: ["code"],
    tokenEndpointAuthMethod: "none",
  });
  assert.match(clientId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  return clientId;
}

async function itIsRestrictedAndLetGo(operator, clientUuid) {
  const nothing = await operator.getScopesRestriction({ clientUuid });
  const wanted = upsert(clientUuid, ["openid", "email"], ["dashboards_read", "metrics_read"]);
  const setTo = await operator.upsertScopesRestriction(wanted);
  const read = await operator.getScopesRestriction({ clientUuid });
  const deleted = await operator.deleteScopesRestriction({ clientUuid });
  const lifted = await operator.getScopesRestriction({ clientUuid });

  const document = (scopesRestriction) => ({
    data: {
      attributes: { requiredPermissionScopes: null, scopesRestriction },
      id: clientUuid,
      type: "scopes_restriction",
    },
  });
  const plain = (model) => JSON.parse(JSON.stringify(model));
  const restriction = { oidcScopes: ["openid", "email"], permissionScopes: ["dashboards_read", "metrics_read"] };
  assert.deepEqual([nothing, setTo, read, lifted].flatMap(additional), []);
  assert.deepEqual(plain(nothing), document(null));
  assert.deepEqual(plain(setTo), document(restriction));
  assert.deepEqual(plain(read), document(restriction));
  assert.equal(deleted, undefined);
  assert.deepEqual(plain(lifted), document(null));
}

async function theSitesAreListed(operator) {
  const sites = await operator.getOAuth2WellKnownSites();

  assert.deepEqual(additional(sites), []);
  assert.deepEqual([sites.data.id, sites.data.type], ["prod", "env"]);
  assert.equal(sites.data.attributes.sites[0], "app.datadoghq.com");
}

async function badRequestsAreRefusedAsDocumented(operator, clientUuid) {
  const registered = await refusal(() => operator.registerOAuthClient(registration("not-a-uri")));
  assert.equal(registered.code, 400);
  assert.equal(registered.body.constructor.name, "OAuthClientRegistrationError");
  assert.deepEqual(additional(registered.body), []);
  assert.equal(registered.body.error, "invalid_client_metadata");
  assert.ok(registered.body.errorDescription.length > 0);

  const unknownScope = upsert(clientUuid, [], ["no_such_scope"]);
  const restricted = await refusal(() => operator.upsertScopesRestriction(unknownScope));
  isJsonApi(restricted, 400);
  assert.match(restricted.body.errors[0].detail, /permission_scopes\[0\]/);

  isJsonApi(await refusal(() => operator.getScopesRestriction({ clientUuid: "not-a-uuid" })), 400);
  isJsonApi(await refusal(() => operator.deleteScopesRestriction({ clientUuid: "not-a-uuid" })), 400);
}

function isJsonApi(refused, status) {
  assert.equal(refused.code, status);
  assert.equal(refused.body.constructor.name, "JSONAPIErrorResponse", JSON.stringify(refused.body));
  assert.deepEqual(additional(refused.body), []);
  assert.equal(refused.body.errors.length, 1);
  assert.equal(refused.body.errors[0].status, String(status));
}

async function unknownClientsAreNotFound(operator) {
  isJsonApi(await refusal(() => operator.getScopesRestriction({ clientUuid: NOBODY })), 404);
  isJsonApi(await refusal(() => operator.upsertScopesRestriction(upsert(NOBODY, [], []))), 404);
  isJsonApi(await refusal(() => operator.deleteScopesRestriction({ clientUuid: NOBODY })), 404);
}

// The client documents no 403 here, so that it hands on the text as it came.
async function unknownKeysAreForbidden(clientUuid) {
  const stranger = api({ apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) });
  const calls = [
    () => stranger.getScopesRestriction({ clientUuid }),
    () => stranger.upsertScopesRestriction(upsert(clientUuid, [], [])),
    () => stranger.deleteScopesRestriction({ clientUuid }),
  ];
  for (const call of calls) {
    const refused = await refusal(call);
    assert.equal(refused.code, 403);
    assert.match(refused.body, /\{"errors":\["Forbidden"\]\}/);
  }
}

async function main() {
  const operator = api();
  const clientUuid = await aClientIsRegistered(operator);
  await itIsRestrictedAndLetGo(operator, clientUuid);
  await theSitesAreListed(operator);
  await badRequestsAreRefusedAsDocumented(operator, clientUuid);
  await unknownClientsAreNotFound(operator);
  await unknownKeysAreForbidden(clientUuid);
  console.log("the journey ends well");
}

main();
