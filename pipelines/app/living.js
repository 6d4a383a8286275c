// The living portrait of the page: it is there as soon as the photo is, follows the video, and shows every edit at once.
// All edits are kept in one place, the text of #edit: sliders write it, and what is typed or chosen is read from it.

import { createPlayer, readPortrait } from "./player.js";
import { linesOf, numberOf, pairsOf, pointsOf, showHandles, valueAt, DEGREE } from "./points.js";
import { isAngle, SLIDERS, wireSliders, wireView } from "./view.js";

const WRITE_EVERY = 250; // ms
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const $ = (selector) => document.querySelector(selector);
const state = { wanted: null, player: null, end: null, scene: undefined, made: undefined, clip: null, text: null, keys: null, points: {}, due: null };

// -- the text of the edits --------------------------------------------------------------------------------------------

const field = (id) => $(`#${id} textarea, #${id} input`);

function write(id, text) {
  const into = field(id);
  if (!into || into.value === text) return;
  into.value = text;
  into.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Changes some pairs (null takes one out), at once here and a little later for the server. */
function edit(changes) {
  const pairs = pairsOf(state.text || "");
  for (const [name, value] of Object.entries(changes)) if (value === null) pairs.delete(name); else pairs.set(name, value);
  state.text = [...pairs].map(([name, value]) => `${name}=${value}`).join(", ");
  clearTimeout(state.due);
  state.due = setTimeout(() => { state.due = null; write("edit", state.text); }, WRITE_EVERY);
}

/** Takes over what was typed, or came with a result. */
function readEdit() {
  const text = field("edit")?.value ?? "";
  if (state.due !== null || text === state.text) return;
  state.text = text;
  const pairs = pairsOf(text);
  for (const input of document.querySelectorAll("#whole [name]")) { input.value = (pairs.get(input.name) ?? input.dataset.rest).replace(/s$/, ""); tell(input); }
  toPlayer(pairs);
}

function toPlayer(pairs) {
  if (!state.player) return;
  const known = new Set(state.player.names), values = {};
  for (const [name, value] of pairs) if (known.has(name) && Number.isFinite(numberOf(value))) values[name] = numberOf(value);
  state.quiet = true;
  state.player.setParameters(null);
  state.player.setParameters(values);
  state.quiet = false;
}

function fromPlayer(values) {
  if (state.quiet) return;
  const rounded = (name, value) => (isAngle(state.player, name) ? `${Math.round(value / DEGREE)}deg` : String(Math.round(value * 100) / 100));
  edit(Object.fromEntries(SLIDERS.map(([name]) => [name, values[name] ? rounded(name, values[name]) : null])));
  $("#columns").dataset.one = "living"; // on a phone, where one of the two is seen
}

const tell = (input) => { const output = input.parentElement.querySelector("output"); if (output) output.textContent = input.name === "smooth" ? `${Number(input.value).toFixed(2)} s` : `${Math.round(100 * input.value)} %`; };

function wireWhole() {
  for (const input of document.querySelectorAll("#whole [name]")) {
    input.dataset.rest ??= input.value;
    tell(input);
    input.addEventListener("input", () => { tell(input); edit({ [input.name]: input.value === input.dataset.rest ? null : input.name === "smooth" ? `${input.value}s` : input.value }); });
  }
}

// -- the portrait -----------------------------------------------------------------------------------------------------

async function show(address) {
  state.wanted = address;
  const box = $("#living");
  state.end?.abort();
  state.player?.dispose();
  state.player = state.end = null;
  box.replaceChildren();
  box.hidden = true;
  $("#sliders").replaceChildren();
  if (!address) return;
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The living portrait. Arrow keys turn it, Home faces the front.");
  box.append(canvas);
  box.hidden = false;
  try {
    const player = await createPlayer(canvas, address);
    if (state.wanted !== address) { player.dispose(); return; }
    const [width, height] = player.header.size;
    box.style.setProperty("--ratio", String(width / height));
    state.player = player;
    state.end = new AbortController();
    wireView(player, state.end.signal);
    wireSliders(player, $("#sliders"));
    toPlayer(pairsOf(state.text || ""));
    player.on("parameters", fromPlayer);
    box.dataset.shown = address;
  } catch (error) {
    if (state.wanted !== address) return;
    box.textContent = `The living portrait cannot be shown here: ${error.message}. Videos are made as always.`;
  }
}

async function follow(address) {
  state.clip = null;
  if (!address) return;
  const answer = await fetch(address);
  if (!answer.ok) return;
  const { header, arrays } = await readPortrait(new Uint8Array(await answer.arrayBuffer()));
  if ($("#made")?.dataset.motion === address) state.clip = { ...header.clips[0], motion: arrays.clip0_motion.values };
}

/** The points are to be put on the curves anew. */
const renew = () => { const curves = $("#curves .curves"); if (curves) delete curves.dataset.handled; };

/** Sees what Gradio has put into the page: another photo, another result, other edits. */
function look() {
  const scene = $("#scene [data-portrait]")?.dataset.portrait, made = $("#made");
  if (!$("#columns") || !$("#living")) return;
  if (scene !== state.scene) {
    state.scene = scene;
    state.elsewhere = Boolean(made) && made.dataset.portrait !== scene; // the result is of another photo
    if (scene !== state.wanted) show(scene ?? null);
  }
  if (made?.src !== state.made) {
    state.made = made?.src;
    state.elsewhere = false;
    delete $("#columns").dataset.one;
    if (made && still) made.pause();
    if (made && made.dataset.portrait !== state.wanted) show(made.dataset.portrait || null);
    follow(made?.dataset.motion);
  }
  const has = [made && !state.elsewhere && "result", !$("#living").hidden && "living"].filter(Boolean).join(" ");
  if ($("#columns").dataset.has !== has) $("#columns").dataset.has = has; // an attribute: Gradio sets classes anew
  for (const button of document.querySelectorAll("button.upload-container[aria-label]")) button.removeAttribute("aria-label"); // it says other words than it shows
  readEdit();
  const keys = field("edit-keys")?.value ?? "";
  if (keys !== state.keys) { state.keys = keys; state.points = pointsOf(keys); renew(); }
  const curves = $("#curves .curves"); // Gradio changes the one that is there: then it lacks our mark
  if (curves && !curves.dataset.handled && !curves.querySelector(".held")) { showHandles(curves, state.points, moved); curves.dataset.handled = "yes"; }
}

/** A point of a curve was moved: shown at once, and written when it is let go. */
function moved(points, time, done) {
  state.points = points;
  const made = $("#made");
  if (made) { made.pause(); made.currentTime = Math.min(time, made.duration || 0); }
  $("#columns").dataset.one = "living";
  if (done) { state.keys = linesOf(points); renew(); write("edit-keys", state.keys); }
}

function frame() {
  const { player, clip } = state, made = $("#made");
  if (player) {
    const together = clip && made && made.duration && made.dataset.portrait === state.wanted;
    if (!together) { if (player.shown) player.show(null); } else {
      const time = (made.currentTime / made.duration) * (clip.frames / clip.fps);
      let pose = player.frameOf(clip, time);
      const values = Object.fromEntries(Object.entries(state.points).filter(([name]) => player.names.includes(name)).map(([name, track]) => [name, valueAt(track, time)]));
      if (Object.keys(values).length) pose = player.edited(pose, values);
      player.show(pose);
    }
  }
  requestAnimationFrame(frame);
}

document.addEventListener("click", ({ target }) => {
  if (target.closest("#reset")) { edit(Object.fromEntries([...pairsOf(state.text || "").keys()].map((name) => [name, null]))); clearTimeout(state.due); state.due = null; write("edit", ""); write("edit-keys", ""); state.text = null; }
  if (target.closest("#type")) target.setAttribute("aria-expanded", String($("#edits").classList.toggle("typed")));
  if (target.closest("#which button")) $("#columns").dataset.one = target.value;
  const show = target.closest("[data-show]"), gone = target.closest("[data-delete]");
  if (show || gone) write("pick", `${gone ? "delete" : "show"} ${(gone || show).dataset[gone ? "delete" : "show"]} ${Date.now()}`);
});

const begin = setInterval(() => {
  if (!$("#whole") || !$("#living")) return;
  clearInterval(begin);
  wireWhole();
  setInterval(look, 100);
  requestAnimationFrame(frame);
}, 50);

window.flamecast = state; // for who looks into it
