/** Times come from the server in words of UTC; here they become the reader's own time, with the full date on hover. */

const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

/** Redraw every `<time data-relative>` and `<time data-exact>` below an element. */
export function drawTimes(within = document) {
  for (const element of within.querySelectorAll("time[data-relative], time[data-exact]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = exact.format(moment);
    if ("exact" in element.dataset) {
      element.textContent = exact.format(moment);
      continue;
    }
    const seconds = (moment - Date.now()) / 1000;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
    element.textContent = Math.abs(seconds) < 45 ? relative.format(0, "second") : relative.format(Math.round(seconds / size), unit);
  }
}
