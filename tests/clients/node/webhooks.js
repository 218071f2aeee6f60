// Makes webhooks and custom variables, looks at them, changes and deletes them, and understands every refusal.
"use strict";

const assert = require("node:assert/strict");
const { additional, api, refusal, v1 } = require("./stage.js");

// A path writes every second character of it in another way.
const NAME = "Our CRM, 100% + more? #1 & Größe";
const OURS = ["auth_method_id", "events"];

async function aWebhookLives(operator) {
  const body = {
    name: NAME,
    url: "https://hooks.example/services/T0",
    encodeAs: "form",
    payload: '{"id": "$ID"}',
    customHeaders: '{"X-Key": "$CRM_KEY"}',
  };
  const made = await operator.createWebhooksIntegration({ body });
  const shown = await operator.getWebhooksIntegration({ webhookName: NAME });

  assert.deepEqual(additional(made).sort(), [...OURS, "signing_secret"]);
  assert.match(made.additionalProperties.signing_secret, /^whsec_/);
  assert.deepEqual(additional(shown).sort(), OURS);
  for (const one of [made, shown]) {
    const { name, url, encodeAs, payload, customHeaders } = one;
    assert.deepEqual({ name, url, encodeAs, payload, customHeaders }, body);
  }

  const change = { url: "https://other.example/", payload: null };
  const changed = await operator.updateWebhooksIntegration({ webhookName: NAME, body: change });
  assert.deepEqual(additional(changed).sort(), OURS);
  assert.deepEqual([changed.url, changed.payload, changed.encodeAs], ["https://other.example/", null, "form"]);
  assert.equal(changed.customHeaders, body.customHeaders);

  const rotate = { additionalProperties: { rotate_signing_secret: true } };
  const rotated = await operator.updateWebhooksIntegration({ webhookName: NAME, body: rotate });
  assert.match(rotated.additionalProperties.signing_secret, /^whsec_/);
  assert.notEqual(rotated.additionalProperties.signing_secret, made.additionalProperties.signing_secret);

  assert.equal((await refusal(() => operator.createWebhooksIntegration({ body }))).code, 409);
  assert.equal(await operator.deleteWebhooksIntegration({ webhookName: NAME }), undefined);
  const gone = await refusal(() => operator.getWebhooksIntegration({ webhookName: NAME }));
  assert.deepEqual([gone.code, gone.body.errors], [404, ["this organization has no webhook with this name"]]);
}

async function aVariableLives(operator) {
  const body = { name: "CRM_KEY", value: "hunter2", isSecret: true };
  const made = await operator.createWebhooksIntegrationCustomVariable({ body });
  const shown = await operator.getWebhooksIntegrationCustomVariable({ customVariableName: "CRM_KEY" });

  for (const one of [made, shown]) {
    assert.deepEqual(additional(one), []);
    assert.deepEqual([one.name, one.isSecret, one.value], ["CRM_KEY", true, undefined]);
  }

  const change = { name: "CRM_REGION", value: "eu", isSecret: false };
  const changed = await operator.updateWebhooksIntegrationCustomVariable({ customVariableName: "CRM_KEY", body: change });
  assert.deepEqual(additional(changed), []);
  assert.deepEqual([changed.name, changed.isSecret, changed.value], ["CRM_REGION", false, "eu"]);

  const customVariableName = "CRM_REGION";
  assert.equal(await operator.deleteWebhooksIntegrationCustomVariable({ customVariableName }), undefined);
  const gone = await refusal(() => operator.getWebhooksIntegrationCustomVariable({ customVariableName }));
  assert.deepEqual([gone.code, gone.body.errors], [404, ["this organization has no custom variable with this name"]]);
}

async function refusalsAreUnderstood(operator, stranger) {
  const byHttp = { name: "CRM", url: "http://hooks.example/" };
  const refused = await refusal(() => operator.createWebhooksIntegration({ body: byHttp }));
  assert.deepEqual([refused.code, refused.body.errors], [400, ["url does not use https: use https"]]);
  const lower = { name: "crm", value: "", isSecret: false };
  const misnamed = await refusal(() => operator.createWebhooksIntegrationCustomVariable({ body: lower }));
  assert.deepEqual([misnamed.code, misnamed.body.errors.length], [400, 1]);
  for (const call of [
    () => stranger.getWebhooksIntegration({ webhookName: "CRM" }),
    () => stranger.deleteWebhooksIntegrationCustomVariable({ customVariableName: "CRM" }),
  ]) {
    const forbidden = await refusal(call);
    assert.deepEqual([forbidden.code, forbidden.body.errors], [403, ["Forbidden"]]);
  }
}

async function main() {
  const operator = api(undefined, v1.WebhooksIntegrationApi);
  const stranger = api({ apiKeyAuth: "0".repeat(32), appKeyAuth: "0".repeat(40) }, v1.WebhooksIntegrationApi);
  await aWebhookLives(operator);
  await aVariableLives(operator);
  await refusalsAreUnderstood(operator, stranger);
  console.log("the journey ends well");
}

main();
