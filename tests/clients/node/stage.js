// What the scripts here share: the published client, pointed at the server under test, and how to read its models.
"use strict";

const assert = require("node:assert/strict");
const { createRequire } = require("node:module");

// The package is installed under target/, apart from the sources.
const { client, v1, v2 } = createRequire(`${process.env.CLIENTS}/node/`)("@datadog/datadog-api-client");

const OPERATIONS = [
  "deleteScopesRestriction",
  "getOAuth2WellKnownSites",
  "getScopesRestriction",
  "registerOAuthClient",
  "upsertScopesRestriction",
];
const NOBODY = "00000000-0000-4000-8000-000000000000";

// The client as its own documentation sets it up: the server with a free name, and the preview operations enabled.
function api(
  { apiKeyAuth, appKeyAuth } = { apiKeyAuth: process.env.API_KEY, appKeyAuth: process.env.APPLICATION_KEY },
  Kind = v2.OAuth2ClientPublicApi,
) {
  const configuration = client.createConfiguration({ authMethods: { apiKeyAuth, appKeyAuth }, serverIndex: 1 });
  const { protocol, host } = new URL(process.env.URL);
  configuration.setServerVariables({ protocol: protocol.replace(":", ""), name: host });
  for (const operation of OPERATIONS) {
    configuration.unstableOperations[`v2.${operation}`] = true;
  }
  return new Kind(configuration);
}

// The members that the model has no attribute for, here and below; an unparsed one is a failure at once.
function additional(model) {
  if (Array.isArray(model)) {
    return model.flatMap(additional);
  }
  if (model === null || typeof model !== "object") {
    return [];
  }
  assert.ok(!model._unparsed && model.constructor.name !== "UnparsedObject", `unparsed: ${JSON.stringify(model)}`);
  const { additionalProperties = {}, ...known } = model;
  return [...Object.keys(additionalProperties), ...Object.values(known).flatMap(additional)];
}

// The error of a call that has to be refused.
async function refusal(call) {
  try {
    await call();
  } catch (refused) {
    assert.equal(refused.constructor.name, "ApiException", String(refused.stack));
    return refused;
  }
  return assert.fail("was not refused");
}

module.exports = { NOBODY, additional, api, refusal, v1, v2 };
