/** The page on which a text is written: the stream, who writes, the sources, stop, and what to do at the end. */

import { announce, toast } from "../announce.js";
import { send } from "../http.js";
import { PassagePanel } from "../passages.js";
import { listen } from "./events.js";
import { LiveMarkdown } from "./markdown.js";

const page = document.getElementById("generation");
const words = JSON.parse(document.getElementById("words").textContent);
const text = document.getElementById("text");
const at = (name) => page.querySelector(`[data-at="${name}"]`);
const panel = new PassagePanel(document.getElementById("panel"), (marker) =>
  page.dataset.passage.replace(/0$/, encodeURIComponent(marker)),
);
panel.follow(page);

const citations = new Map();
let live = null;
let follows = true;

function chip(marker) {
  const element = document.createElement("a");
  const known = citations.get(marker);
  element.className = `cite${known === undefined ? " cite-pending" : known ? "" : " cite-unverified"}`;
  element.dataset.cite = marker;
  element.href = page.dataset.passage.replace(/0$/, marker);
  element.textContent = marker;
  element.setAttribute("aria-label", words.source.replace("%s", marker));
  return element;
}

function show(state, message = "") {
  page.dataset.state = state;
  const badge = at("state");
  badge.textContent = words.states[state] || state;
  badge.className = `badge ${{ succeeded: "badge-good", failed: "badge-bad", stopped: "badge-warn" }[state] || "badge-busy"}`;
  at("phase").textContent = message;
}

const wordsIn = (markdown) => (markdown.match(/[\p{L}\p{N}]+(?:['’.-][\p{L}\p{N}]+)*/gu) || []).length;

function grow(change) {
  // Sticking to the end is right only for a reader who is at the end.
  follows = innerHeight + scrollY >= document.documentElement.scrollHeight - 160;
  change();
  at("words").textContent = words.words.replace("%s", wordsIn(live.text).toLocaleString());
  const progress = at("progress");
  if (progress) progress.value = Math.min(progress.max, wordsIn(live.text));
  if (follows) setTimeout(() => scrollTo({ top: document.documentElement.scrollHeight }), 70);
}

/** A place in a source without the source's own name, which stands above it already. */
const within = (locator, title) => (locator.startsWith(title) ? locator.slice(title.length).replace(/^( > |, )/, "") : locator);

function addSource(item) {
  const row = document.getElementById("source-template").content.firstElementChild.cloneNode(true);
  const link = row.querySelector("[data-cite]");
  link.dataset.cite = item.marker;
  link.href = page.dataset.passage.replace(/0$/, item.marker);
  row.querySelector("[data-marker]").textContent = item.marker;
  row.querySelector("[data-title]").textContent = item.title;
  row.querySelector("[data-locator]").textContent = within(item.locator || "", item.title);
  row.dataset.marker = item.marker;
  at("passages").append(row);
}

function addStep(label, detail, kind) {
  const row = document.getElementById("step-template").content.firstElementChild.cloneNode(true);
  row.classList.add(`step-${kind}`);
  row.querySelector("[data-label]").textContent = label;
  row.querySelector("[data-detail]").textContent = detail;
  at("steps").append(row);
  at("who").hidden = false;
}

let writes = "";
const handlers = {
  status(data) {
    show(data.state, data.message || words.phases[data.phase] || "");
    if (data.state === "stopping") at("stop").disabled = true;
  },
  passages(data) {
    at("passages").replaceChildren();
    data.items.forEach(addSource);
    at("sources-head").hidden = data.items.length === 0;
  },
  attempt(data) {
    if (data.state === "started") {
      at("model").textContent = data.label;
      // A model that goes on after its own limit is no further step.
      if (data.label !== writes) addStep(data.label, data.number > 1 ? words.goesOn : words.writes, "start");
      writes = data.label;
    } else {
      writes = "";
      addStep(data.message, data.next_label ? words.next.replace("%s", data.next_label) : data.remedy || "", "end");
    }
  },
  delta(data) {
    grow(() => live.append(data.text));
  },
  text(data) {
    grow(() => live.reset(data.text));
  },
  citation(data) {
    citations.set(data.marker, citations.get(data.marker) || data.verified);
    for (const element of text.querySelectorAll(`[data-cite="${CSS.escape(data.marker)}"]`)) {
      element.classList.remove("cite-pending");
      element.classList.toggle("cite-unverified", !citations.get(data.marker));
    }
    const row = at("passages").querySelector(`[data-marker="${CSS.escape(data.marker)}"]`);
    row?.classList.add(data.verified ? "is-verified" : "is-doubtful");
  },
  usage(data) {
    const parts = [words.tokens.replace("%s", (data.input_tokens + data.output_tokens).toLocaleString())];
    if (data.cost !== null && Number(data.cost) > 0) parts.push(`${data.cost} ${data.currency}`);
    at("usage").textContent = parts.join(" · ");
  },
  applied(data) {
    at("edit").href = page.dataset.document.replace("00000000-0000-0000-0000-000000000000", data.document_id);
    at("edit").hidden = false;
    at("keep").hidden = true;
  },
  error(data) {
    at("problem").hidden = false;
    at("problem-message").textContent = data.message;
    at("problem-remedy").textContent = data.remedy || "";
  },
  lost({ final }) {
    at("connection").hidden = false;
    at("connection").textContent = final ? words.gone : words.lost;
  },
  found() {
    at("connection").hidden = true;
  },
  done(data) {
    finish(data.state);
  },
};

async function finish(state) {
  show(state);
  announce(words.announce[state] || "");
  at("running").hidden = true;
  at("progress")?.remove();
  at("finished").hidden = false;
  if (at("edit").hidden && state !== "failed") at("keep").hidden = false;
  document.title = `${words.states[state]} · ${page.dataset.subject}`;
  text.removeAttribute("aria-busy");
  text.classList.remove("is-writing");
  live.draw();
  // The server's rendering replaces ours: same text, all of CommonMark, links to the passages.
  const response = await fetch(page.dataset.text, { headers: { "X-Fragment": "1" }, credentials: "same-origin" }).catch(() => null);
  if (response?.ok) text.innerHTML = await response.text();
}

if (page.dataset.events) {
  live = new LiveMarkdown(text, chip);
  at("steps").replaceChildren();
  announce(words.announce.started);
  listen(page.dataset.events, handlers);
  page.addEventListener("submit", async (event) => {
    if (event.target !== at("stop-form")) return;
    event.preventDefault();
    at("stop").disabled = true;
    show("stopping");
    try {
      await send(event.target.action);
    } catch (problem) {
      at("stop").disabled = false;
      toast(`${problem.message} ${problem.remedy}`, "error");
    }
  });
}
