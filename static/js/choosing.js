/** Ticking documents of a list: the bar of acts appears with the first tick and says how many are chosen. */

const bar = document.querySelector("[data-many]");
if (bar) {
  const ticks = [...document.querySelectorAll(".row-tick")];
  const all = bar.querySelector("[data-many-all]");
  const draw = () => {
    const chosen = ticks.filter((tick) => tick.checked).length;
    bar.querySelector("[data-many-acts]").hidden = !chosen;
    bar.classList.toggle("is-choosing", chosen > 0);
    bar.querySelector("[data-many-count]").textContent = chosen ? bar.dataset.some.replace("%s", chosen) : bar.dataset.none;
    all.checked = chosen === ticks.length;
    all.indeterminate = chosen > 0 && chosen < ticks.length;
  };
  for (const tick of ticks) tick.addEventListener("change", draw);
  all.addEventListener("change", () => {
    for (const tick of ticks) tick.checked = all.checked;
    draw();
  });
  // Enter in the field of tags adds them; without this it would press the first button, which moves.
  bar.querySelector("[name=tags]").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    bar.requestSubmit(bar.querySelector('[value="tag"]'));
  });
  draw();
}
