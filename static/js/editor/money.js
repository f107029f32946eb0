/** The panel of cost: which model wrote what in this document. Loaded each time that the tab is opened. */

export function start(_context, section) {
  const place = section.querySelector("[data-spending]");

  async function load() {
    const options = { headers: { "X-Fragment": "1" }, credentials: "same-origin" };
    const response = await fetch(place.dataset.address, options).catch(() => null);
    if (response?.ok && !response.redirected) place.innerHTML = await response.text();
    else place.textContent = place.dataset.failed;
  }

  new MutationObserver(() => !section.hidden && load()).observe(section, { attributeFilter: ["hidden"] });
  if (!section.hidden) load();
}
