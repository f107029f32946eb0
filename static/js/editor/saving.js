/** Saving: a few seconds after the last key, on leaving the page or the field, and never over somebody else's text. */

import { HttpError, send } from "../http.js";

const QUIET = 2500;
const LONGEST = 15000;
const AGAIN = [3000, 6000, 15000, 30000];

export class Saver {
  /**
   * @param {object} options
   * @param {string} options.address where to save.
   * @param {number} options.revision of the text that the page was opened with.
   * @param {() => {title: string, html: string}} options.read what the editor holds now.
   * @param {import("./drafts.js").LocalDraft} options.draft
   * @param {(state: "saved"|"dirty"|"saving"|"offline"|"conflict"|"refused", detail?: object) => void} options.show
   * @param {(body: object, text: {title: string, html: string}) => void} options.conflict somebody else saved first.
   */
  constructor({ address, revision, read, draft, show, conflict }) {
    Object.assign(this, { address, revision, read, draft, show, conflict });
    this.changes = 0;
    this.saved = 0;
    this.failures = 0;
    this.blocked = false;
    this.generation = null;
    /** Called without arguments after the server has taken a text. */
    this.watchers = [];
    // The text as the server last confirmed it: what a merge starts from when somebody else saves first.
    this.base = read();
  }

  get isDirty() {
    return this.changes !== this.saved;
  }

  /** Something was typed. */
  touch() {
    this.changes += 1;
    this.since ??= Date.now();
    if (!this.blocked) this.show("dirty");
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.isDirty && this.draft.keep({ ...this.read(), revision: this.revision, base: this.base }), 400);
    this.schedule(Math.min(QUIET, Math.max(0, this.since + LONGEST - Date.now())));
  }

  schedule(delay) {
    clearTimeout(this.timer);
    if (!this.blocked) this.timer = setTimeout(() => this.save("autosave"), delay);
  }

  /**
   * Save now.
   *
   * @param {"autosave"|"manual"|"ai"} reason
   * @returns {Promise<boolean>} whether the server holds what the editor holds.
   */
  async save(reason, { keepalive = false } = {}) {
    clearTimeout(this.timer);
    if (this.blocked) return false;
    if (this.running) {
      await this.running;
      return this.isDirty ? this.save(reason, { keepalive }) : true;
    }
    if (!this.isDirty && reason === "autosave") return true;
    this.running = this.attempt(reason, keepalive);
    try {
      return await this.running;
    } finally {
      this.running = null;
    }
  }

  async attempt(reason, keepalive) {
    const taken = this.changes;
    const text = this.read();
    this.show("saving");
    try {
      const body = { ...text, revision: this.revision, reason, generation_id: this.generation, base: this.base };
      // Browsers refuse a keepalive body above 64 KB; a long text is then kept in this browser and saved on return.
      const answer = await send(this.address, { json: body, keepalive: keepalive && text.html.length < 30000 });
      this.base = text;
      this.accept(answer.revision, taken);
      this.show(this.isDirty ? "dirty" : "saved", answer);
      if (this.isDirty) this.schedule(QUIET);
      return !this.isDirty;
    } catch (problem) {
      this.draft.keep({ ...text, revision: this.revision, base: this.base });
      this.fail(problem, text);
      return false;
    }
  }

  accept(revision, taken = this.changes) {
    this.revision = revision;
    this.saved = taken;
    this.failures = 0;
    this.since = undefined;
    this.generation = null;
    if (!this.isDirty) {
      clearTimeout(this.keeping);
      this.draft.drop();
    }
    for (const watcher of this.watchers) watcher();
  }

  fail(problem, text) {
    if (!(problem instanceof HttpError)) throw problem;
    if (problem.status === 409 && problem.body.theirs) {
      this.blocked = true;
      this.show("conflict");
      this.conflict(problem.body, text);
    } else if (problem.status === 0 || problem.status === 401 || problem.status >= 500 || problem.status === 429) {
      this.show("offline", { message: problem.message });
      this.schedule(AGAIN[Math.min(this.failures, AGAIN.length - 1)]);
      this.failures += 1;
    } else {
      this.show("refused", { message: `${problem.message} ${problem.remedy}` });
    }
  }

  /** The conflict is settled: go on from this revision. */
  resume(revision) {
    this.revision = revision;
    this.blocked = false;
  }
}
