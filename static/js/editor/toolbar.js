/** The toolbar: buttons carry the name of a command; a pressed button tells what the cursor stands in. */

const COMMANDS = {
  bold: (chain) => chain.toggleBold(),
  italic: (chain) => chain.toggleItalic(),
  strike: (chain) => chain.toggleStrike(),
  code: (chain) => chain.toggleCode(),
  bulletList: (chain) => chain.toggleBulletList(),
  orderedList: (chain) => chain.toggleOrderedList(),
  blockquote: (chain) => chain.toggleBlockquote(),
  codeBlock: (chain) => chain.toggleCodeBlock(),
  rule: (chain) => chain.setHorizontalRule(),
  table: (chain) => chain.insertTable({ rows: 3, cols: 3, withHeaderRow: true }),
  undo: (chain) => chain.undo(),
  redo: (chain) => chain.redo(),
};

/**
 * @param {HTMLElement} bar
 * @param {object} editor Tiptap's editor.
 * @param {Record<string, () => void>} asks opens a dialog instead of doing something at once, by name of the command.
 */
export function watchToolbar(bar, editor, asks) {
  const style = bar.querySelector("[data-style]");
  bar.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (!button) return;
    const { command } = button.dataset;
    if (asks[command]) asks[command]();
    else COMMANDS[command](editor.chain().focus()).run();
  });
  style.addEventListener("change", () => {
    const level = Number(style.value);
    const chain = editor.chain().focus();
    (level ? chain.setHeading({ level }) : chain.setParagraph()).run();
  });
  // One stop for Tab, arrows inside: as the pattern for toolbars asks.
  bar.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    if (event.target === style) return;
    const stops = [...bar.querySelectorAll("select, button:not([disabled])")];
    const next = stops.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : -1);
    stops[(next + stops.length) % stops.length].focus();
    event.preventDefault();
  });

  const draw = () => {
    for (const button of bar.querySelectorAll("[data-command]")) {
      const name = button.dataset.command;
      if (name === "undo" || name === "redo") button.disabled = !editor.can()[name]();
      else if (!["rule", "table"].includes(name)) button.setAttribute("aria-pressed", String(editor.isActive(name)));
    }
    const level = [1, 2, 3, 4].find((number) => editor.isActive("heading", { level: number }));
    style.value = String(level || 0);
  };
  editor.on("transaction", draw);
  draw();
}
