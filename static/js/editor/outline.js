/** The outline, the word count and the reading time, drawn after a pause so that typing never waits for them. */

// Silent reading of English prose: 238 words a minute (Brysbaert 2019, a review of 190 studies).
const WORDS_A_MINUTE = 238;
const WORD = /[\p{L}\p{N}]+(?:['’.-][\p{L}\p{N}]+)*/gu;

/** The panel of the outline; the count stands in the bar above the text. */
export function start({ editor, page, words }, section) {
  const list = section.querySelector("[data-outline]");
  const counter = page.querySelector("[data-count]");
  let timer = 0;
  const draw = () => {
    const items = [];
    editor.state.doc.descendants((node, position) => {
      if (node.type.name === "heading" && node.textContent.trim()) items.push(item(node, position));
      return !node.isTextblock;
    });
    list.replaceChildren(...items);
    list.dataset.empty = String(items.length === 0);
    total = count(0, editor.state.doc.content.size);
    tell();
    mark();
  };
  let total = 0;
  const count = (from, to) => (editor.state.doc.textBetween(from, to, "\n", " ").match(WORD) || []).length;
  /** Of a selection its own words too. */
  const tell = () => {
    const { from, to, empty } = editor.state.selection;
    const time = words.minutes.replace("%s", Math.max(1, Math.round(total / WORDS_A_MINUTE)).toLocaleString());
    const chosen = empty ? 0 : count(from, to);
    const said = chosen ? words.some.replace("%s", chosen.toLocaleString()) : words.words;
    counter.textContent = `${said.replace("%s", total.toLocaleString())} · ${time}`;
  };
  /** The heading under which the cursor stands. */
  const mark = () => {
    const { from } = editor.state.selection;
    let here = null;
    for (const button of list.querySelectorAll("button")) {
      button.removeAttribute("aria-current");
      if (Number(button.dataset.position) <= from) here = button;
    }
    here?.setAttribute("aria-current", "location");
  };
  const item = (node, position) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = `outline-item outline-${node.attrs.level}`;
    button.textContent = node.textContent;
    button.dataset.position = position;
    button.addEventListener("click", () => {
      editor.chain().focus(position + 1).run();
      editor.view.nodeDOM(position)?.scrollIntoView({ block: "start", behavior: "smooth" });
    });
    row.append(button);
    return row;
  };
  editor.on("update", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 500);
  });
  let pause = 0;
  editor.on("selectionUpdate", () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      tell();
      mark();
    }, 250);
  });
  draw();
}
