/** Starts the editor of a document and joins its parts. */

import { Editor } from "django-prose-editor/editor";
import { announce, toast } from "../announce.js";
import { PassagePanel } from "../passages.js";
import { watchConflicts } from "./conflict.js";
import { LocalDraft } from "./drafts.js";
import { FindBar } from "./find.js";
import { watchFocus } from "./focus.js";
import { PictureDialog } from "./pictures.js";
import { watchPresence } from "./presence.js";
import { Rail } from "./panels.js";
import { Rewriter, enterPresses } from "./rewrite.js";
import { Saver } from "./saving.js";
import { documentExtensions } from "./schema.js";
import { watchShortcuts } from "./shortcuts.js";
import { SlashMenu } from "./slash.js";
import { watchToolbar } from "./toolbar.js";

const page = document.getElementById("editor");
const words = JSON.parse(document.getElementById("words").textContent);
const known = JSON.parse(document.getElementById("citation-states").textContent);
const source = page.querySelector("textarea[name=body]");
const title = page.querySelector("[name=title]");
const canvas = page.querySelector("[data-canvas]");
const state = page.querySelector("[data-save-state]");

// The slash menu while it is open; the extension looks here for who gets the keys.
const slash = { current: null };
const editor = new Editor({
  element: page.querySelector("[data-text]"),
  // Tiptap would add a style element of its own, which the content security policy refuses; editor.css has the rules.
  injectCSS: false,
  content: source.value,
  extensions: documentExtensions({ placeholder: words.placeholder, citations: known, slash }),
  editorProps: {
    attributes: {
      class: "prose",
      role: "textbox",
      "aria-multiline": "true",
      "aria-label": words.label,
      spellcheck: "true",
      lang: page.dataset.language,
    },
  },
});
source.hidden = true;
page.dataset.ready = "1";

const read = () => ({ title: title.value.trim(), html: editor.getHTML() });
const replace = (newTitle, html) => {
  const { doc: before, selection } = editor.state;
  title.value = newTitle;
  editor.commands.setContent(html, { emitUpdate: false });
  // The cursor stays at its words, wherever the new text differs.
  const { content } = editor.state.doc;
  const start = before.content.findDiffStart(content);
  const end = before.content.findDiffEnd(content);
  const moved = (place) => (start === null || place <= start ? place : place >= end.a ? place + end.b - end.a : start);
  editor.commands.setTextSelection({ from: moved(selection.from), to: moved(selection.to) });
};

const draft = new LocalDraft(page.dataset.person, page.dataset.document);
const saver = new Saver({
  address: page.dataset.save,
  revision: Number(page.dataset.revision),
  read,
  draft,
  show(name, detail = {}) {
    state.dataset.saveState = name;
    state.querySelector("[data-words]").textContent = words.save[name];
    state.title = detail.message || "";
    if (name === "offline" || name === "refused") announce(`${words.save[name]} ${detail.message || ""}`);
    if (name === "refused") toast(detail.message, "error");
  },
  conflict() {},
});
watchPresence(page.querySelector("[data-editing]"), page.dataset.presence);
watchConflicts(document.getElementById("conflict"), saver, { read, replace });

editor.on("update", () => saver.touch());
title.addEventListener("input", () => saver.touch());
title.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  editor.commands.focus("start");
  // That command waits for the next frame; what is typed until then would go into the title.
  editor.view.focus();
});
editor.on("blur", () => saver.save("autosave"));
title.addEventListener("blur", () => saver.save("autosave"));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && saver.isDirty) saver.save("autosave", { keepalive: true });
});
addEventListener("beforeunload", (event) => {
  if (!saver.isDirty) return;
  draft.keep({ ...read(), revision: saver.revision, base: saver.base });
  event.preventDefault();
});

offerDraft();
const link = document.getElementById("link");
const askForLink = () => {
  link.querySelector("input").value = editor.getAttributes("link").href || "";
  link.showModal();
};
const pictures = new PictureDialog(editor, document.getElementById("picture"));
watchToolbar(page.querySelector("[data-toolbar]"), editor, {
  link: askForLink,
  image: () => pictures.open(),
});
link.addEventListener("keydown", (event) => enterPresses(event, "set"));
link.addEventListener("close", () => {
  if (link.returnValue === "cancel") return;
  const href = link.querySelector("input").value.trim();
  const chain = editor.chain().focus().extendMarkRange("link");
  if (!href || link.returnValue === "remove") chain.unsetMark("link").run();
  else chain.setMark("link", { href: /^[a-z][a-z+.-]*:/i.test(href) ? href : `https://${href}` }).run();
});

const side = document.getElementById("panel");
const passages = new PassagePanel(side, (marker) => page.dataset.citation.replace(/0$/, encodeURIComponent(marker)));
const context = { editor, page, canvas, saver, words, passages, pictures, slash, rail: new Rail(side) };
const rewriter = new Rewriter(context);
context.rewriter = rewriter;
page.querySelector("[data-improve]").addEventListener("click", () => rewriter.open());

const find = new FindBar(context);
page.querySelector("[data-find-open]").addEventListener("click", () => find.open());
const focus = watchFocus(context);
new SlashMenu(context);
watchShortcuts(document.getElementById("shortcuts"), {
  "mod+s"() {
    saver.touch();
    saver.save("manual").then((stored) => stored && announce(words.save.saved));
  },
  "mod+j": () => rewriter.open(),
  "mod+f": () => find.open(),
  "mod+h": () => find.open({ replace: true }),
  "mod+k": askForLink,
  "mod+/": () => document.getElementById("shortcuts").showModal(),
  "mod+shift+f": () => focus(),
  "alt+f10": () => page.querySelector("[data-toolbar] select").focus(),
});

passages.follow(canvas);
passages.follow(page.querySelector("[data-citations]"));
context.rail.start(context);
for (const button of document.querySelectorAll("[data-panel-toggle]")) {
  button.addEventListener("click", () => {
    const open = page.classList.toggle("is-panel-open");
    button.setAttribute("aria-expanded", String(open));
  });
}

/** Text that an earlier visit could not save is offered, never put in silently. */
function offerDraft() {
  const kept = draft.read();
  if (!kept) return;
  if (kept.html === editor.getHTML() && kept.title === title.value.trim()) {
    draft.drop();
    return;
  }
  const offer = document.getElementById("kept");
  offer.hidden = false;
  offer.querySelector("time").textContent = new Date(kept.at).toLocaleString();
  offer.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-kept]")?.dataset.kept;
    if (!choice) return;
    if (choice === "restore") {
      replace(kept.title, kept.html);
      // Saved from the revision that the text was typed on: if somebody saved since, the conflict is shown.
      saver.revision = kept.revision;
      saver.base = kept.base || saver.base;
      saver.touch();
      saver.save("manual");
    } else draft.drop();
    offer.hidden = true;
    editor.view.focus();
  });
}
