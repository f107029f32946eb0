/** The panel of changes: every open change of every suggestion, accepted or rejected one by one or all together. */

import { announce, toast } from "../announce.js";
import { send } from "../http.js";
import { setChanges, takeOver } from "./changes.js";
import { placeOf, plain, wordsOf } from "./places.js";

const SHOWN = 400;

export function start(context, section) {
  context.changes = new ChangeList(context, section.querySelector("[data-suggestions]"));
  context.changes.load();
}

class ChangeList {
  constructor(context, root) {
    Object.assign(this, { context, root, words: root.dataset });
    this.list = root.querySelector("[data-changes]");
    this.all = root.querySelector("[data-changes-all]");
    this.none = root.querySelector("[data-changes-none]");
    this.template = document.getElementById("change-template").content.firstElementChild;
    this.suggestions = [];
    root.addEventListener("click", (event) => this.clicked(event));
    let timer = 0;
    context.editor.on("update", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.places(), 600);
    });
  }

  /** What waits on the server, from earlier visits and other people too. */
  async load() {
    try {
      const answer = await send(`${this.words.address}?state=open`, { method: "GET" });
      // Of several answers to one question the newest is shown; the others are chosen in the card.
      const seen = new Set();
      this.show(answer.data.filter((each) => !seen.has(each.group) && seen.add(each.group)));
    } catch (problem) {
      toast(problem.message, "error");
    }
  }

  /** Put these in front, in place of others of the same question. */
  add(suggestion) {
    this.show([suggestion, ...this.suggestions.filter((each) => each.group !== suggestion.group)]);
    this.context.rail.open("suggestions");
    this.context.page.classList.add("is-panel-open");
    const count = this.open().length;
    announce(count === 1 ? this.words.one : this.words.waiting.replace("%s", count));
    this.list.querySelector("button")?.focus({ preventScroll: true });
  }

  show(suggestions) {
    this.suggestions = suggestions;
    this.draw();
  }

  /** [suggestion, change] of all that are open. */
  open() {
    return this.suggestions.flatMap((each) => each.changes.filter((change) => change.state === "open").map((change) => [each, change]));
  }

  draw() {
    const open = this.open();
    this.list.replaceChildren(...open.map(([suggestion, change], index) => this.row(suggestion, change, index)));
    this.all.hidden = open.length < 2;
    this.none.hidden = open.length > 0;
    this.context.rail.count("suggestions", open.length);
    this.places();
  }

  row(suggestion, change, index) {
    const row = this.template.cloneNode(true);
    row.dataset.suggestion = suggestion.id;
    row.dataset.change = change.id;
    const first = index === 0 || this.list.dataset.last !== suggestion.id;
    this.list.dataset.last = suggestion.id;
    const from = [suggestion.label, suggestion.model || suggestion.author].filter(Boolean).join(" · ");
    row.querySelector("[data-from]").textContent = first ? from : "";
    row.querySelector("[data-from]").hidden = !first;
    words(row.querySelector("[data-before]"), change.before, this.words.deleted);
    words(row.querySelector("[data-after]"), change.after, this.words.inserted);
    const explanation = row.querySelector("[data-explanation]");
    explanation.textContent = change.explanation;
    explanation.hidden = !change.explanation;
    return row;
  }

  /** Mark the changes in the text, and say of which the place is gone. */
  places() {
    const { editor } = this.context;
    const text = wordsOf(editor.state.doc);
    const drawn = [];
    for (const [suggestion, change] of this.open()) {
      const place = placeOf(text, change);
      if (place) drawn.push({ id: `${suggestion.id}:${change.id}`, ...place, after: plain(change.after).trim() });
      this.rowOf(suggestion.id, change.id)?.classList.toggle("is-lost", !place);
    }
    setChanges(editor, drawn);
  }

  rowOf(suggestion, change) {
    return [...this.list.children].find((row) => row.dataset.suggestion === suggestion && row.dataset.change === change);
  }

  clicked(event) {
    const all = event.target.closest("[data-all]")?.dataset.all;
    if (all) return this.decideAll(all);
    const row = event.target.closest(".change");
    if (!row) return undefined;
    const choice = event.target.closest("[data-choose]")?.dataset.choose;
    if (choice) return this.decide(choice, row.dataset.suggestion, [row.dataset.change]);
    document.querySelector(`.ProseMirror [data-change="${row.dataset.suggestion}:${row.dataset.change}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
    return undefined;
  }

  async decideAll(choice) {
    for (const { id } of [...this.suggestions]) await this.decide(choice, id, null);
  }

  /** Tell the server; what it answers is what stands. */
  async decide(choice, suggestion, ids) {
    const { editor, saver } = this.context;
    const position = [...this.list.children].findIndex((row) => row.contains(document.activeElement));
    try {
      if (saver.isDirty && !(await saver.save("autosave"))) return;
      const json = ids ? { ids } : {};
      const answer = await send(`${this.words.address}/${suggestion}/${choice}`, { json });
      if (answer.document) {
        takeOver(editor, answer.document.body_html);
        saver.accept(answer.document.revision);
        saver.show("saved");
      }
      this.suggestions = this.suggestions.map((each) => (each.id === suggestion ? answer.suggestion : each));
      announce(choice === "accept" ? this.words.accepted : this.words.rejected);
    } catch (problem) {
      toast(`${problem.message} ${problem.remedy}`.trim(), "warning");
      await this.load();
      return;
    }
    this.draw();
    const rows = this.list.children;
    if (position >= 0) (rows[Math.min(position, rows.length - 1)]?.querySelector("button") || editor.view.dom).focus({ preventScroll: true });
  }
}

function words(place, markdown, label) {
  const text = plain(markdown).trim();
  place.textContent = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  place.hidden = !text;
  place.setAttribute("aria-label", `${label}: ${text.slice(0, SHOWN)}`);
}
