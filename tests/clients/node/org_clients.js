// Lists the clients that an organization uses, shows one, ends its authorizations, disables and enables it.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal, v2 } = require("./stage.js");

// Of the clients of one page, which are included.
async function names(operator, query) {
  const page = await operator.listOrgAuthorizedClients({ include: "oauth2_client", ...query });
  const included = new Map(page.additionalProperties.included.map((one) => [one.id, one.attributes.name]));
  return page.data.map((one) => included.get(one.relationships.oauth2Client.data.id));
}

async function theyAreListed(operator) {
  const page = await operator.listOrgAuthorizedClients({ pageSize: 2, sort: "oauth2_client.name" });
  const every = [];
  for await (const one of operator.listOrgAuthorizedClientsWithPagination({ pageSize: 2 })) {
    every.push(one);
  }

  assert.deepEqual(additional(page), []);
  assert.deepEqual([page.data.length, page.meta.page.totalCount, page.meta.page.totalFilteredCount], [2, 3, 3]);
  assert.equal(new Set(every.map((one) => one.id)).size, 3);
  for (const one of every) {
    assert.deepEqual(additional(one), []);
    assert.equal(one.type, "org_authorized_clients");
    const { disabled, lastExercised, userCount } = one.attributes;
    assert.deepEqual({ disabled, lastExercised, userCount }, { disabled: false, lastExercised: null, userCount: 1 });
  }
  const byName = { sort: "oauth2_client.name", pageSize: 2 };
  assert.deepEqual(await names(operator, byName), ["One", "Three"]);
  assert.deepEqual(await names(operator, { ...byName, sort: "-oauth2_client.name" }), ["Two", "Three"]);
  assert.deepEqual(await names(operator, { filterOauth2ClientName: "THREE" }), ["Three"]);
  assert.deepEqual(await names(operator, { filterDisabled: "true" }), []);
  return page.data.map((one) => one.id);
}

async function oneIsShownWithItsUsers(operator, orgAuthorizedClientId) {
  const shown = await operator.getOrgAuthorizedClient({ orgAuthorizedClientId });
  const users = await operator.listOrgAuthorizedClientUserAuthorizations({ orgAuthorizedClientId });

  assert.deepEqual([shown, users].flatMap(additional), []);
  assert.equal(shown.data.id, orgAuthorizedClientId);
  const [authorization] = users.data;
  assert.equal(authorization.id, shown.data.relationships.userAuthorizedClients.data[0].id);
  assert.deepEqual([authorization.attributes.disabled, authorization.attributes.orgDisabled], [false, false]);
  assert.deepEqual(
    authorization.relationships.scopes.data.map((scope) => scope.id),
    ["mcp_read", "openid"],
  );
  return authorization;
}

async function anAuthorizationIsEnded(operator, orgAuthorizedClientId, authorization) {
  const userAuthorizedClientId = authorization.id;
  const userId = authorization.relationships.user.data.id;

  await operator.deleteOrgAuthorizedClientUserAuthorization({ orgAuthorizedClientId, userAuthorizedClientId });
  await operator.deleteOrgAuthorizedClientAllUserAuthorizations({ orgAuthorizedClientId, userId });

  const ended = { orgAuthorizedClientId, filterUserAuthorizedClientsDisabled: "true" };
  const { data } = await operator.getOrgAuthorizedClient(ended);
  assert.deepEqual([data.attributes.disabled, data.attributes.userCount], [false, 0]);
  assert.deepEqual(
    data.relationships.userAuthorizedClients.data.map((related) => related.id),
    [authorization.id],
  );
}

async function aClientIsDisabledAndEnabled(operator, orgAuthorizedClientId) {
  const update = (disabled, id = orgAuthorizedClientId) => {
    const data = { id, type: "org_authorized_clients", attributes: { disabled } };
    return operator.updateOrgAuthorizedClient({ orgAuthorizedClientId, body: { data } });
  };
  for (const disabled of [true, true, false]) {
    const updated = await update(disabled);
    assert.deepEqual(additional(updated), []);
    assert.deepEqual([updated.data.id, updated.data.attributes.disabled], [orgAuthorizedClientId, disabled]);
  }
  const refused = await refusal(() => update(true, NOBODY));
  assert.deepEqual([refused.code, refused.body.errors[0].source.pointer], [422, "/data/id"]);
}

async function aClientIsDisabled(operator, orgAuthorizedClientId) {
  assert.equal(await operator.deleteOrgAuthorizedClient({ orgAuthorizedClientId }), undefined);

  const { data } = await operator.getOrgAuthorizedClient({ orgAuthorizedClientId });
  assert.deepEqual([data.attributes.disabled, data.attributes.userCount], [true, 0]);
  assert.deepEqual(await names(operator, { filterDisabled: "true" }), ["Three"]);
}

async function refusalsAreUnderstood(operator, stranger) {
  const orgAuthorizedClientId = NOBODY;
  for (const call of ["getOrgAuthorizedClient", "deleteOrgAuthorizedClient"]) {
    const refused = await refusal(() => operator[call]({ orgAuthorizedClientId }));
    assert.deepEqual([refused.code, refused.body.errors[0].status], [404, "404"]);
  }
  // Its model of a 403 knows no plain strings: what it makes of the text is its own affair.
  const refused = await refusal(() => stranger.listOrgAuthorizedClients());
  assert.deepEqual([refused.code, refused.body.errors.length], [403, 1]);
}

async function main() {
  const operator = api(undefined, v2.OrgAuthorizedClientsApi);
  const stranger = api({ apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) }, v2.OrgAuthorizedClientsApi);
  const [first, second] = await theyAreListed(operator);
  await anAuthorizationIsEnded(operator, first, await oneIsShownWithItsUsers(operator, first));
  await aClientIsDisabledAndEnabled(operator, second);
  await aClientIsDisabled(operator, second);
  await refusalsAreUnderstood(operator, stranger);
  console.log("the journey ends well");
}

main();
