// A member lists the apps that they allowed, shows one, and ends what they allowed.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal, v2 } = require("./stage.js");

async function theyAreListed(member) {
  const page = await member.listUserAuthorizedClients({ pageSize: 2, include: "oauth2_client" });
  const every = [];
  for await (const one of member.listUserAuthorizedClientsWithPagination({ pageSize: 2 })) {
    every.push(one);
  }

  assert.deepEqual(additional(page), ["included"]);
  assert.deepEqual([page.data.length, page.meta.page.totalCount, page.meta.page.totalFilteredCount], [2, 3, 3]);
  assert.equal(new Set(every.map((one) => one.id)).size, 3);
  for (const one of every) {
    assert.deepEqual(additional(one), []);
    assert.equal(one.type, "user_authorized_clients");
    const { disabled, orgDisabled, lastExercised } = one.attributes;
    assert.deepEqual([disabled, orgDisabled, lastExercised], [false, false, null]);
    assert.deepEqual(
      one.relationships.scopes.data.map((scope) => scope.id),
      ["mcp_read", "openid"],
    );
  }
  const filtered = await member.listUserAuthorizedClients({ filter: "THREE", filterDisabled: "false" });
  assert.deepEqual([filtered.data.length, filtered.meta.page.totalFilteredCount], [1, 1]);
  return every;
}

async function theyAreEnded(member, byId, byClient) {
  const userAuthorizedClientId = byId.id;
  const shown = await member.getUserAuthorizedClient({ userAuthorizedClientId });
  assert.deepEqual([additional(shown), shown.data.id], [[], userAuthorizedClientId]);

  await member.deleteUserAuthorizedClient({ userAuthorizedClientId });
  const clientId = byClient.relationships.oauth2Client.data.id;
  await member.deleteUserAuthorizedClientsByClient({ clientId });

  const ended = await member.listUserAuthorizedClients({ filterDisabled: "true" });
  assert.deepEqual(ended.data.map((one) => one.id).sort(), [byId.id, byClient.id].sort());
}

async function refusalsAreUnderstood(member, stranger) {
  const calls = [
    () => member.getUserAuthorizedClient({ userAuthorizedClientId: NOBODY }),
    () => member.deleteUserAuthorizedClient({ userAuthorizedClientId: NOBODY }),
    () => member.deleteUserAuthorizedClientsByClient({ clientId: NOBODY }),
  ];
  for (const call of calls) {
    const refused = await refusal(call);
    assert.deepEqual([refused.code, refused.body.errors[0].status], [404, "404"]);
  }
  // Its model of a 403 knows no plain strings: what it makes of the text is its own affair.
  const refused = await refusal(() => stranger.listUserAuthorizedClients());
  assert.deepEqual([refused.code, refused.body.errors.length], [403, 1]);
}

async function main() {
  const member = api(undefined, v2.UserAuthorizedClientsApi);
  const stranger = api({ apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) }, v2.UserAuthorizedClientsApi);
  const [first, second] = await theyAreListed(member);
  await theyAreEnded(member, first, second);
  await refusalsAreUnderstood(member, stranger);
  console.log("the journey ends well");
}

main();
