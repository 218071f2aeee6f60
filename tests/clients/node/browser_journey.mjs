// A user with a real browser signs in, allows less than the client requested, refuses, repeats it
// with the keyboard only and without JavaScript, and ends the access on the account page. A new
// user then replaces a printed password.
//
//   node browser_journey.mjs ISSUER EMAIL PASSWORD FOLDER NEWCOMER PRINTED
//
// Prints a report as JSON and writes screenshots to FOLDER.
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { installed } from "./installed.mjs";
import { Screens } from "./screens.mjs";

const { chromium } = (await installed("playwright-core")).default;

const [issuer, email, password, folder, newcomer, printed] = process.argv.slice(2);
const CLIENT = "Browser journey";
const ASKED = ["openid", "email", "mcp_read", "dashboards_read"];
const UNTICKED = "dashboards_read";
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const MAX_TABS = 60;

const AUTHORIZE = "button[name=decision][value=approve]";
const DENY = "button[name=decision][value=deny]";
const EMAIL = "input[name=email]";
const PASSWORD = "input[type=password]";

const screens = new Screens(folder);
const complaints = [];

// The client: an app on this machine. Its page confirms that the response arrived.

const app = createServer((_, response) => {
  const page = "<!doctype html><html lang=en><title>Arrived</title><h1>Arrived</h1></html>";
  response.writeHead(200, { "Content-Type": "text/html" }).end(page);
});
await new Promise((listening) => app.listen(0, "127.0.0.1", listening));
const redirectUri = `http://127.0.0.1:${app.address().port}/callback`;

const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const { client_id: clientId } = await posted(metadata.registration_endpoint, "application/json", {
  client_name: CLIENT,
  redirect_uris: [redirectUri],
  token_endpoint_auth_method: "none",
});

async function posted(url, type, body) {
  const text = type === "application/json" ? JSON.stringify(body) : new URLSearchParams(body).toString();
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": type }, body: text });
  return { status: answer.status, ...(await answer.json()) };
}

const token = (body) =>
  posted(metadata.token_endpoint, "application/x-www-form-urlencoded", { client_id: clientId, ...body });

function request() {
  const [state, verifier] = [randomUUID(), `${randomUUID()}-${randomUUID()}`];
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: ASKED.join(" "),
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  return { url: url.href, state, verifier };
}

// The user

async function person(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  // Much longer than any step takes.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("response", (answer) => {
    // Pages may have an error status, and the browser requests an icon on its own initiative.
    const counts = !answer.request().isNavigationRequest() && !answer.url().endsWith("/favicon.ico");
    if (counts && !answer.ok()) {
      complaints.push(`${answer.status()} for ${answer.url()}`);
    }
  });
  page.on("request", (sent) => {
    const { origin } = new URL(sent.url());
    if (origin !== new URL(issuer).origin && origin !== new URL(redirectUri).origin) {
      complaints.push(`asked ${origin}`);
    }
  });
  return page;
}

// Performs an action that leads to another page and waits until that page is loaded.
async function goesOn(page, act) {
  const loaded = page.waitForEvent("load");
  await act();
  await loaded;
}

async function logIn(page, secret = password) {
  await page.fill(EMAIL, email);
  await page.fill(PASSWORD, secret);
  await goesOn(page, () => page.press(PASSWORD, "Enter"));
}

const path = (page) => new URL(page.url()).pathname;

// The parameters that the app receives when the browser returns to it.
async function received(page, { state }) {
  await page.waitForURL(`${redirectUri}?**`);
  const answer = new URL(page.url()).searchParams;
  const values = Object.fromEntries(answer);
  return {
    names: [...answer.keys()].sort(),
    state_is_ours: values.state === state,
    iss: values.iss,
    error: values.error ?? null,
    code: values.code,
  };
}

const without = (name, { [name]: _, ...rest }) => rest;

async function approves(page) {
  const asked = request();
  await page.goto(asked.url);
  await screens.look(page, "login");
  await logIn(page, "not the password");
  const wrong = {
    path: path(page),
    email_is_kept: (await page.inputValue(EMAIL)) === email,
    password_is_kept: (await page.inputValue(PASSWORD)) !== "",
    alert_is_there: (await page.getByRole("alert").innerText()).length > 0,
  };
  await screens.look(page, "login-failed");
  await logIn(page);

  const shown = await page.locator("body").innerText();
  const consent = {
    path: path(page),
    names_the_client: shown.includes(CLIENT),
    names_the_person: shown.includes(email),
    may_be_unticked: await boxes(page),
  };
  await screens.look(page, "consent");
  await page.uncheck(`input[name=scope][value=${UNTICKED}]`);
  await page.click(AUTHORIZE);
  const back = await received(page, asked);
  const tokens = await token({
    grant_type: "authorization_code",
    code: back.code,
    redirect_uri: redirectUri,
    code_verifier: asked.verifier,
  });
  const granted = tokens.scope?.split(" ").sort();
  return { report: { wrong, consent, back: without("code", back), granted }, tokens };
}

const boxes = (page) =>
  page.locator("input[type=checkbox][name=scope]").evaluateAll((found) => found.map(({ value }) => value).sort());

async function refuses(page) {
  const asked = request();
  await page.goto(asked.url);
  await page.click(DENY);
  return without("code", await received(page, asked));
}

// Uses only Tab, Space and Enter, and reports every element whose focus is not visible.
async function byKeyboard(page) {
  const asked = request();
  await page.goto(asked.url);
  const unseen = [];
  await tabTo(page, EMAIL, unseen);
  await page.keyboard.type(email);
  await tabTo(page, PASSWORD, unseen);
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(AUTHORIZE);
  // Enter on a box neither allows nor cancels, and keeps the boxes.
  await tabTo(page, box("email"), unseen);
  await page.keyboard.press("Space");
  await goesOn(page, () => page.keyboard.press("Enter"));
  const after_enter = { path: path(page), cleared: await cleared(page) };
  await tabTo(page, AUTHORIZE, unseen);
  await page.keyboard.press("Enter");
  return { after_enter, back: without("code", await received(page, asked)), unseen };
}

const box = (scope) => `input[name=scope][value=${scope}]`;

const cleared = (page) =>
  page.locator("input[name=scope]:not(:checked)").evaluateAll((found) => found.map(({ value }) => value).sort());

async function tabTo(page, selector, unseen) {
  for (let tabs = 0; tabs < MAX_TABS; tabs += 1) {
    if (await page.locator(selector).evaluate((wanted) => wanted === document.activeElement)) {
      return;
    }
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
      const seen = (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
      return seen ? null : document.activeElement.outerHTML.slice(0, 100);
    });
    if (focus) {
      unseen.push(focus);
    }
  }
  throw new Error(`${selector} is not reached by Tab at ${path(page)}`);
}

async function withoutJavaScript(page) {
  const asked = request();
  await page.goto(asked.url);
  await logIn(page);
  await page.click(AUTHORIZE);
  return without("code", await received(page, asked));
}

async function endsTheAccess(page, tokens) {
  await page.goto(`${issuer}/account`);
  await screens.look(page, "account");
  const listed = async () => (await page.locator("main").innerText()).includes(CLIENT);
  const before = await listed();
  const revoke = page.locator("li", { hasText: CLIENT }).getByRole("button", { name: "End access" });
  await goesOn(page, () => revoke.click());
  await screens.look(page, "account-revoked");
  await page.goto(`${issuer}/account`);
  const refused = await token({ grant_type: "refresh_token", refresh_token: tokens.refresh_token });
  return { listed: before, listed_after: await listed(), refresh: `${refused.status} ${refused.error}` };
}

// With the keyboard only: the page has one field, and it has the focus.
async function replacesAPrintedPassword(page) {
  const asked = request();
  await page.goto(asked.url);
  await page.fill(EMAIL, newcomer);
  await page.fill(PASSWORD, printed);
  await goesOn(page, () => page.press(PASSWORD, "Enter"));
  const first = path(page);
  await screens.look(page, "choose-password");
  await page.keyboard.type("password1234");
  await goesOn(page, () => page.keyboard.press("Enter"));
  const refused = { path: path(page), alert_is_there: (await page.getByRole("alert").innerText()).length > 0 };
  await screens.look(page, "choose-password-refused");
  await page.keyboard.type("seven green kettles");
  await page.keyboard.press("Enter");
  await page.waitForSelector(AUTHORIZE);
  await page.click(AUTHORIZE);
  return { first, refused, back: without("code", await received(page, asked)) };
}

async function meetsAStranger(page) {
  const url = new URL(request().url);
  url.searchParams.set("client_id", "00000000-0000-4000-8000-000000000000");
  const answer = await page.goto(url.href);
  await screens.look(page, "unknown-client");
  return { status: answer.status(), path: path(page) };
}

async function main(browser) {
  const page = await person(browser);
  const { report: approved, tokens } = await approves(page);
  const refused = await refuses(page);
  const keyboard = await byKeyboard(await person(browser));
  const without_javascript = await withoutJavaScript(await person(browser, { javaScriptEnabled: false }));
  const account = await endsTheAccess(page, tokens);
  const stranger = await meetsAStranger(page);
  const printed_password = await replacesAPrintedPassword(await person(browser));
  const { faults, seen } = screens;
  console.log(
    JSON.stringify({
      approved,
      refused,
      keyboard,
      without_javascript,
      account,
      stranger,
      printed_password,
      seen,
      faults,
      complaints,
    }),
  );
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", ...QUIET],
});
try {
  await main(browser);
} catch (error) {
  console.error("the browser reported:", complaints);
  throw error;
} finally {
  await browser.close();
  app.close();
  app.closeAllConnections();
}
