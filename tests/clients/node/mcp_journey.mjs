// The official MCP client meets a protected server: it registers, sends the person to log in, calls a tool, refreshes.
//
//   node mcp_journey.mjs PACKAGE RESOURCE EMAIL PASSWORD     prints what happened, as JSON
//
// PACKAGE is `@modelcontextprotocol/sdk`, the first line of the SDK, or `@modelcontextprotocol/client`, the second.
import assert from "node:assert/strict";
import { Provider, sdk } from "./mcp_client.mjs";

const [packageName, resource, email, password] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await sdk(packageName);

const journey = { requests: [] };

async function watched(url, init) {
  const answer = await fetch(url, init);
  if (init?.method === "POST" && String(url) !== resource) {
    const grant = new URLSearchParams(String(init.body)).get("grant_type");
    journey.requests.push(`${grant ?? "registration"} ${answer.status}`);
  }
  return answer;
}

const transportOf = (authProvider) =>
  new StreamableHTTPClientTransport(new URL(resource), { authProvider, fetch: watched });

async function connected(authProvider) {
  const client = new Client({ name: "journey", version: "1" });
  await client.connect(transportOf(authProvider));
  return client;
}

const whoami = async (client) => JSON.parse((await client.callTool({ name: "whoami", arguments: {} })).content[0].text);

async function main() {
  const provider = new Provider(email, password);
  await assert.rejects(connected(provider), UnauthorizedError);
  const { searchParams } = provider.callback;
  const answer = packageName.endsWith("/client") ? searchParams : searchParams.get("code");
  await transportOf(provider).finishAuth(answer);

  const client = await connected(provider);
  const first = provider.given;
  journey.tools = (await client.listTools()).tools.map(({ name }) => name);
  journey.called = await whoami(client);

  // As a token that has expired looks to the client: the server refuses it.
  provider.given = { ...first, access_token: "expired" };
  journey.called_again = await whoami(client);
  await client.close();

  journey.did = provider.did;
  journey.client_id = provider.client.client_id;
  journey.scope = first.scope.split(" ").sort();
  journey.iss = searchParams.get("iss");
  journey.new_access_token = provider.given.access_token !== first.access_token;
  journey.new_refresh_token = provider.given.refresh_token !== first.refresh_token;
  console.log(JSON.stringify(journey));
}

await main();
