/** The console's form of a periodic task: says in words what the chosen crontab means. */

const crontabs = JSON.parse(document.getElementById("readable-crontabs").textContent);
const choice = document.getElementById("id_crontab");
const help = document.querySelector(".field-crontab .help");
const words = help?.appendChild(document.createElement("div"));

document.querySelector(".field-crontab_translation")?.setAttribute("hidden", "");
choice?.addEventListener("change", () => {
  if (words) words.textContent = crontabs[choice.value] || "";
});
