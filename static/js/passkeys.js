// Passkeys: asks the browser for one and sends what it answers with the form.
// A form says what it wants: data-passkey="add" or "use" with its options in data-options (id of a JSON block), or
// data-passkey="enter", which fetches them from the form's address.
import { announce } from "./announce.js";

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const withBytes = (list) => (list ?? []).map((item) => ({ ...item, id: toBytes(item.id) }));

function answer(credential) {
  const given = credential.response;
  const response = { clientDataJSON: toText(given.clientDataJSON) };
  if (given.attestationObject) {
    response.attestationObject = toText(given.attestationObject);
    response.transports = given.getTransports?.() ?? [];
  } else {
    response.authenticatorData = toText(given.authenticatorData);
    response.signature = toText(given.signature);
    response.userHandle = given.userHandle ? toText(given.userHandle) : null;
  }
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function add(form) {
  const options = JSON.parse(document.getElementById(form.dataset.options).textContent).creation_options.publicKey;
  const alone = form.elements.passwordless?.checked ?? false;
  options.challenge = toBytes(options.challenge);
  options.user.id = toBytes(options.user.id);
  options.excludeCredentials = withBytes(options.excludeCredentials);
  options.authenticatorSelection = {
    ...options.authenticatorSelection,
    residentKey: alone ? "required" : "discouraged",
    requireResidentKey: alone,
    userVerification: alone ? "required" : options.authenticatorSelection?.userVerification,
  };
  return navigator.credentials.create({ publicKey: options });
}

async function use(form) {
  let data;
  if (form.dataset.options) data = JSON.parse(document.getElementById(form.dataset.options).textContent);
  else {
    const reply = await fetch(form.action, { headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" } });
    if (!reply.ok) throw new Error(String(reply.status));
    data = await reply.json();
  }
  const options = data.request_options.publicKey;
  options.challenge = toBytes(options.challenge);
  options.allowCredentials = withBytes(options.allowCredentials);
  return navigator.credentials.get({ publicKey: options });
}

// Browsers keep passkeys for names, not for numbers: a portal that is opened as http://127.0.0.1 has none.
const isNumber = /^[\d.]+$|^\[/.test(location.hostname);

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const problem = form.querySelector("[data-problem]");
  if (!window.PublicKeyCredential || isNumber) {
    for (const part of document.querySelectorAll(`[data-needs-passkeys]`)) part.hidden = true;
    for (const part of document.querySelectorAll(`[data-no-passkeys]`)) part.hidden = false;
    continue;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const credential = await (form.dataset.passkey === "add" ? add(form) : use(form));
      form.elements.credential.value = JSON.stringify(answer(credential));
      form.submit();
    } catch (error) {
      problem.textContent = error?.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed;
      problem.hidden = false;
      announce(problem.textContent);
    }
  });
}
