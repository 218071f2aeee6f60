// Asks a server that allows one request of a source and one call with keys: the next ones get 429, as the client reads it.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal } = require("./stage.js");

async function main() {
  const operator = api();
  await operator.getOAuth2WellKnownSites();
  const unknown = await refusal(() => operator.getScopesRestriction({ clientUuid: NOBODY }));
  assert.equal(unknown.code, 404);
  const body = { clientName: "One too many", redirectUris: ["https://example.com/callback"] };
  const calls = [
    () => operator.getOAuth2WellKnownSites(),
    () => operator.registerOAuthClient({ body }),
    () => operator.getScopesRestriction({ clientUuid: NOBODY }),
    () => operator.deleteScopesRestriction({ clientUuid: NOBODY }),
  ];
  for (const call of calls) {
    const refused = await refusal(call);
    assert.equal(refused.code, 429);
    assert.equal(refused.body.constructor.name, "APIErrorResponse", JSON.stringify(refused.body));
    assert.deepEqual(additional(refused.body), []);
    assert.ok(refused.body.errors.length > 0);
  }
  console.log("the journey ends well");
}

main();
