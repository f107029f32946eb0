/** The numbered events of one generation, over any number of lost connections. */

const TYPES = ["status", "passages", "attempt", "delta", "text", "citation", "usage", "applied", "error", "done"];
const PATIENCE = [500, 1000, 2000, 4000, 8000, 15000];

/**
 * Listen until the generation is done.
 *
 * The browser reconnects by itself with Last-Event-ID. When it gives up (the server answered with an error, such as a
 * proxy's 502 while a version is swapped), we open a new connection after the last number that was seen.
 *
 * @param {string} address where the events are, with its ticket.
 * @param {Object<string, (data: object) => void>} handlers by event type; `lost` and `found` tell about the connection.
 * @returns {() => void} stops listening; the generation goes on.
 */
export function listen(address, handlers) {
  let source = null;
  let last = 0;
  let tries = 0;
  let timer = 0;
  let closed = false;

  const close = () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };

  const open = (url) => {
    source = new EventSource(url);
    source.onopen = () => {
      if (tries) handlers.found?.({});
      tries = 0;
    };
    source.onerror = () => {
      if (closed) return;
      handlers.lost?.({ final: tries >= PATIENCE.length });
      tries += 1;
      if (source.readyState !== EventSource.CLOSED) return;
      source.close();
      if (tries > PATIENCE.length) return;
      const next = new URL(address, location.href);
      next.searchParams.delete("ticket");
      next.searchParams.set("after", String(last));
      timer = setTimeout(() => open(next.href), PATIENCE[tries - 1]);
    };
    for (const type of TYPES) {
      source.addEventListener(type, (event) => {
        // An event without data is the browser's own "error", not ours.
        if (event.data === undefined) return;
        const number = Number(event.lastEventId);
        if (number && number <= last) return;
        if (number) last = number;
        handlers[type]?.(JSON.parse(event.data));
        if (type === "done") close();
      });
    }
  };

  open(address);
  return close;
}
