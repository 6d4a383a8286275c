// The page around the player: drag, keys, sliders, clips, recording, and messages from a page that holds it in a frame.

const $ = (id) => document.getElementById(id);
const SLIDERS = [
  ["yaw", "Turn", -0.8, 0.8], ["pitch", "Nod", -0.4, 0.4], ["roll", "Tilt", -0.4, 0.4], ["gazeYaw", "Eyes aside", -0.5, 0.5], ["gazePitch", "Eyes down", -0.35, 0.35],
  ["jawOpen", "Mouth open", 0, 1], ["smile", "Smile", 0, 1], ["mouthPucker", "Kiss", 0, 1], ["mouthFunnel", "O", 0, 1], ["mouthLeft", "Mouth left", 0, 1],
  ["mouthFrownLeft", "Frown, left", 0, 1], ["mouthFrownRight", "Frown, right", 0, 1], ["blink", "Eyes shut", 0, 1], ["eyeBlinkLeft", "Left eye shut", 0, 1],
  ["browInnerUp", "Brows up", 0, 1], ["browDownLeft", "Left brow down", 0, 1], ["browDownRight", "Right brow down", 0, 1], ["cheekPuff", "Cheeks", 0, 1], ["noseSneerLeft", "Sneer", 0, 1], ["tongueOut", "Tongue", 0, 1],
];
const CALLS = ["setParameters", "show", "turn", "look", "play", "stop", "record", "stopRecording"];

function say(text) { $("said").textContent = text; }

function fileBytes() {
  const text = atob($("file").textContent.trim()), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  $("file").remove();
  return bytes;
}

function wireView(player) {
  const canvas = player.canvas, held = new Map();
  let start = null;
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("held");
    start = { x: event.clientX, y: event.clientY, ...player.orbit };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId) || held.size > 1) return;
    const size = canvas.getBoundingClientRect().width;
    player.turn(start.yaw - (2 * (event.clientX - start.x)) / size, start.elevation + (1.2 * (event.clientY - start.y)) / size);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => { held.delete(event.pointerId); canvas.classList.remove("held"); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    player.turn(player.orbit.yaw, player.orbit.elevation, player.orbit.zoom * Math.exp(-event.deltaY / 500));
  }, { passive: false });
  addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !held.size) player.look(event.clientX, event.clientY); });
  document.documentElement.addEventListener("pointerleave", () => player.look(null));
  const keys = { ArrowLeft: [0.1, 0, 1], ArrowRight: [-0.1, 0, 1], ArrowUp: [0, 0.08, 1], ArrowDown: [0, -0.08, 1], "+": [0, 0, 1.1], "-": [0, 0, 1 / 1.1] };
  canvas.addEventListener("keydown", (event) => {
    const { yaw, elevation, zoom } = player.orbit, by = keys[event.key];
    if (by) { event.preventDefault(); player.turn(yaw + by[0], elevation + by[1], zoom * by[2]); }
    if (event.key === "Home" || event.key === "0") player.turn(0, 0, 1);
    if (event.key === " " && player.clips.length) { event.preventDefault(); if (player.clip) player.stop(); else player.play(0); }
  });
  $("front").addEventListener("click", () => player.turn(0, 0, 1));
}

function wireClips(player) {
  const buttons = player.clips.map((clip, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `▶ ${clip.name}`;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => { if (player.clip?.index === index) player.stop(); else player.play(index).catch((error) => say(error.message)); });
    $("clips").append(button);
    return button;
  });
  const show = () => buttons.forEach((button, index) => {
    const on = player.clip?.index === index;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = `${on ? "■" : "▶"} ${player.clips[index].name}`;
  });
  player.on("play", show); player.on("end", show);
  $("sound").hidden = !player.clips.some(({ sound }) => sound);
  $("sound").addEventListener("click", () => {
    player.muted = !player.muted;
    if (player.out) player.out.gain.value = player.muted ? 0 : 1;
    $("sound").setAttribute("aria-pressed", String(!player.muted));
  });
}

function wireSliders(player) {
  for (const [name, label, low, high] of SLIDERS) {
    if (!player.names.includes(name)) continue;
    const row = document.createElement("label"), input = document.createElement("input");
    row.append(label, input);
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01, value: 0 });
    input.addEventListener("input", () => player.setParameters({ [name]: Number(input.value) }));
    $("sliders").append(row);
    player.on("parameters", (values) => { if (document.activeElement !== input) input.value = values[name] || 0; });
  }
  $("reset").addEventListener("click", () => { document.activeElement.blur(); player.setParameters(null); });
}

function wireRecording(player, name) {
  const button = $("record");
  if (!window.MediaRecorder || !player.canvas.captureStream) { button.hidden = true; return; }
  player.on("record", (on) => { button.setAttribute("aria-pressed", String(on)); button.textContent = on ? "Stop" : "Record"; });
  button.addEventListener("click", async () => {
    if (player.recorder) { player.stopRecording(); return; }
    const video = await player.record(), link = document.createElement("a");
    link.href = URL.createObjectURL(video);
    link.download = `${name.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 60) || "portrait"}.${video.type.includes("mp4") ? "mp4" : "webm"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}

/** {flamecast: {call, arguments, id}} calls the player; {flamecast: {on, id}} subscribes. Answers go to who asked. */
function wireMessages(player) {
  addEventListener("message", async ({ data, source }) => {
    const asked = data && data.flamecast;
    if (!asked || typeof asked !== "object" || !source) return;
    const answer = (content) => source.postMessage({ flamecast: { id: asked.id, ...content } }, "*");
    try {
      if (typeof asked.on === "string") { player.on(asked.on, (detail) => answer({ event: asked.on, detail })); return; }
      if (!CALLS.includes(asked.call)) throw new RangeError("there is no such call");
      answer({ value: (await player[asked.call](...[].concat(asked.arguments ?? []))) ?? null });
    } catch (error) { answer({ error: String(error.message || error) }); }
  });
}

async function open() {
  const asked = new URLSearchParams(location.search), bare = asked.get("background") === "none";
  const name = JSON.parse($("name").textContent);
  document.documentElement.classList.toggle("bare", bare);
  const player = await createPlayer($("portrait"), fileBytes(), { background: !bare });
  $("stage").style.setProperty("--shape", String(player.header.size[0] / player.header.size[1]));
  wireView(player); wireClips(player); wireSliders(player); wireRecording(player, name); wireMessages(player);
  player.on("error", say);
  window.flamecast = player;
  say("");
  dispatchEvent(new CustomEvent("flamecast", { detail: player }));
  if (parent !== window) parent.postMessage({ flamecast: { event: "ready" } }, "*");
}

open().catch((error) => say(`This portrait cannot be shown here: ${error.message}`));
