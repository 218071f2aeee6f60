// An administrator manages the API keys of an organization and their own application keys.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal, v2 } = require("./stage.js");

const apiKey = (attributes, id) => ({ body: { data: { id, type: "api_keys", attributes } } });
const applicationKey = (attributes, id) => ({ body: { data: { id, type: "application_keys", attributes } } });

async function apiKeysAreManaged(administrator) {
  const made = await administrator.createAPIKey(apiKey({ name: "Deploy" }));
  assert.deepEqual(additional(made), []);
  const apiKeyId = made.data.id;
  const { name, key, last4, dateLastUsed } = made.data.attributes;
  assert.deepEqual([name, key.length, last4, dateLastUsed], ["Deploy", 32, key.slice(-4), null]);

  const shown = await administrator.getAPIKey({ apiKeyId, include: "created_by,modified_by" });
  assert.deepEqual([additional(shown), shown.data.attributes.key, shown.included.length], [[], undefined, 1]);
  const changed = await administrator.updateAPIKey({ apiKeyId, ...apiKey({ name: "Release" }, apiKeyId) });
  assert.deepEqual([additional(changed), changed.data.attributes.name], [[], "Release"]);

  const page = await administrator.listAPIKeys({ pageSize: 1, sort: "-name", filter: "rel", include: "created_by" });
  assert.deepEqual(additional(page), []);
  assert.deepEqual([page.meta.maxAllowed, page.meta.page.totalFilteredCount, page.data[0].id], [200, 1, apiKeyId]);
  const none = await administrator.listAPIKeys({
    filterCreatedAtEnd: "2020-01-01T00:00:00Z",
    filterModifiedAtStart: "2020-01-01T00:00:00Z",
  });
  assert.deepEqual(none.data, []);

  await administrator.deleteAPIKey({ apiKeyId });
  for (const call of [
    () => administrator.getAPIKey({ apiKeyId }),
    () => administrator.deleteAPIKey({ apiKeyId: NOBODY }),
    () => administrator.updateAPIKey({ apiKeyId: NOBODY, ...apiKey({ name: "X" }, NOBODY) }),
  ]) {
    const refused = await refusal(call);
    assert.deepEqual([refused.code, refused.body.errors], [404, ["API key not found"]]);
  }
}

async function applicationKeysAreManaged(administrator) {
  const wanted = { name: "Laptop", scopes: ["mcp_read"] };
  const made = await administrator.createCurrentUserApplicationKey(applicationKey(wanted));
  assert.deepEqual(additional(made), []);
  const appKeyId = made.data.id;
  const { key, scopes } = made.data.attributes;
  assert.deepEqual([key.length, scopes], [40, ["mcp_read"]]);

  const shown = await administrator.getCurrentUserApplicationKey({ appKeyId });
  assert.deepEqual([additional(shown), shown.data.attributes.key], [[], undefined]);
  assert.equal(shown.data.relationships.ownedBy.data.type, "users");
  const renamed = applicationKey({ name: "Phone" }, appKeyId);
  const changed = await administrator.updateCurrentUserApplicationKey({ appKeyId, ...renamed });
  assert.deepEqual([additional(changed), changed.data.attributes.name], [[], "Phone"]);

  const page = await administrator.listCurrentUserApplicationKeys({
    pageSize: 1,
    sort: "-created_at",
    filter: "pho",
    include: "owned_by",
  });
  assert.deepEqual(additional(page), []);
  assert.deepEqual([page.meta.maxAllowedPerUser, page.meta.page.totalFilteredCount], [100, 1]);

  await administrator.deleteCurrentUserApplicationKey({ appKeyId });
  for (const call of [
    () => administrator.getCurrentUserApplicationKey({ appKeyId }),
    () => administrator.deleteCurrentUserApplicationKey({ appKeyId: NOBODY }),
    () =>
      administrator.updateCurrentUserApplicationKey({ appKeyId: NOBODY, ...applicationKey({ name: "X" }, NOBODY) }),
  ]) {
    const refused = await refusal(call);
    assert.deepEqual([refused.code, refused.body.errors], [404, ["Application key not found"]]);
  }
}

async function strangersAreRefused(stranger) {
  for (const call of [() => stranger.listAPIKeys({}), () => stranger.listCurrentUserApplicationKeys({})]) {
    const refused = await refusal(call);
    assert.deepEqual([refused.code, refused.body.errors], [403, ["Forbidden"]]);
  }
}

async function main() {
  const administrator = api(undefined, v2.KeyManagementApi);
  await apiKeysAreManaged(administrator);
  await applicationKeysAreManaged(administrator);
  const unknown = { apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) };
  await strangersAreRefused(api(unknown, v2.KeyManagementApi));
  console.log("the journey ends well");
}

main();
