// Checks a page against the WCAG rules and takes screenshots, on a wide and a narrow screen, light
// and dark.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { installed } from "./installed.mjs";

const { default: axe } = await installed("axe-core");

const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 360, height: 740 } };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export class Screens {
  // One line per fault.
  faults = [];
  seen = [];

  constructor(folder) {
    this.folder = folder;
  }

  async look(page, name) {
    await mkdir(this.folder, { recursive: true });
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(this.folder, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        await this.#judge(page, `${name} ${size} ${colorScheme}`);
      }
    }
    await page.setViewportSize(SIZES.wide);
    await page.emulateMedia({ colorScheme: "light" });
    this.seen.push(name);
  }

  // Evaluated by the browser driver, so that the page's content security policy does not block it.
  async #judge(page, what) {
    await page.evaluate(`${axe.source}; undefined`);
    const found = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), RULES);
    for (const { id, nodes } of found.violations) {
      this.faults.push(`${what}: ${id} at ${nodes.map(({ target }) => target).join(", ")}`);
    }
    const scrolls = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    if (scrolls) {
      this.faults.push(`${what}: scrolls sideways`);
    }
  }
}
