/**
 * What was typed and not yet confirmed by the server, kept in this browser.
 *
 * A crash, a dead battery or an ended session loses nothing: the next visit offers it. The entry goes away only when
 * the server has said that the very same text is stored.
 */

export class LocalDraft {
  /** @param {string} person id of the signed-in person. @param {string} documentId */
  constructor(person, documentId) {
    this.key = `aiwriter:draft:${person}:${documentId}`;
  }

  /** @param {{title: string, html: string, revision: number, base: object}} text */
  keep(text) {
    try {
      localStorage.setItem(this.key, JSON.stringify({ ...text, at: new Date().toISOString() }));
    } catch {
      // Storage is full or forbidden: the server's copy is then the only one, as for any other page.
    }
  }

  /** @returns {{title: string, html: string, revision: number, base?: object, at: string} | null} */
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  drop() {
    localStorage.removeItem(this.key);
  }
}
