// The part of the live page that draws: parameters come from the server, the player shows the newest, and each is timed
// from when the driver was seen until the graphics have drawn it.

import { createPlayer } from "./player.js";

const MAGIC = "FLMP", VERSION = 1, START = 40; // see protocol.py
const EXACT = { rotation: 3, neck: 3, jaw: 3, eyes: 6, eyelids: 2, translation: 3 };
const WINDOW = 5000; // ms that the numbers look back
const STILL = 3; // pictures of the screen after which nothing was there to be drawn: the pose is the one that is seen

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + rest / 1024) * 2 ** (exponent - 15) : rest * 2 ** -24);
}

/** Whether a message holds parameters. */
export const isPose = (data) => data.byteLength >= START && String.fromCharCode(...new Uint8Array(data, 0, 4)) === MAGIC;

/** A message of parameters. RangeError for a version that this page does not know. */
export function decodePose(data) {
  const view = new DataView(data), version = view.getUint16(4, true), pose = {};
  if (version !== VERSION) throw new RangeError(`the server speaks version ${version}, this page ${VERSION}: load it again`);
  let at = START;
  for (const [name, count] of Object.entries(EXACT)) {
    pose[name] = Array.from({ length: count }, (_, k) => view.getFloat32(at + 4 * k, true));
    at += 4 * count;
  }
  pose.expression = Array.from({ length: (data.byteLength - at) >> 1 }, (_, k) => half(view.getUint16(at + 2 * k, true)));
  return { number: view.getUint32(8, true), tag: view.getFloat64(12, true), at: view.getFloat64(20, true), media: view.getFloat64(28, true), pose };
}

/** The portrait of a live server, drawn in a canvas. */
export class Drawing {
  /** seen(frame): called when a frame is on the canvas; late(frame): ms since its driver was seen, or null. */
  static async open(canvas, { bare, late, seen }) {
    const made = new Drawing();
    Object.assign(made, { player: await createPlayer(canvas, "portrait", { background: !bare }), late, seen, marks: [], waiting: null, busy: false });
    return made;
  }

  /** Shows a message's parameters, unless newer ones come before it is their turn. */
  take(data) {
    this.waiting = decodePose(data);
    this.next();
  }

  async next() {
    if (this.busy || !this.waiting) return;
    this.busy = true;
    const frame = this.waiting;
    this.waiting = null;
    this.player.show(frame.pose);
    await this.drawn();
    const now = performance.now();
    this.marks.push({ now, late: this.late(frame) });
    while (now - this.marks[0].now > WINDOW) this.marks.shift();
    this.busy = false;
    this.seen(frame);
    this.next();
  }

  /** Resolves when the graphics have drawn what is shown now. */
  drawn() {
    return new Promise((done) => {
      const { player } = this, { gl } = player.renderer;
      let screens = 0;
      const off = player.on("drawn", () => {
        off(); screens = Infinity;
        const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
        const ask = () => {
          if (gl.isContextLost() || [gl.ALREADY_SIGNALED, gl.CONDITION_SATISFIED].includes(gl.clientWaitSync(fence, gl.SYNC_FLUSH_COMMANDS_BIT, 0))) { gl.deleteSync(fence); done(); } else setTimeout(ask, 1);
        };
        ask();
      });
      const count = () => { if (screens === Infinity) return; if (++screens > STILL) { off(); done(); } else requestAnimationFrame(count); };
      requestAnimationFrame(count);
    });
  }

  /** Pictures a second, and median and 95th percentile of their latency, of the last seconds; null where none came. */
  numbers() {
    const now = performance.now(), recent = this.marks.filter((mark) => now - mark.now <= WINDOW), n = recent.length;
    if (!n) return null;
    const late = recent.map((mark) => mark.late).filter(Number.isFinite).sort((a, b) => a - b), of = (share) => late.length ? late[Math.min(Math.floor(share * late.length), late.length - 1)] : null;
    return { fps: n > 2 ? (1000 * (n - 1)) / (recent[n - 1].now - recent[0].now) : 0, late: of(0.5), late_p95: of(0.95) };
  }

  close() { this.waiting = null; this.player.dispose(); }
}
