/** The outline and the word count, drawn after a pause so that typing never waits for them. */

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
    const text = editor.state.doc.textBetween(0, editor.state.doc.content.size, "\n", " ");
    counter.textContent = words.words.replace("%s", (text.match(WORD) || []).length.toLocaleString());
  };
  const item = (node, position) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = `outline-item outline-${node.attrs.level}`;
    button.textContent = node.textContent;
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
  draw();
}
