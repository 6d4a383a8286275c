// What every page around the player has: the view turned by drag and keys, and sliders that move the face.

const DEGREE = Math.PI / 180;

/** Controls by name, what people call them, and their range; angles in rad. */
export const SLIDERS = [
  ["yaw", "Turn", -0.8, 0.8], ["pitch", "Nod", -0.4, 0.4], ["roll", "Tilt", -0.4, 0.4], ["gazeYaw", "Eyes aside", -0.5, 0.5], ["gazePitch", "Eyes down", -0.35, 0.35],
  ["jawOpen", "Mouth open", 0, 1], ["smile", "Smile", 0, 1], ["mouthPucker", "Kiss", 0, 1], ["mouthFunnel", "O", 0, 1], ["mouthLeft", "Mouth left", 0, 1],
  ["mouthFrownLeft", "Frown, left", 0, 1], ["mouthFrownRight", "Frown, right", 0, 1], ["blink", "Eyes shut", 0, 1], ["eyeBlinkLeft", "Left eye shut", 0, 1],
  ["browInnerUp", "Brows up", 0, 1], ["browDownLeft", "Left brow down", 0, 1], ["browDownRight", "Right brow down", 0, 1], ["cheekPuff", "Cheeks", 0, 1], ["noseSneerLeft", "Sneer", 0, 1], ["tongueOut", "Tongue", 0, 1],
];

/** Whether a control is an angle, in rad; all others are shares of a whole movement. */
export const isAngle = (player, name) => name in player.header.controls.angles;

/** Dragging and keys turn the player's view, the wheel with Control or Shift brings it nearer; its eyes follow the mouse. */
export function wireView(player, signal) {
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
  addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !held.size) player.look(event.clientX, event.clientY); }, { signal });
  document.documentElement.addEventListener("pointerleave", () => player.look(null), { signal });
  const keys = { ArrowLeft: [0.1, 0, 1], ArrowRight: [-0.1, 0, 1], ArrowUp: [0, 0.08, 1], ArrowDown: [0, -0.08, 1], "+": [0, 0, 1.1], "-": [0, 0, 1 / 1.1] };
  canvas.addEventListener("keydown", (event) => {
    const { yaw, elevation, zoom } = player.orbit, by = keys[event.key];
    if (by) { event.preventDefault(); player.turn(yaw + by[0], elevation + by[1], zoom * by[2]); }
    if (event.key === "Home" || event.key === "0") player.turn(0, 0, 1);
    if (event.key === " " && player.clips.length) { event.preventDefault(); if (player.clip) player.stop(); else player.play(0); }
  });
}

/** A slider for each control that the player knows, put into a box; they show what others set, too. */
export function wireSliders(player, box) {
  for (const [name, label, low, high] of SLIDERS) {
    if (!player.names.includes(name)) continue;
    const row = document.createElement("label"), input = document.createElement("input"), shown = document.createElement("output");
    const show = (value) => { shown.textContent = input.ariaValueText = isAngle(player, name) ? `${Math.round(value / DEGREE)}°` : Number(value).toFixed(2); };
    row.append(label, input, shown);
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01, value: 0, name });
    input.addEventListener("input", () => player.setParameters({ [name]: Number(input.value) }));
    box.append(row);
    show(0);
    player.on("parameters", (values) => { if (document.activeElement !== input || !(name in values)) input.value = values[name] || 0; show(values[name] || 0); });
  }
}
