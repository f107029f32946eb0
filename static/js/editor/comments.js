/** The panel of comments: threads beside the text, marks in it, and a place to say something about the selection. */

import { announce, toast } from "../announce.js";
import { send } from "../http.js";
import { drawTimes } from "../times.js";
import { setComments } from "./changes.js";
import { placeOf, plain, wordsOf } from "./places.js";

const SHOWN = 140;

export function start(context, section) {
  context.comments = new Comments(context, section.querySelector("[data-comments]"));
  context.comments.load(new URLSearchParams(location.search).get("comment"));
}

class Comments {
  constructor(context, root) {
    Object.assign(this, { context, root, words: root.dataset });
    this.list = root.querySelector("[data-threads]");
    this.form = root.querySelector("[data-new]");
    this.field = this.form.elements.body;
    this.threads = [];
    this.selection = null;
    root.querySelector("[data-settled-too]").addEventListener("change", () => this.draw());
    this.form.addEventListener("submit", (event) => this.say(event));
    this.list.addEventListener("submit", (event) => (event.target.matches("[data-edit-form]") ? this.change(event) : this.answer(event)));
    this.list.addEventListener("click", (event) => this.clicked(event));
    context.editor.on("selectionUpdate", () => this.selected());
    // The selection is lost from sight when the field gets the focus; it stays what the comment is about.
    context.canvas.addEventListener("click", (event) => {
      const mark = event.target.closest("[data-thread]");
      if (mark) this.show(mark.dataset.thread);
    });
    document.querySelector("[data-comment-selection]")?.addEventListener("click", () => this.begin());
    let timer = 0;
    context.editor.on("update", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.marks(), 600);
    });
    context.saver.watchers.push(() => this.threads.length && this.load());
  }

  /** All threads; `shown` is one to be shown at once. */
  async load(shown = null) {
    try {
      const found = [];
      let cursor = "";
      do {
        const page = await send(`${this.words.address}?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, { method: "GET" });
        found.push(...page.data);
        cursor = page.pagination.next_cursor;
      } while (cursor);
      this.threads = found;
    } catch (problem) {
      toast(problem.message, "error");
      return;
    }
    // Somebody may be typing an answer: the list is drawn anew when they are done.
    if (!this.list.contains(document.activeElement)) this.draw();
    if (shown) this.show(shown);
  }

  put(thread) {
    const at = this.threads.findIndex((each) => each.id === thread.id);
    if (at < 0) this.threads.push(thread);
    else this.threads[at] = thread;
    this.draw();
  }

  draw() {
    const settled = this.root.querySelector("[data-settled-too]").checked;
    const shown = this.threads.filter((each) => settled || !each.resolved_at);
    this.list.replaceChildren(...shown.map((each) => this.row(each)));
    this.root.querySelector("[data-none]").hidden = this.threads.length > 0;
    this.context.rail.count("comments", this.threads.filter((each) => !each.resolved_at).length);
    drawTimes(this.list);
    this.marks();
  }

  row(thread) {
    const row = document.getElementById("thread-template").content.firstElementChild.cloneNode(true);
    row.dataset.id = thread.id;
    row.classList.toggle("is-settled", Boolean(thread.resolved_at));
    const quote = row.querySelector("[data-go]");
    quote.textContent = short(thread.quote) || this.words.whole;
    quote.disabled = !thread.quote;
    row.querySelector("[data-said-list]").replaceChildren(...thread.comments.map((each, index) => this.comment(thread, each, index)));
    row.querySelector("[data-settle]").textContent = thread.resolved_at ? this.words.reopen : this.words.resolve;
    return row;
  }

  comment(thread, said, index) {
    const row = document.getElementById("comment-template").content.firstElementChild.cloneNode(true);
    row.dataset.id = said.id;
    row.querySelector("[data-author]").textContent = said.author || this.words.somebody;
    const time = row.querySelector("time");
    time.dateTime = said.created_at;
    time.textContent = said.created_at;
    const edited = row.querySelector("[data-edited-mark]");
    edited.hidden = !said.edited_at;
    edited.textContent = this.words.edited;
    row.querySelector("[data-body]").textContent = said.body;
    const alone = thread.comments.length === 1;
    row.querySelector("[data-edit]").hidden = said.author_id !== this.words.person;
    row.querySelector("[data-delete]").hidden = said.author_id !== this.words.person || (index === 0 && !alone);
    return row;
  }

  /** Draw the open threads in the text, where their words stand now. */
  marks() {
    const { editor } = this.context;
    const text = wordsOf(editor.state.doc);
    const drawn = [];
    for (const thread of this.threads) {
      if (thread.resolved_at || !thread.quote) continue;
      const place = placeOf(text, { before: thread.quote, prefix: thread.prefix, suffix: thread.suffix });
      const row = this.rowOf(thread.id);
      row?.classList.toggle("is-lost", !place);
      const quote = row?.querySelector("[data-go]");
      if (quote) quote.title = place ? "" : this.words.lost;
      const label = this.words.mark.replace("%s", short(thread.comments[0]?.body || "", 60));
      if (place) drawn.push({ id: thread.id, label, ...place });
    }
    setComments(editor, drawn);
  }

  rowOf(id) {
    return [...this.list.children].find((row) => row.dataset.id === id);
  }

  /** Open the panel at one thread. */
  show(id) {
    const thread = this.threads.find((each) => each.id === id);
    if (!thread) return;
    if (thread.resolved_at) {
      this.root.querySelector("[data-settled-too]").checked = true;
      this.draw();
    }
    this.context.rail.open("comments");
    this.context.page.classList.add("is-panel-open");
    const row = this.rowOf(id);
    for (const each of this.list.children) each.classList.toggle("is-shown", each === row);
    row?.scrollIntoView({ block: "nearest" });
    row?.focus({ preventScroll: true });
  }

  /** What a new comment would be about. */
  selected() {
    const { editor } = this.context;
    const { from, to, empty } = editor.state.selection;
    const words = empty ? "" : editor.state.doc.textBetween(from, to, "\n", "\n").trim();
    if (!words && document.activeElement === this.field) return;
    const before = words ? editor.state.doc.textBetween(0, from, "\n", "\n") : "";
    this.about(words ? { quote: words, occurrence: before.split(words).length - 1 } : null);
  }

  /** Say what the next comment is about; null: the whole document. */
  about(selection) {
    this.selection = selection;
    const words = selection?.quote || "";
    this.form.querySelector("[data-about]").textContent = words ? this.field.dataset.quoteLabel : this.field.dataset.wholeLabel;
    const shown = this.form.querySelector("[data-about-quote]");
    shown.hidden = !words;
    shown.textContent = short(words);
  }

  /** From the bar beside the selection. */
  begin() {
    this.selected();
    this.context.rail.open("comments");
    this.context.page.classList.add("is-panel-open");
    this.field.focus();
  }

  async say(event) {
    event.preventDefault();
    const { saver } = this.context;
    await this.doing(async () => {
      // The passage is looked up in what the server has.
      if (saver.isDirty && !(await saver.save("autosave"))) return;
      const thread = await send(this.words.address, { json: { body: this.field.value, ...(this.selection || {}) } });
      this.field.value = "";
      this.about(null);
      this.put(thread);
      this.show(thread.id);
      announce(this.words.said);
    });
  }

  async answer(event) {
    event.preventDefault();
    const form = event.target;
    const id = form.closest(".comment-thread").dataset.id;
    await this.doing(async () => {
      this.put(await send(`${this.words.address}/${id}/replies`, { json: { body: form.elements.body.value } }));
      this.show(id);
      announce(this.words.said);
    });
  }

  /** Other words of one's own. */
  async change(event) {
    event.preventDefault();
    const form = event.target;
    const id = form.closest(".comment-thread").dataset.id;
    const comment = form.closest(".comment").dataset.id;
    await this.doing(async () => {
      this.put(await send(`${this.words.address}/${id}/replies/${comment}`, { method: "PATCH", json: { body: form.elements.body.value } }));
      this.show(id);
      announce(this.words.changed);
    });
  }

  /** Put a field in the place of what was said, or take it away again. */
  edit(row, open) {
    const form = row.querySelector("[data-edit-form]");
    const body = row.querySelector("[data-body]");
    form.hidden = !open;
    body.hidden = row.querySelector("[data-own]").hidden = open;
    if (open) form.elements.body.value = body.textContent;
    (open ? form.elements.body : row.querySelector("[data-edit]")).focus();
  }

  async clicked(event) {
    const row = event.target.closest(".comment-thread");
    const id = row?.dataset.id;
    if (event.target.closest("[data-go]")) {
      const mark = document.querySelector(`.ProseMirror [data-thread="${id}"]`);
      mark?.scrollIntoView({ block: "center", behavior: "smooth" });
    } else if (event.target.closest("[data-settle]")) {
      const settled = this.threads.find((each) => each.id === id).resolved_at;
      await this.doing(async () => {
        this.put(await send(`${this.words.address}/${id}/resolve`, { method: settled ? "DELETE" : "POST" }));
        announce(settled ? this.words.opened : this.words.settled);
        this.field.focus({ preventScroll: true });
      });
    } else if (event.target.closest("[data-edit]")) {
      this.edit(event.target.closest(".comment"), true);
    } else if (event.target.closest("[data-cancel]")) {
      this.edit(event.target.closest(".comment"), false);
    } else if (event.target.closest("[data-delete]")) {
      const comment = event.target.closest(".comment").dataset.id;
      await this.doing(async () => {
        await send(`${this.words.address}/${id}/replies/${comment}`, { method: "DELETE" });
        this.field.focus({ preventScroll: true });
        announce(this.words.gone);
        await this.load();
      });
    }
  }

  async doing(act) {
    try {
      await act();
    } catch (problem) {
      toast(`${problem.message} ${problem.remedy || ""}`.trim(), "warning");
    }
  }
}

function short(markdown, length = SHOWN) {
  const text = plain(markdown).trim();
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
