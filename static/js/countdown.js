/** Counts down to the end of what was lent: `<time data-until datetime="…">`. Without it the time of the end stands there. */

const elements = [...document.querySelectorAll("time[data-until]")];

/** The rest of a time as h:mm:ss or m:ss. */
function rest(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/** Draw all of them. */
function draw() {
  for (const element of elements) {
    const seconds = Math.max(0, Math.round((new Date(element.dateTime) - Date.now()) / 1000));
    element.textContent = seconds ? `${rest(seconds)} ${element.dataset.left}` : element.dataset.over;
    element.classList.toggle("is-over", !seconds);
  }
}

if (elements.length) {
  draw();
  setInterval(draw, 1000);
}
