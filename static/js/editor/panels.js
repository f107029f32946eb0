/** The rail beside the text: tabs after the pattern of the ARIA practices guide, each panel with a module of its own. */

const REMEMBERED = "aiwriter.editor.panel";

export class Rail {
  /** @param {HTMLElement} side the rail. */
  constructor(side) {
    this.side = side;
    this.tabs = [...side.querySelectorAll("[data-tab]")];
    const list = side.querySelector("[role=tablist]");
    list.addEventListener("click", (event) => this.open(event.target.closest("[data-tab]")?.dataset.tab));
    list.addEventListener("keydown", (event) => this.move(event));
    let last = "";
    try {
      last = localStorage.getItem(REMEMBERED) || "";
    } catch {
      // Storage may be switched off; the first panel is open then.
    }
    this.open(last, { remember: false });
  }

  /** Show a panel; an unknown key changes nothing. */
  open(key, { remember = true, focus = false } = {}) {
    const chosen = this.tabs.find((tab) => tab.dataset.tab === key);
    if (!chosen) return;
    for (const tab of this.tabs) {
      const current = tab === chosen;
      tab.setAttribute("aria-selected", String(current));
      tab.tabIndex = current ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !current;
    }
    if (focus) chosen.focus();
    if (!remember) return;
    try {
      localStorage.setItem(REMEMBERED, key);
    } catch {
      // See above.
    }
  }

  /** Arrow keys, Home and End go from tab to tab. */
  move(event) {
    const at = this.tabs.indexOf(event.target.closest("[data-tab]"));
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.tabs.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    this.open(this.tabs[(steps[event.key] + this.tabs.length) % this.tabs.length].dataset.tab, { focus: true });
  }

  /** A number on a tab; none when it is 0. */
  count(key, number) {
    const place = this.tabs.find((tab) => tab.dataset.tab === key)?.querySelector("[data-tab-count]");
    if (!place) return;
    place.hidden = !number;
    place.textContent = String(number || "");
  }

  /** Start the modules of all panels. */
  async start(context) {
    for (const section of this.side.querySelectorAll("[data-panel][data-module]")) {
      const module = await import(section.dataset.module);
      module.start(context, section);
    }
  }
}
