// Keyframes as text, as points that are dragged on the curves, and their values in between. See keyframe_text.py.

export const DEGREE = Math.PI / 180;
const EASES = { linear: (x) => x, smooth: (x) => x ** 3 * (10 - 15 * x + 6 * x * x), in: (x) => x * x, out: (x) => x * (2 - x), hold: () => 0 }; // core/easing.py
const ANGLES = ["yaw", "pitch", "roll", "gazeYaw", "gazePitch"];
const BESIDE = 0.5; // s from a curve's first point to where it begins and ends
const HEIGHT = 64, EDGE = 4; // of a chart, see curves.py

// -- text -------------------------------------------------------------------------------------------------------------

/** name=value pairs of an edit's text, in order. */
export function pairsOf(text) {
  const found = new Map();
  for (const piece of text.split(/[,;]/)) {
    const at = piece.indexOf("=");
    if (at > 0) found.set(piece.slice(0, at).trim(), piece.slice(at + 1).trim());
  }
  return found;
}

/** A value as the player takes it: rad or shares; NaN for what is neither. */
export const numberOf = (text) => (/deg$/.test(text) ? Number(text.slice(0, -3)) * DEGREE : Number(text.replace(/rad$/, "")));

/** Points [time s, value, ease] by control, of lines such as `1.5s: smile=0.6, yaw=15deg | out`. */
export function pointsOf(text) {
  const points = {};
  for (const line of text.split("\n")) {
    const match = /^\s*([0-9]*\.?[0-9]+)\s*s?\s*:\s*([^|]+?)\s*(?:\|\s*(\w+)\s*)?$/.exec(line);
    if (match) for (const [name, value] of pairsOf(match[2])) if (Number.isFinite(numberOf(value))) (points[name] ||= []).push([Number(match[1]), numberOf(value), match[3] || "smooth"]);
  }
  for (const track of Object.values(points)) track.sort((a, b) => a[0] - b[0]);
  return points;
}

/** The lines of points, one for each time and ease. */
export function linesOf(points) {
  const lines = new Map();
  for (const [name, track] of Object.entries(points)) {
    for (const [time, value, ease] of track) {
      const key = `${time.toFixed(2)}|${ease}`, text = ANGLES.includes(name) ? `${(value / DEGREE).toFixed(1)}deg` : value.toFixed(2);
      lines.set(key, [...(lines.get(key) || []), `${name}=${text}`]);
    }
  }
  const sorted = [...lines].map(([key, edits]) => [...key.split("|"), edits]).sort((a, b) => a[0] - b[0]);
  return sorted.map(([time, ease, edits]) => `${time}s: ${edits.join(", ")}${ease === "smooth" ? "" : ` | ${ease}`}`).join("\n");
}

/** A track's value at a time: held before its first point and after its last. */
export function valueAt(track, time) {
  const next = track.findIndex(([at]) => at > time);
  if (next === 0) return track[0][1];
  if (next < 0) return track.at(-1)[1];
  const [from, value, ease] = track[next - 1], [to, wanted] = track[next];
  return value + (EASES[ease] || EASES.smooth)((time - from) / (to - from)) * (wanted - value);
}

// -- points on the curves ---------------------------------------------------------------------------------------------

/** One chart: where a time and a value stand in it, and what the motion is before any change. */
class Chart {
  constructor(plot, seconds) {
    Object.assign(this, { plot, seconds, low: Number(plot.dataset.low), high: Number(plot.dataset.high) });
    this.controls = [...plot.parentElement.querySelectorAll(".legend [data-control]")].map(({ dataset }, index) => ({ names: dataset.control.split("+"), scale: Number(dataset.scale), index }));
    this.chosen = this.controls[0];
  }

  /** The value of the unedited curve at a time, in the chart's unit. */
  before(control, time) {
    const line = this.plot.querySelector(`polyline.was.c${control.index}`) || this.plot.querySelector(`polyline.c${control.index}`);
    const points = line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)), x = (time / this.seconds) * 600;
    const after = points.findIndex(([at]) => at >= x), [x1, y1] = points.at(after < 0 ? -1 : after), [x0, y0] = after > 0 ? points[after - 1] : [x1, y1];
    return this.valueOf((x1 > x0 ? y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) : y1) / HEIGHT);
  }

  valueOf(share) { return this.low + ((HEIGHT - EDGE - share * HEIGHT) / (HEIGHT - 2 * EDGE)) * (this.high - this.low); }

  shareOf(value) { return (HEIGHT - EDGE - ((value - this.low) / (this.high - this.low)) * (HEIGHT - 2 * EDGE)) / HEIGHT; }

  at(event) {
    const box = this.plot.getBoundingClientRect();
    return [Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.seconds, this.valueOf(Math.min(Math.max((event.clientY - box.top) / box.height, 0), 1))];
  }
}

const changed = (points, names, change) => ({ ...points, ...Object.fromEntries(names.map((name) => [name, change(points[name] || []).sort((a, b) => a[0] - b[0])])) });
const without = (points) => Object.fromEntries(Object.entries(points).filter(([, track]) => track.length));

/** Adds a point to a curve; the first is led up to and away from, so that the rest of the clip stays as it is. */
function added(points, chart, time, value) {
  const { names, scale } = chart.chosen, by = (value - chart.before(chart.chosen, time)) / scale;
  return changed(points, names, (track) => {
    const kept = track.filter(([at]) => Math.abs(at - time) > 0.02), ends = [time - BESIDE, time + BESIDE].map((at) => Math.min(Math.max(at, 0), chart.seconds));
    return [...kept, [time, by, "smooth"], ...(track.length ? [] : ends.filter((at) => Math.abs(at - time) > 0.05).map((at) => [at, 0, "smooth"]))];
  });
}

/** Puts handles on the charts for all points. moved(points, time, done) is told of each change. */
export function showHandles(curves, points, moved) {
  const seconds = Number(curves.dataset.seconds);
  for (const plot of curves.querySelectorAll(".plot[data-low]")) {
    const chart = new Chart(plot, seconds);
    plot.querySelectorAll(".key").forEach((key) => key.remove());
    const buttons = [...plot.parentElement.querySelectorAll(".legend [data-control]")];
    const choose = (index) => { chart.chosen = chart.controls[index]; buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === index))); };
    buttons.forEach((button, index) => { button.onclick = () => choose(index); });
    if (buttons.length) choose(0);
    plot.ondblclick = (event) => { if (!event.target.closest(".key")) { const [time, value] = chart.at(event); moved(without(added(points, chart, time, value)), time, true); } };
    plot.onkeydown = (event) => {
      if (event.key !== "Enter" || event.target !== plot) return;
      const time = Number(document.getElementById("made")?.currentTime ?? 0), step = (chart.high - chart.low) / 10;
      moved(without(added(points, chart, time, chart.before(chart.chosen, time) + step)), time, true);
    };
    for (const control of chart.controls) for (const point of points[control.names[0]] || []) plot.append(handle(chart, control, point, points, moved));
  }
}

/** A point that is dragged, moved by arrow keys, and taken away by Delete or a double click. */
function handle(chart, control, [time, value], points, moved) {
  const key = document.createElement("button");
  let at = time, by = value;
  const tell = () => {
    key.style.left = `${(100 * at) / chart.seconds}%`;
    key.style.top = `${100 * Math.min(Math.max(chart.shareOf(chart.before(control, at) + by * control.scale), 0.03), 0.97)}%`;
    key.ariaLabel = `${control.names[0]} at ${at.toFixed(2)} s: ${(by * control.scale).toFixed(control.scale === 1 ? 2 : 0)} more. Arrow keys move it, Delete takes it away.`;
  };
  const now = () => changed(points, control.names, (track) => track.map((point) => (point[0] === time ? [at, by, point[2]] : point)));
  const gone = () => moved(without(changed(points, control.names, (track) => track.filter((point) => point[0] !== time))), time, true);
  Object.assign(key, { type: "button", className: `key c${control.index}` });
  tell();
  key.onpointerdown = (event) => { event.preventDefault(); key.focus(); key.setPointerCapture(event.pointerId); key.classList.add("held"); };
  key.onpointermove = (event) => {
    if (!key.classList.contains("held")) return;
    const [to, height] = chart.at(event);
    at = Math.round(to * 100) / 100; by = (height - chart.before(control, at)) / control.scale; key.was = true;
    tell(); moved(now(), at, false);
  };
  key.onpointerup = () => { key.classList.remove("held"); if (key.was) moved(now(), at, true); key.was = false; };
  key.onclick = (event) => event.stopPropagation();
  key.ondblclick = (event) => { event.stopPropagation(); gone(); };
  key.onkeydown = (event) => {
    const step = (chart.high - chart.low) / 20 / control.scale, move = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); gone(); }
    if (!move) return;
    event.preventDefault();
    at = Math.min(Math.max(Math.round((at + move[0]) * 100) / 100, 0), chart.seconds); by += move[1];
    tell(); moved(now(), at, false);
  };
  key.onkeyup = (event) => { if (event.key.startsWith("Arrow")) moved(now(), at, true); };
  return key;
}
