/** The panel of origins: how much of the text people, models, or both wrote, marked in the text when asked for. */

import { toast } from "../announce.js";
import { send } from "../http.js";
import { setOrigins } from "./changes.js";
import { placeOf, wordsOf } from "./places.js";

const ORIGINS = ["human", "ai", "ai_edited", "quoted"];

export function start(context, section) {
  const root = section.querySelector("[data-origins]");
  const mark = root.querySelector("[data-mark]");
  let found = null;

  const load = async () => {
    if (section.hidden && !mark.checked) return;
    try {
      found = await send(root.dataset.address, { method: "GET" });
    } catch (problem) {
      toast(problem.message, "error");
      return;
    }
    root.querySelector("[data-summary]").textContent = found.summary || root.dataset.none;
    root.querySelector("[data-shares]").replaceChildren(...ORIGINS.filter((each) => found.shares[each]).map(row));
    draw();
  };

  const row = (origin) => {
    const line = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.append(swatch(origin), root.dataset[origin]);
    const share = document.createElement("td");
    share.textContent = root.dataset.share.replace("%s", Math.round(found.shares[origin] * 100)).replace("%%", "%");
    line.append(name, share);
    return line;
  };

  const draw = () => {
    if (!mark.checked || !found) return setOrigins(context.editor, []);
    const words = wordsOf(context.editor.state.doc);
    const drawn = [];
    for (const [from, to, origin] of found.spans) {
      if (origin === "human") continue;
      // Paragraph by paragraph: one that was changed since does not hide the others.
      let at = from;
      for (const part of found.markdown.slice(from, to).split(/(\n{2,})/)) {
        const around = { prefix: found.markdown.slice(Math.max(0, at - 40), at), suffix: found.markdown.slice(at + part.length, at + part.length + 40) };
        const place = part.trim() ? placeOf(words, { before: part.trim(), ...around }) : null;
        if (place) drawn.push({ origin, ...place });
        at += part.length;
      }
    }
    return setOrigins(context.editor, drawn);
  };

  mark.addEventListener("change", load);
  context.saver.watchers.push(load);
  new MutationObserver(load).observe(section, { attributes: true, attributeFilter: ["hidden"] });
  load();
}

function swatch(origin) {
  const part = document.createElement("span");
  part.className = `origin-swatch origin-${origin}`;
  return part;
}
