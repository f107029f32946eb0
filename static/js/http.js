/** Calls to our own server: CSRF header, JSON in and out, and one kind of error that carries the remedy. */

export class HttpError extends Error {
  /**
   * @param {number} status HTTP status, 0 when the server was not reached.
   * @param {{code?: string, message?: string, details?: {remedy?: string}[]}} error the server's error object.
   * @param {object} body the whole answer.
   */
  constructor(status, error, body) {
    super(error.message || `The server answered ${status}.`);
    this.status = status;
    this.code = error.code || "";
    this.remedy = error.details?.[0]?.remedy || "";
    this.body = body;
  }
}

export const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content || "";

/**
 * Send a request and read the JSON answer.
 *
 * @param {string} address
 * @param {{method?: string, json?: object, form?: FormData|URLSearchParams, keepalive?: boolean, signal?: AbortSignal}} options
 * @returns {Promise<object>}
 * @throws {HttpError}
 */
export async function send(address, { method = "POST", json, form, keepalive = false, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address, {
      method,
      headers,
      body: json !== undefined ? JSON.stringify(json) : form,
      keepalive,
      signal,
      credentials: "same-origin",
    });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new HttpError(0, { code: "offline", message: document.body.dataset.offline || "The server cannot be reached." }, {});
  }
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  const body = isJson ? await response.json() : {};
  // A session that ended sends a redirect to the sign-in page: a page, not an answer.
  if (response.redirected && !isJson) throw new HttpError(401, { code: "not_authenticated" }, {});
  if (!response.ok) throw new HttpError(response.status, body.error || {}, body);
  return body;
}
