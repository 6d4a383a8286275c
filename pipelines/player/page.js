// The page around the player: drag, keys, sliders, clips, recording, and messages from a page that holds it in a frame.

const $ = (id) => document.getElementById(id);
const CALLS = ["setParameters", "show", "turn", "look", "play", "stop", "record", "stopRecording"];

function say(text) { $("said").textContent = text; }

function fileBytes() {
  const text = atob($("file").textContent.trim()), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  $("file").remove();
  return bytes;
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
  wireView(player); wireSliders(player, $("sliders")); wireClips(player); wireRecording(player, name); wireMessages(player);
  $("front").addEventListener("click", () => player.turn(0, 0, 1));
  $("reset").addEventListener("click", () => { document.activeElement.blur(); player.setParameters(null); });
  player.on("error", say);
  window.flamecast = player;
  say("");
  dispatchEvent(new CustomEvent("flamecast", { detail: player }));
  if (parent !== window) parent.postMessage({ flamecast: { event: "ready" } }, "*");
}

open().catch((error) => say(`This portrait cannot be shown here: ${error.message}`));
