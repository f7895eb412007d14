// Passkeys (WebAuthn Level 3). The server gives what to ask as JSON, and takes the answer as JSON in a form's field.

const octets = (text) => {
  const plain = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
};
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
const ids = (list) => (list || []).map((one) => ({ ...one, id: octets(one.id) }));

function asked(kind, options) {
  const read = { ...options, challenge: octets(options.challenge) };
  if (kind === "create") {
    read.user = { ...options.user, id: octets(options.user.id) };
    read.excludeCredentials = ids(options.excludeCredentials);
  } else {
    read.allowCredentials = ids(options.allowCredentials);
  }
  return read;
}

function answered(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
    authenticatorAttachment: credential.authenticatorAttachment || undefined,
  });
}

function say(form, words) {
  let line = form.querySelector("[data-passkey-problem]");
  if (!line) {
    line = document.createElement("p");
    line.className = "field-error";
    line.setAttribute("role", "alert");
    line.dataset.passkeyProblem = "";
    form.append(line);
  }
  line.textContent = words;
}

async function use(button) {
  const form = button.form;
  const kind = button.dataset.passkey;
  // Whatever else the form wants; the password is what the passkey stands in for.
  for (const field of form.querySelectorAll("input:not([type=password])")) {
    if (!field.reportValidity()) return;
  }
  const data = new URLSearchParams(new FormData(form));
  data.delete("password");
  button.disabled = true;
  try {
    const reply = await fetch(button.dataset.options, {
      method: "POST",
      headers: {
        "X-CSRF-Token": document.querySelector("meta[name=csrf]").content,
        "HX-Request": "true",
        Accept: "application/json",
      },
      body: data,
    });
    if (!reply.ok) {
      const said = reply.headers.get("X-Message");
      say(form, said ? decodeURIComponent(said) : button.dataset.failed);
      return;
    }
    const publicKey = asked(kind, await reply.json());
    const credential = await navigator.credentials[kind]({ publicKey });
    form.querySelector("input[name=passkey]").value = answered(credential);
    form.noValidate = true;
    form.requestSubmit();
  } catch (error) {
    // Whoever changed their mind knows.
    if (error.name === "InvalidStateError" && button.dataset.known) say(form, button.dataset.known);
    else if (error.name !== "AbortError") say(form, button.dataset.failed);
  } finally {
    button.disabled = false;
  }
}

if (window.PublicKeyCredential && navigator.credentials) {
  document.querySelectorAll("[data-passkey], [data-passkey-part]").forEach((part) => {
    part.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-passkey]");
    if (button) use(button);
  });
} else {
  document.querySelectorAll("[data-passkey-missing]").forEach((part) => {
    part.hidden = false;
  });
}
