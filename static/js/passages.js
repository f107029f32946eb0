/**
 * The panel beside a text: a click on a citation shows the exact passage there, without leaving the place one reads.
 *
 * Works on any `[data-cite]` inside the given text; without JavaScript the chip is a link to the same passage as a page.
 */

export class PassagePanel {
  /**
   * @param {HTMLElement} panel has `[data-passage]`, where the passage goes, and `[data-passage-close]`.
   * @param {(marker: string) => string} address where a marker's passage is fetched from.
   */
  constructor(panel, address) {
    this.panel = panel;
    this.address = address;
    this.place = panel.querySelector("[data-passage]");
    panel.addEventListener("click", (event) => event.target.closest("[data-passage-close]") && this.close());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.isOpen && this.close());
  }

  get isOpen() {
    return this.panel.classList.contains("is-open");
  }

  /** Show the passage of a marker. */
  async show(marker, chip = null) {
    this.mark(chip);
    this.panel.classList.add("is-open");
    this.place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(this.address(marker), { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
      this.place.innerHTML = response.ok ? await response.text() : "";
      if (!response.ok) this.place.textContent = this.panel.dataset.missing;
    } catch {
      this.place.textContent = document.body.dataset.offline;
    }
    this.place.removeAttribute("aria-busy");
    this.place.querySelector("mark")?.scrollIntoView({ block: "nearest" });
    if (chip) this.place.querySelector("[data-passage-close]")?.focus({ preventScroll: true });
  }

  close() {
    this.panel.classList.remove("is-open");
    this.place.replaceChildren();
    this.chip?.focus({ preventScroll: true });
    this.mark(null);
  }

  mark(chip) {
    this.chip?.removeAttribute("aria-expanded");
    this.chip = chip;
    chip?.setAttribute("aria-expanded", "true");
  }

  /** Open passages on clicks within a text. */
  follow(text) {
    text.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-cite]");
      if (!chip || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.show(chip.dataset.cite, chip);
    });
  }
}
