// A user with a browser without JavaScript: follows redirects, keeps cookies, signs in and allows
// access.
//
//   node person.mjs URL EMAIL PASSWORD
//
// Opens the URL and prints, as JSON, the URL at another origin where the browser arrives.
import { pathToFileURL } from "node:url";
import { installed } from "./installed.mjs";

const { parse } = await installed("node-html-parser");

const AGREE = /^(i started it: )?allow access$/i;
const MAX_STEPS = 20;

export class Person {
  // The steps taken, for the report.
  did = [];
  #cookies = new Map();

  constructor(email, password) {
    this.email = email;
    this.password = password;
  }

  // Opens a URL and continues until the server redirects the browser to another origin.
  async visit(url) {
    const { origin } = new URL(url);
    let step = { url: new URL(url) };
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      if (step.url.origin !== origin) {
        return step.url;
      }
      step = await this.#take(step);
    }
    throw new Error(`still at ${step.url.pathname} after ${MAX_STEPS} steps`);
  }

  async #take(step) {
    const answer = await this.#ask(step);
    const location = answer.headers.get("location");
    if (location !== null) {
      return { url: new URL(location, step.url) };
    }
    return this.#fillIn(parse(await answer.text()), step.url, answer.status);
  }

  async #ask({ url, form }) {
    const cookies = [...this.#cookies].map((pair) => pair.join("="));
    const headers = { Accept: "text/html", "Accept-Language": "en", Cookie: cookies.join("; ") };
    if (form) {
      Object.assign(headers, { Origin: url.origin, "Sec-Fetch-Site": "same-origin" });
    }
    const method = form ? "POST" : "GET";
    const answer = await fetch(url, { method, headers, body: form, redirect: "manual" });
    for (const cookie of answer.headers.getSetCookie()) {
      this.#remember(cookie);
    }
    return answer;
  }

  #remember(cookie) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
    if (value === "" || /;\s*max-age=0/i.test(cookie)) {
      this.#cookies.delete(name);
    } else {
      this.#cookies.set(name, value);
    }
  }

  #fillIn(page, url, status) {
    const forms = page.querySelectorAll("form");
    const login = forms.find((form) => form.querySelector("input[type=password]"));
    if (login && !this.did.includes("logged in")) {
      this.did.push("logged in");
      return this.#submit(login, url, this.#buttons(login)[0]);
    }
    for (const form of forms) {
      const button = this.#buttons(form).find((candidate) => AGREE.test(candidate.text.trim()));
      if (button) {
        this.did.push("authorized");
        return this.#submit(form, url, button);
      }
    }
    const text = page.structuredText.trim().replace(/\s+/g, " ").slice(0, 500);
    throw new Error(`nothing to do at ${url.pathname}, which returned ${status}: ${text}`);
  }

  #buttons = (form) => form.querySelectorAll("button").filter((button) => button.getAttribute("type") !== "button");

  #submit(form, url, button) {
    const fields = new URLSearchParams();
    for (const input of form.querySelectorAll("input")) {
      this.#enter(input, fields);
    }
    if (button?.getAttribute("name")) {
      fields.append(button.getAttribute("name"), button.getAttribute("value") ?? "");
    }
    return { url: new URL(form.getAttribute("action") ?? "", url), form: fields };
  }

  // Boxes keep their state; an unticked box is not sent.
  #enter(input, fields) {
    const [name, type] = [input.getAttribute("name"), input.getAttribute("type") ?? "text"];
    const box = type === "checkbox" || type === "radio";
    if (!name || input.hasAttribute("disabled") || type === "submit" || (box && !input.hasAttribute("checked"))) {
      return;
    }
    const typed = { email: this.email, text: this.email, password: this.password };
    fields.append(name, typed[type] ?? input.getAttribute("value") ?? (box ? "on" : ""));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, email, password] = process.argv.slice(2);
  const person = new Person(email, password);
  const { href } = await person.visit(url);
  console.log(JSON.stringify({ arrived: href, did: person.did }));
}
