// The official MCP client meets a sample server of docs/examples: it is challenged, connects, and calls the tools.
//
//   node sample_journey.mjs RESOURCE EMAIL PASSWORD     prints what happened, as JSON
import assert from "node:assert/strict";
import { Provider, sdk } from "./mcp_client.mjs";

const [resource, email, password] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await sdk("@modelcontextprotocol/sdk");

const challenges = new Set();

async function watched(url, init) {
  const answer = await fetch(url, init);
  if (String(url) === resource && [401, 403].includes(answer.status)) {
    challenges.add(`${answer.status} ${answer.headers.get("www-authenticate")}`);
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

// The text that a tool returns, or "refused".
async function call(client, name, input) {
  try {
    return (await client.callTool({ name, arguments: input })).content[0].text;
  } catch (error) {
    assert.equal(error.code, 403);
    return "refused";
  }
}

const provider = new Provider(email, password);
await assert.rejects(connected(provider), UnauthorizedError);
await transportOf(provider).finishAuth(provider.callback.searchParams.get("code"));

const client = await connected(provider);
const tools = (await client.listTools()).tools.map(({ name }) => name).sort();
const wrote = await call(client, "write_note", { text: "buy milk" });
const read = await call(client, "read_note", {});
await client.close();
console.log(JSON.stringify({ challenges: [...challenges], tools, wrote, read }));
