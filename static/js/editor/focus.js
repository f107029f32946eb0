/** Focus mode: nothing but the text, and of the text the paragraph that is being written stands out. */

import { Extension, pm } from "django-prose-editor/editor";
import { announce } from "../announce.js";

const { Plugin, PluginKey } = pm.state;
const { Decoration, DecorationSet } = pm.view;
const focusKey = new PluginKey("focus");

/** Marks the block of the cursor; the style sheet uses it in focus mode only. */
export const FocusBlock = Extension.create({
  name: "focusBlock",
  addProseMirrorPlugins: () => [
    new Plugin({
      key: focusKey,
      props: {
        decorations({ doc, selection: { $from } }) {
          if (!$from.depth) return null;
          return DecorationSet.create(doc, [Decoration.node($from.before(1), $from.after(1), { class: "is-here" })]);
        },
      },
    }),
  ],
});

/** @param {{editor: object, page: HTMLElement}} context @returns {(on?: boolean) => void} switches it. */
export function watchFocus({ editor, page }) {
  const buttons = page.querySelectorAll("[data-focus-mode]");
  const change = (on = !document.body.classList.contains("is-focused")) => {
    document.body.classList.toggle("is-focused", on);
    for (const button of buttons) button.setAttribute("aria-pressed", String(on));
    announce(on ? buttons[0].dataset.on : buttons[0].dataset.off);
    editor.view.focus();
  };
  for (const button of buttons) button.addEventListener("click", () => change());
  document.addEventListener("keydown", (event) => {
    // Not by defaultPrevented: the editor prevents Escape always. What else it closes stops the event before.
    const busy = document.querySelector("dialog[open], [data-suggestion]:not([hidden])");
    if (event.key === "Escape" && !busy && document.body.classList.contains("is-focused")) change(false);
  });
  return change;
}
