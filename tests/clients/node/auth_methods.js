// Makes auth methods of the webhooks integration, changes and lists them, and meets every documented refusal but 429.
"use strict";

const assert = require("node:assert/strict");
const { NOBODY, additional, api, refusal, v2 } = require("./stage.js");

const SECRET = process.env.CLIENT_SECRET;
const TYPE = "webhooks-auth-method-oauth2-client-credentials";
const PROTOCOL = "oauth2-client-credentials";

const request = (attributes) => ({ data: { type: TYPE, attributes } });

const made = (name, more = {}) => ({
  body: request({
    name,
    accessTokenUrl: "https://auth.example/token",
    clientId: "a client",
    clientSecret: SECRET,
    ...more,
  }),
});

const change = (authMethodId, attributes) => ({ authMethodId, body: request(attributes) });

// One method, whole, and nothing that the model does not know.
function isTold(answer, name, audience, scope) {
  assert.deepEqual(additional(answer), []);
  assert.equal(answer.data.type, TYPE);
  assert.deepEqual(
    { ...answer.data.attributes },
    {
      name,
      accessTokenUrl: "https://auth.example/token",
      clientId: "a client",
      audience,
      scope,
      protocol: PROTOCOL,
    },
  );
  assert.ok(!JSON.stringify(answer).includes(SECRET));
}

async function oneIsMadeAndChanged(operator) {
  const both = { audience: "https://api.example", scope: "read" };
  const answer = await operator.createOAuth2ClientCredentials(made("Größe", both));
  const { id } = answer.data;
  const changed = (attributes) => operator.updateOAuth2ClientCredentials(change(id, attributes));

  isTold(answer, "Größe", "https://api.example", "read");
  assert.deepEqual(await operator.getOAuth2ClientCredentials({ authMethodId: id }), answer);
  isTold(await changed({ name: "b" }), "b", "https://api.example", "read");
  isTold(await changed({ audience: null }), "b", null, "read");
  isTold(await changed({ clientSecret: `${SECRET}-2`, scope: "write" }), "b", null, "write");
  return id;
}

async function theyAreListed(operator, first) {
  const second = (await operator.createOAuth2ClientCredentials(made("a"))).data.id;
  const alone = await operator.getAllAuthMethods();
  const included = await operator.getAllAuthMethods({ include: PROTOCOL });

  for (const page of [alone, included]) {
    assert.deepEqual(additional(page), []);
    assert.deepEqual(
      page.data.map((method) => method.id),
      [second, first],
    );
    for (const method of page.data) {
      assert.equal(method.type, "webhooks-auth-method");
      assert.equal(method.attributes.protocol, PROTOCOL);
      const related = method.relationships.oauth2ClientCredentials.data;
      assert.deepEqual([related.id, related.type], [method.id, TYPE]);
    }
  }
  assert.equal(alone.included, undefined);
  assert.deepEqual(
    included.included.map((one) => one.attributes.name),
    ["a", "b"],
  );
  assert.ok(!JSON.stringify(included).includes(SECRET));
  return second;
}

async function refusalsAreUnderstood(operator, stranger, first) {
  const isRefused = async (code, call) => {
    const refused = await refusal(call);
    assert.equal(refused.code, code);
    assert.equal(refused.body.constructor.name, "APIErrorResponse", JSON.stringify(refused.body));
    assert.deepEqual(additional(refused.body), []);
    assert.equal(refused.body.errors.length, 1);
    assert.ok(!refused.body.errors[0].includes(SECRET));
    return refused.body.errors[0];
  };
  const bad = made("c", { accessTokenUrl: "http://auth.example/token" });
  await isRefused(400, () => operator.createOAuth2ClientCredentials(bad));
  await isRefused(400, () => operator.updateOAuth2ClientCredentials(change(first, { name: "\n" })));
  await isRefused(409, () => operator.createOAuth2ClientCredentials(made("a")));
  await isRefused(409, () => operator.updateOAuth2ClientCredentials(change(first, { name: "a" })));
  await isRefused(404, () => operator.getOAuth2ClientCredentials({ authMethodId: NOBODY }));
  await isRefused(404, () => operator.updateOAuth2ClientCredentials(change(NOBODY, { name: "c" })));
  await isRefused(404, () => operator.deleteOAuth2ClientCredentials({ authMethodId: NOBODY }));
  for (const call of [
    () => stranger.getAllAuthMethods(),
    () => stranger.getOAuth2ClientCredentials({ authMethodId: first }),
    () => stranger.createOAuth2ClientCredentials(made("c")),
    () => stranger.updateOAuth2ClientCredentials(change(first, { name: "c" })),
    () => stranger.deleteOAuth2ClientCredentials({ authMethodId: first }),
  ]) {
    assert.equal(await isRefused(403, call), "Forbidden");
  }
}

async function theyAreDeleted(operator, ids) {
  for (const authMethodId of ids) {
    assert.equal(await operator.deleteOAuth2ClientCredentials({ authMethodId }), undefined);
  }
  assert.deepEqual((await operator.getAllAuthMethods()).data, []);
}

async function main() {
  const operator = api(undefined, v2.WebhooksIntegrationApi);
  const unknownKeys = { apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) };
  const first = await oneIsMadeAndChanged(operator);
  const second = await theyAreListed(operator, first);
  await refusalsAreUnderstood(operator, api(unknownKeys, v2.WebhooksIntegrationApi), first);
  await theyAreDeleted(operator, [first, second]);
  console.log("the journey ends well");
}

main();
