// Opens sealed recordings in the browser, with a private key that is never sent; and makes such a key.
//
// A recording is an age file (age-encryption.org/v1). One that was not finished lacks its last chunk, and has a second
// file beside it: 8 octets with where it begins in the plain octets, then these. See rust/media/src/record.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { Decrypter, Encrypter, armor, generateX25519Identity, identityToRecipient } from "age-encryption";

const CHUNK = 64 * 1024;
const TAG = 16;
const NONCE = 16;
const BINARY_AGE = "age-encryption.org/";
const ARMORED_AGE = "-----BEGIN AGE ENCRYPTED FILE-----";
const SECRET = "AGE-SECRET-KEY-1";
const TYPES = { opus: ["audio/ogg; codecs=opus", "ogg"], wav: ["audio/wav", "wav"], flac: ["audio/flac", "flac"] };

class Damaged extends Error {}

// Opening

/** The octets of the header, up to and with its MAC's line. */
function headerOf(file) {
  for (let place = 0; place < Math.min(file.length, 64 * 1024); place += 1) {
    if (file[place] === 0x0a && file[place + 1] === 0x2d && file[place + 2] === 0x2d && file[place + 3] === 0x2d) {
      const end = file.indexOf(0x0a, place + 1);
      if (end >= 0) return file.subarray(0, end + 1);
    }
  }
  throw new Damaged();
}

/** What a sealed file holds: its octets as far as they are authentic, and whether its last chunk is the last. */
async function opened(file, identity) {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const header = headerOf(file);
  const fileKey = await decrypter.decryptHeader(header);
  const payload = file.subarray(header.length);
  const key = hkdf(sha256, fileKey, payload.subarray(0, NONCE), new TextEncoder().encode("payload"), 32);
  const sealed = payload.subarray(NONCE);
  const parts = [];
  let whole = false;
  for (let place = 0, number = 0; place < sealed.length && !whole; place += CHUNK + TAG, number += 1) {
    const chunk = sealed.subarray(place, place + CHUNK + TAG);
    const isEnd = place + chunk.length === sealed.length;
    const plain = chunkOf(key, chunk, number, false) ?? (isEnd ? chunkOf(key, chunk, number, true) : null);
    if (plain === null) break;
    whole = isEnd && chunkOf(key, chunk, number, true) !== null;
    parts.push(plain);
  }
  key.fill(0);
  return { octets: joined(parts), whole };
}

function chunkOf(key, chunk, number, isLast) {
  if (chunk.length < TAG) return null;
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(7, number);
  nonce[11] = isLast ? 1 : 0;
  try {
    return chacha20poly1305(key, nonce).decrypt(chunk);
  } catch {
    return null;
  }
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}

/** A recording's octets, with its tail where it was not finished. */
async function openRecording(file, tail, identity, wasFinished) {
  const main = await opened(file, identity);
  if (main.whole) return main;
  const chunks = Math.floor(Math.max(0, file.length - headerOf(file).length - NONCE) / (CHUNK + TAG)) * CHUNK;
  if (wasFinished || main.octets.length < chunks) throw new Damaged();
  if (!tail.length) return main;
  const rest = await opened(tail, identity);
  const view = new DataView(rest.octets.buffer, rest.octets.byteOffset);
  const begins = Number(view.getBigUint64(0));
  if (!rest.whole || begins > main.octets.length) throw new Damaged();
  const more = rest.octets.subarray(8 + main.octets.length - begins);
  return { octets: joined([main.octets, more]), whole: false };
}

/** A WAV file is written as a stream, which does not know its length: write it in, as players want it. */
function mended(octets, format) {
  if (format !== "wav" || octets.length < 44) return octets;
  const view = new DataView(octets.buffer, octets.byteOffset);
  view.setUint32(4, octets.length - 8, true);
  for (let place = 12; place + 8 <= octets.length; ) {
    if (view.getUint32(place) === 0x64617461) {
      view.setUint32(place + 4, octets.length - place - 8, true);
      break;
    }
    place += 8 + view.getUint32(place + 4, true);
  }
  return octets;
}

/** A FLAC file as WAV: written as a stream, it does not know its length, and players in browsers trip over that. */
async function flacAsWav(octets) {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const rate = view.getUint32(18) >>> 12; // of STREAMINFO (RFC 9639 8.2)
  const context = new OfflineAudioContext(2, 1, rate);
  const sound = await context.decodeAudioData(octets.slice().buffer);
  const channels = [...Array(sound.numberOfChannels).keys()].map((number) => sound.getChannelData(number));
  const bytes = sound.length * channels.length * 2;
  const wav = new DataView(new ArrayBuffer(44 + bytes));
  const text = (place, word) => [...word].forEach((letter, index) => wav.setUint8(place + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  wav.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  wav.setUint32(16, 16, true);
  wav.setUint16(20, 1, true);
  wav.setUint16(22, channels.length, true);
  wav.setUint32(24, sound.sampleRate, true);
  wav.setUint32(28, sound.sampleRate * channels.length * 2, true);
  wav.setUint16(32, channels.length * 2, true);
  wav.setUint16(34, 16, true);
  text(36, "data");
  wav.setUint32(40, bytes, true);
  for (let sample = 0, place = 44; sample < sound.length; sample += 1) {
    for (const channel of channels) {
      wav.setInt16(place, Math.max(-32768, Math.min(32767, Math.round(channel[sample] * 32768))), true);
      place += 2;
    }
  }
  return new Blob([wav.buffer], { type: "audio/wav" });
}

/** The private keys in a key file or in what was pasted. Throws the name of what to say. */
async function identitiesIn(octets, passphrase) {
  const start = new TextDecoder().decode(octets.subarray(0, 64)).trim();
  let text;
  if (start.startsWith(BINARY_AGE) || start.startsWith(ARMORED_AGE)) {
    if (!passphrase) throw new Error("need_passphrase");
    const decrypter = new Decrypter();
    decrypter.addPassphrase(passphrase);
    const file = start.startsWith(ARMORED_AGE) ? armor.decode(new TextDecoder().decode(octets)) : octets;
    try {
      text = await decrypter.decrypt(file, "text");
    } catch {
      throw new Error("wrong_passphrase");
    }
  } else {
    text = new TextDecoder().decode(octets);
  }
  const found = text.split(/\s+/).filter((word) => word.startsWith(SECRET));
  if (!found.length) throw new Error("no_key");
  try {
    return await Promise.all(found.map(async (identity) => [await identityToRecipient(identity), identity]));
  } catch {
    throw new Error("no_key");
  }
}

// The list

const keys = new Map(); // by public key; gone with the page
const byId = (id) => document.getElementById(id);
const words = (form) => JSON.parse(form.dataset.words);
const nextFrame = () => new Promise((done) => setTimeout(done, 30));

function playing() {
  const dialog = byId("unlock");
  const form = byId("unlock-form");
  if (!form) return;
  const said = words(form);
  let wanted = null;
  let url = "";
  let heard = "";
  const audio = byId("player-audio");

  const tell = (text) => {
    byId("player-said").textContent = text;
  };
  const fail = (text) => {
    byId("unlock-error").textContent = text;
    byId("unlock-error").hidden = false;
  };

  function forget() {
    audio.pause();
    audio.removeAttribute("src");
    audio.load();
    for (const one of [url, heard]) if (one) URL.revokeObjectURL(one);
    url = heard = "";
    audio.hidden = true;
    byId("player-save").hidden = true;
  }

  async function fetched(what) {
    const answer = await fetch(`/recordings/${wanted.dataset.play}/${what}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error("not_there");
    return new Uint8Array(await answer.arrayBuffer());
  }

  async function play() {
    const { format, recipient, title, finished } = wanted.dataset;
    forget();
    byId("player").hidden = false;
    byId("player-title").textContent = title;
    tell(said.fetching);
    try {
      // The tail first: what is written meanwhile lies behind it.
      const tail = finished === "yes" ? new Uint8Array(0) : await fetched("tail");
      const file = await fetched("sealed");
      tell(said.opening);
      await nextFrame();
      const found = await openRecording(file, tail, keys.get(recipient), finished === "yes");
      const octets = mended(found.octets, format);
      const [type, extension] = TYPES[format];
      url = URL.createObjectURL(new Blob([octets], { type }));
      const save = byId("player-save");
      save.href = url;
      save.download = `${wanted.dataset.play}.${extension}`;
      save.hidden = false;
      audio.hidden = false;
      if (format === "flac") heard = await flacAsWav(octets).then(URL.createObjectURL, () => "");
      audio.src = heard || url;
      tell(found.whole ? "" : said.part);
      audio.play().catch(() => {});
    } catch (error) {
      tell(said[error.message] || said.damaged);
    }
  }

  audio.addEventListener("error", () => {
    if (audio.getAttribute("src")) tell(said.cannot_play);
  });
  byId("player-close").addEventListener("click", () => {
    forget();
    byId("player").hidden = true;
    if (wanted) wanted.focus();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (!button) return;
    wanted = button;
    if (keys.has(button.dataset.recipient)) {
      play();
      return;
    }
    byId("unlock-error").hidden = true;
    byId("unlock-recipient").textContent = button.dataset.recipient;
    dialog.showModal();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = byId("key-file").files[0];
    const button = form.querySelector("[type=submit]");
    byId("unlock-error").hidden = true;
    button.disabled = true;
    try {
      const pasted = byId("key-text").value.trim();
      if (!pasted && !file) throw new Error("no_key");
      const octets = pasted ? new TextEncoder().encode(pasted) : new Uint8Array(await file.arrayBuffer());
      await nextFrame();
      for (const [recipient, identity] of await identitiesIn(octets, byId("key-passphrase").value)) {
        keys.set(recipient, identity);
      }
      const needed = wanted.dataset.recipient;
      if (!keys.has(needed)) {
        fail(`${said.other_key} ${needed}`);
        return;
      }
      form.reset();
      dialog.close();
      await play();
    } catch (error) {
      fail(said[error.message] || said.no_key);
    } finally {
      button.disabled = false;
    }
  });
}

// The key

function making() {
  const form = byId("make-key");
  if (!form) return;
  const said = words(form);
  const first = byId("new-passphrase");
  const again = byId("again-passphrase");
  const button = byId("make-button");

  function wrong(field, text) {
    const line = byId(`${field.id}-error`);
    line.textContent = text;
    line.hidden = !text;
    field.toggleAttribute("aria-invalid", Boolean(text));
    if (text) {
      field.setAttribute("aria-invalid", "true");
      field.focus();
    }
    return Boolean(text);
  }

  async function make() {
    const passphrase = first.value;
    const isWrong = [wrong(again, passphrase === again.value ? "" : said.differ), wrong(first, passphrase.length < 10 ? said.short : "")];
    if (isWrong.includes(true)) return;
    button.disabled = true;
    byId("make-said").textContent = said.working;
    await nextFrame();
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const encrypter = new Encrypter();
    encrypter.setPassphrase(passphrase);
    const today = new Date().toISOString();
    const sealed = await encrypter.encrypt(`# created: ${today}\n# public key: ${recipient}\n${identity}\n`);
    const url = URL.createObjectURL(new Blob([sealed], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${form.dataset.name}-${today.slice(0, 10)}-${recipient.slice(4, 10)}.age`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    form.elements.recipient.value = recipient;
    first.value = "";
    again.value = "";
    byId("made-recipient").textContent = recipient;
    byId("made").hidden = false;
    byId("make-said").textContent = said.made;
    byId("made-saved").focus();
  }

  button.addEventListener("click", make);
  byId("made-saved").addEventListener("change", (event) => {
    byId("made-use").disabled = !event.target.checked;
  });
  form.addEventListener("submit", (event) => {
    if (!form.elements.recipient.value || !byId("made-saved").checked) {
      event.preventDefault();
      event.stopImmediatePropagation();
      make();
    }
  }, true);
}

playing();
making();
