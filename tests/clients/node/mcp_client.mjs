// The official MCP client, and what a program that uses it brings: a store, and a user at a browser.
import assert from "node:assert/strict";
import { installed } from "./installed.mjs";
import { Person } from "./person.mjs";

// The second line of the SDK has one entry for what the first one spreads over files.
export async function sdk(packageName) {
  if (packageName === "@modelcontextprotocol/client") {
    return installed(packageName);
  }
  const parts = ["index.js", "streamableHttp.js", "auth.js"].map((name) => installed(`${packageName}/client/${name}`));
  return Object.assign({}, ...(await Promise.all(parts)));
}

// Keeps everything in memory. The verifier, the registration and the tokens are stored exactly as they are given.
export class Provider {
  redirectUrl = "http://localhost:33418/callback";
  clientMetadata = {
    client_name: "Journey",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  };
  // What the user did.
  did = [];
  #state = crypto.randomUUID();

  constructor(email, password) {
    this.email = email;
    this.password = password;
  }

  state = () => this.#state;
  clientInformation = () => this.client;
  tokens = () => this.given;
  codeVerifier = () => this.verifier;
  discoveryState = () => this.discovered;

  saveClientInformation(client) {
    this.client = client;
  }

  saveTokens(tokens) {
    this.given = tokens;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  saveDiscoveryState(discovered) {
    this.discovered = discovered;
  }

  async redirectToAuthorization(url) {
    const person = new Person(this.email, this.password);
    this.callback = await person.visit(url);
    this.did.push(...person.did);
    assert.equal(this.callback.origin + this.callback.pathname, this.redirectUrl);
    assert.equal(this.callback.searchParams.get("state"), this.#state);
  }
}
