/** The brief keeps what was typed until it is sent, and filters the list of sources. */

const form = document.getElementById("brief");
const KEY = "aiwriter:brief";

const filter = document.getElementById("picker-filter");
filter?.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll("#picker .check")) {
    const name = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => name.includes(word)) && !row.querySelector("input").checked;
  }
});
filter?.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());

const topic = form.elements.topic;
if (!topic.value) topic.value = sessionStorage.getItem(KEY) || "";
topic.addEventListener("input", () => sessionStorage.setItem(KEY, topic.value));
topic.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
form.addEventListener("submit", () => sessionStorage.removeItem(KEY));
